package restore

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/needs"
)

// A finished file gets its place whole, or nothing is there, wherever the process dies.
func TestPlaceNew(t *testing.T) {
	source := filepath.Join(t.TempDir(), "source")
	content := bytes.Repeat([]byte("finished "), 2<<20) // more than one piece
	write(t, source, content)
	steps := all(newTemp, noneBeside, newSteps)
	for kill := range len(steps) + 1 {
		dir := t.TempDir()
		o := childOrder{Source: source, Target: filepath.Join(dir, "rescue.sql"), Finished: true, ID: testID, KillAt: kill, Steps: filepath.Join(t.TempDir(), "steps")}
		if kill > 0 {
			needs.Time(t)
			killed(t, o)
			if b, err := os.ReadFile(o.Target); err == nil && !bytes.Equal(b, content) {
				t.Fatalf("killed before %q: there are %d bytes", steps[kill-1], len(b))
			} else if err == nil {
				continue // placed, and only the end was missing
			}
			o.KillAt = 0
		}
		restored(t, o)
		if kill == 0 {
			checkSteps(t, o.Steps, steps)
		}
		info, err := os.Stat(o.Target)
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(o.Target)
		if err != nil || !bytes.Equal(b, content) || info.Mode() != 0o600 {
			t.Errorf("%d bytes, %s, %v", len(b), info.Mode(), err)
		}
		if got := names(t, o.Target); !slices.Equal(got, []string{"rescue.sql"}) {
			t.Errorf("there is %v", got)
		}
		if kill == 0 {
			refusedWith(t, o, ErrTargetExists)
			o.Target, o.MaxFile = filepath.Join(dir, "other.sql"), 1<<20
			refusedWith(t, o, ErrNoRoom)
			if got := names(t, o.Target); !slices.Equal(got, []string{"rescue.sql"}) {
				t.Errorf("there is %v", got)
			}
		}
	}
}
