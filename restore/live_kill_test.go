package restore

import (
	"context"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/await"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/needs"
)

// Readers that go on all the time see all old or all new, and the second look
// is never older than the first. Writers move money meanwhile.
func TestLiveNoMix(t *testing.T) {
	needs.Time(t)
	for _, mode := range []string{"WAL", "DELETE"} {
		t.Run(mode, func(t *testing.T) {
			path, source := filepath.Join(t.TempDir(), "app.db"), filepath.Join(t.TempDir(), "new.db")
			makeBig(t, path, genOld, "PRAGMA journal_mode="+mode+";")
			makeBig(t, source, genNew, "")
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			var group sync.WaitGroup
			var looks, moves atomic.Int64
			group.Go(func() { // a reader
				c, err := sqlite.Open(path, 5*time.Second, url.Values{"mode": {"rw"}})
				if err != nil {
					t.Error(err)
					return
				}
				defer c.Close()
				sums := map[int64]int64{}
				for gen := int64(genOld); gen <= genNew; gen++ {
					sums[gen] = (gen + 7) * rows * (rows + 1) / 2
				}
				last := int64(genOld)
				for ctx.Err() == nil {
					row, err := c.Row(context.Background(), "SELECT min(gen), max(gen), sum(balance), (SELECT min(gen) FROM bulk), (SELECT max(gen) FROM bulk) FROM account")
					if err != nil {
						continue // busy
					}
					looks.Add(1)
					gen := row[0].(int64)
					if row[1] != gen || row[3] != gen || row[4] != gen || row[2] != sums[gen] || gen < last {
						t.Errorf("a reader sees %v after %d", row, last)
					}
					last = gen
				}
			})
			group.Go(func() { // a writer
				c, err := sqlite.Open(path, 5*time.Second, url.Values{"mode": {"rw"}})
				if err != nil {
					t.Error(err)
					return
				}
				defer c.Close()
				for i := 1; ctx.Err() == nil; i++ {
					sql := fmt.Sprintf("BEGIN IMMEDIATE; UPDATE account SET balance = balance - 1 WHERE id = %d; UPDATE account SET balance = balance + 1 WHERE id = %d; COMMIT", i%rows+1, (i+7)%rows+1)
					if err := c.Exec(context.Background(), sql); err != nil {
						_ = c.Exec(context.Background(), "ROLLBACK")
					} else {
						moves.Add(1)
					}
					time.Sleep(time.Millisecond) // leave others a chance
				}
			})
			o := liveOrder(path, source, false)
			o.Wait = 5 * time.Minute
			for range 2 {
				seen, done := looks.Load(), moves.Load()
				await.That(t, func() bool { return looks.Load() > seen && moves.Load() > done })
				restored(t, o)
			}
			stop()
			group.Wait()
			t.Logf("%d looks, %d moves", looks.Load(), moves.Load())
			got, err := look(path)
			if err != nil || got != contentOf(genNew) {
				t.Errorf("the target holds %q (%v)", got, err)
			}
			// The kept copy is a state that the old database had.
			if got, err := look(path + ".before-" + string(testID)); err != nil || got != contentOf(genOld) {
				t.Errorf("the kept copy holds %q (%v)", got, err)
			}
		})
	}
}

// Killed before any step, or before any write of pages, the target is after
// recovery whole, for a connection that was open all the time too.
func TestLiveKill(t *testing.T) {
	needs.Time(t)
	source := filepath.Join(t.TempDir(), "new.db")
	makeBig(t, source, genNew, "")
	for _, mode := range []string{"WAL", "DELETE"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			template := filepath.Join(t.TempDir(), "app.db")
			makeBig(t, template, genOld, "PRAGMA journal_mode="+mode+";")
			points := 0
			for at := 1; ; at++ {
				path := filepath.Join(t.TempDir(), "app.db")
				sh(t, "cp", template, path)
				app := holdOpen(t, path, "idle")
				o := liveOrder(path, source, false)
				o.KillAt, o.Steps = at, filepath.Join(t.TempDir(), "steps")
				out, err := command(t, o).CombinedOutput()
				if err == nil {
					app.end()
					mustLook(t, path, genNew)
					checkSteps(t, o.Steps, liveSteps[mode])
					break // there is no such step any more
				}
				if !strings.Contains(err.Error(), "killed") {
					t.Fatalf("%v\n%s", err, out)
				}
				points++
				got, err := look(path)
				if err != nil || got != contentOf(genOld) && got != contentOf(genNew) {
					t.Fatalf("killed at %d: %q (%v)", at, got, err)
				}
				checkBulk(t, path)
				o.KillAt = 0
				restored(t, o)
				app.end()
				mustLook(t, path, genNew)
				checkBulk(t, path)
				kept := path + ".before-" + string(testID)
				mustLook(t, kept, genOld)
				for _, name := range names(t, path) {
					if name != "app.db" && !strings.HasPrefix(name, "app.db.before-") {
						t.Fatalf("killed at %d: %s is left over", at, name)
					}
				}
			}
			t.Logf("%d kill points survived", points)
			if points < 12 {
				t.Errorf("only %d kill points", points)
			}
		})
	}
}

// liveSteps are those of a live restore of makeBig's database, but for how
// often pages are written.
var liveSteps = map[string][]step{
	"WAL": all(newTempLive, []step{stepLiveLock, stepTemp, stepLiveCopy, stepMode, stepSyncTemp, stepKeep, stepSyncKept},
		slices.Repeat([]step{stepLiveWrite}, 4), []step{stepRemoveTemp}),
	"DELETE": all(newTempLive, []step{stepTemp, stepLiveCopy, stepMode, stepSyncTemp, stepKeep, stepSyncKept, stepLiveLock, stepLiveLock},
		slices.Repeat([]step{stepLiveWrite}, 4), []step{stepRemoveTemp}),
}

var newTempLive = []step{stepTemp, stepFill, stepSyncTemp}

func checkBulk(t testing.TB, path string) {
	t.Helper()
	defer alone()()
	c := mustOpen(path)
	defer c.Close()
	n, err := c.Int(t.Context(), "SELECT (SELECT min(gen) = max(gen) AND count(*) = 14000 FROM bulk) AND (SELECT min(gen) FROM bulk) = (SELECT min(gen) FROM account)")
	if err != nil || n != 1 {
		t.Fatalf("the two tables are of different times (%v)", err)
	}
}
