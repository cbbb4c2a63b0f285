package restore

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/needs"
)

// Of two restores at once one wins, and the other touches nothing.
func TestTwoAtOnce(t *testing.T) {
	source := newSource(t, "")
	for _, absent := range []bool{true, false} {
		path := makeOld(t, "")
		if absent {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}
		o := basicOrder(path, source)
		c := o.content()
		fill := c.fill
		c.fill = func(ctx context.Context, f *os.File) error {
			refusedWith(t, o, ErrRestoring)
			return fill(ctx, f)
		}
		if _, err := place(t.Context(), path, c, o.options()); err != nil {
			t.Fatal(err)
		}
		mustLook(t, path, genNew)
	}
	t.Run("race", func(t *testing.T) {
		path := makeOld(t, "")
		won, lost := 0, 0
		for round := 0; round < 10 || lost == 0 && round < 1000; round++ { // until two meet
			before := won
			var group sync.WaitGroup
			codes := make([]int, 3)
			for i := range codes {
				cmd := command(t, basicOrder(path, source))
				group.Go(func() {
					_ = cmd.Run()
					codes[i] = cmd.ProcessState.ExitCode()
				})
			}
			group.Wait()
			for _, code := range codes {
				switch code {
				case 0:
					won++
				case exitCode(ErrRestoring):
					lost++
				default:
					t.Fatalf("a restore ended with %d", code)
				}
			}
			if won == before {
				t.Fatal("no restore won")
			}
		}
		if lost == 0 {
			t.Fatalf("%d won, none was refused", won)
		}
		mustLook(t, path, genNew)
		for _, name := range names(t, path) {
			if strings.HasPrefix(name, ".") {
				t.Errorf("%s is left over", name)
			}
		}
	})
}

// A backup that runs while a restore swaps copies the old or the new content.
func TestBackupMeanwhile(t *testing.T) {
	needs.Time(t)
	sources := map[int]string{genNew: newSource(t, "")}
	old := makeOld(t, "")
	sources[genOld] = old
	path := filepath.Join(t.TempDir(), "app.db")
	sh(t, "cp", old, path)
	stop := make(chan struct{})
	var group sync.WaitGroup
	var backups, failed atomic.Int64
	group.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			out := filepath.Join(t.TempDir(), "copy.db")
			if err := exec.Command("sqlite3", "-cmd", ".timeout 0", path, ".backup "+out).Run(); err != nil {
				failed.Add(1)
				continue
			}
			backups.Add(1)
			if got, err := look(out); err != nil || got != contentOf(genOld) && got != contentOf(genNew) {
				t.Errorf("a backup holds %q (%v)", got, err)
			}
		}
	})
	swapped, refused := 0, 0
	for i := 0; swapped < 20 || backups.Load() == 0 && !t.Failed(); i++ {
		o := basicOrder(path, sources[genOld+i%2])
		o.DiscardOld, o.WAL = true, i%4 < 2
		_, err := place(t.Context(), path, o.content(), o.options())
		switch {
		case err == nil:
			swapped++
		case errors.Is(err, ErrTargetOpen):
			refused++
		default:
			t.Fatal(err)
		}
	}
	close(stop)
	group.Wait()
	t.Logf("%d swaps, %d refused, %d backups, %d failed", swapped, refused, backups.Load(), failed.Load())
}
