package restore

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/needs"
)

// Every state of the target, with the process killed before every step.
func TestKill(t *testing.T) {
	needs.Time(t)
	source := newSource(t, "")
	for _, s := range states {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			x := s.make(t)
			o := x.order(source)
			o.Steps = filepath.Join(t.TempDir(), "steps")
			restored(t, o)
			x.checkDone(t)
			checkSteps(t, o.Steps, s.steps)
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

// checkSteps compares the steps that a child has written to a file.
func checkSteps(t testing.TB, file string, steps []step) {
	t.Helper()
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, step := range steps {
		want = append(want, string(step))
	}
	if !slices.Equal(strings.Split(string(got), "\n"), want) {
		t.Fatalf("the steps were\n%s\ninstead of\n%s", got, strings.Join(want, "\n"))
	}
}

// The steps of a restore that takes everything back because another process opened
// the target at the last moment.
var undone = []undoing{
	{stepLease, state{name: "unfolded WAL", build: unfoldedWAL, steps: all(tempSteps, foldSteps, noneBeside, []step{stepKeep, stepSyncKept, stepLease, stepUndo, stepRemoveTemp})}},
	{stepLease, state{name: "garbage with a WAL", build: garbageMain, damaged: true, steps: all(tempSteps, []step{stepTakeLease, stepSyncMain}, asideTwo, []step{stepKeep, stepSyncKept, stepLease, stepUndo, stepUndo, stepUndo, stepRemoveTemp})}},
	{stepSwap, state{name: "unfolded WAL", build: unfoldedWAL, steps: all(tempSteps, foldSteps, noneBeside, backSteps)}},
	{stepSwap, state{name: "unfolded WAL, discarded", build: unfoldedWAL, discard: true, steps: all(tempSteps, foldSteps, noneBeside, backSteps)}},
	{stepSwap, state{name: "garbage with a WAL", build: garbageMain, damaged: true, steps: all(tempSteps, []step{stepTakeLease, stepSyncMain}, asideTwo, backSteps, []step{stepUndo, stepUndo})}},
}

// An undoing is a state whose target another process opens before a step.
type undoing struct {
	at step
	state
}

var backSteps = []step{stepKeep, stepSyncKept, stepLease, stepSwap, stepLeaseAgain, stepPutBack, stepSyncPlaced}

// Killed while it takes back what it had done.
func TestKillUndo(t *testing.T) {
	needs.Time(t)
	source := newSource(t, "")
	for _, s := range undone {
		t.Run(s.name+", "+string(s.at), func(t *testing.T) {
			t.Parallel()
			x := s.make(t)
			o := x.order(source)
			o.BreakAt = string(s.at)
			o.Steps = filepath.Join(t.TempDir(), "steps")
			refusedWith(t, o, ErrTargetOpen)
			checkSteps(t, o.Steps, s.steps)
			x.checkWhole(t)
			x.noLeftovers(t)
			for i := slices.Index(s.steps, s.at); i < len(s.steps); i++ {
				x := s.make(t)
				o := x.order(source)
				o.BreakAt, o.KillAt = string(s.at), i+1
				killed(t, o)
				x.checkWhole(t)
				o.BreakAt, o.KillAt = "", 0
				restored(t, o)
				x.checkDone(t)
			}
		})
	}
}

// The parts of a damaged database stay together under one name, also when the
// run that finishes the work restores another snapshot.
func TestKillThenAnother(t *testing.T) {
	needs.Time(t)
	source := newSource(t, "")
	x := state{name: "garbage", build: garbageMain, damaged: true}.make(t)
	o := x.order(source)
	o.KillAt = slices.Index(all(tempSteps, []step{stepTakeLease, stepSyncMain}, asideTwo, keepSteps), stepSwap) + 1
	killed(t, o)
	x.checkWhole(t)
	o.KillAt, o.ID = 0, "20261124T000000Z-ffffff"
	restored(t, o)
	x.checkDone(t)
}

// No step is declared that the tests above do not kill at.
func TestEveryStep(t *testing.T) {
	killedAt := map[step]bool{}
	for _, steps := range liveSteps {
		for _, s := range steps {
			killedAt[s] = true
		}
	}
	for _, state := range states {
		for _, s := range state.steps {
			killedAt[s] = true
		}
	}
	for _, undoing := range undone {
		for _, s := range undoing.steps {
			killedAt[s] = true
		}
	}
	file, err := parser.ParseFile(token.NewFileSet(), "steps.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	declared := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		for _, value := range spec.Values {
			name, err := strconv.Unquote(value.(*ast.BasicLit).Value)
			if declared++; err != nil || !killedAt[step(name)] {
				t.Errorf("step %q is in no test (%v)", name, err)
			}
		}
		return false
	})
	if declared != len(killedAt) {
		t.Errorf("%d steps are declared, %d are tested", declared, len(killedAt))
	}
}
