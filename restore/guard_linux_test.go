package restore

import (
	"errors"
	"io"
	"os/exec"
	"testing"
)

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
