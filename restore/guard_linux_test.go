package restore

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/disk"
)

// What still has the guard's file open, as a process that was forked meanwhile has, keeps
// no lease on the target.
func TestReleaseEndsTheLease(t *testing.T) {
	path := makeOld(t, "")
	g, err := lease(path)
	if err != nil {
		t.Fatal(err)
	}
	if !g.leased {
		t.Fatal("no lease")
	}
	fork := exec.Command("sleep", "1000")
	fork.ExtraFiles = []*os.File{g.file}
	if err := fork.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = fork.Wait() }()
	defer func() { _ = fork.Process.Kill() }()
	if err := g.release(); err != nil {
		t.Fatal(err)
	}
	f, err := disk.OpenRegular(path, os.O_RDONLY)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}

// What has the file open for a moment, as a process that was forked just now has, keeps
// nobody from it.
func TestLeaseWaitsForForks(t *testing.T) {
	path := makeOld(t, "")
	for attempt := 1; ; attempt++ { // on a busy machine a moment may be a long one
		holder := exec.Command("sh", "-c", `exec 3<"$0"; echo open; sleep 0.05`, path)
		out, err := holder.StdoutPipe()
		if err == nil {
			err = holder.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(out, make([]byte, len("open\n"))); err != nil {
			t.Fatal(err)
		}
		g, err := lease(path)
		if err := holder.Wait(); err != nil {
			t.Fatal(err)
		}
		if err == nil {
			if err := g.release(); err != nil {
				t.Error(err)
			}
			return
		}
		if !errors.Is(err, ErrTargetOpen) || attempt == 20 {
			t.Fatal(err)
		}
	}
}
