package restore

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Every state of the target, with the process killed before every step.
func TestKill(t *testing.T) {
	source := newSource(t, "")
	for _, s := range states {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			x := s.make(t)
			o := x.order(source)
			o.Steps = filepath.Join(t.TempDir(), "steps")
			restored(t, o)
			x.checkDone(t)
			got, err := os.ReadFile(o.Steps)
			if err != nil {
				t.Fatal(err)
			}
			var want []string
			for _, step := range s.steps {
				want = append(want, string(step))
			}
			if !slices.Equal(strings.Split(string(got), "\n"), want) {
				t.Fatalf("the steps were\n%s\ninstead of\n%s", got, strings.Join(want, "\n"))
			}
			for i := range s.steps {
				x := s.make(t)
				o := x.order(source)
				o.KillAt = i + 1
				killed(t, o)
				x.checkWhole(t)
				o.KillAt = 0
				restored(t, o)
				x.checkDone(t)
			}
			t.Logf("%d kill points survived", len(s.steps))
		})
	}
}
