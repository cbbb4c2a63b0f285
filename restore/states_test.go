package restore

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A state is one of the states in which a restore may find its target.
type state struct {
	name  string
	build func(t testing.TB, path string)
	// steps between the complete temp file and the end.
	steps []step
	// damaged: SQLite cannot open it; absent: it is not there.
	damaged, absent, discard bool
	link                     bool // the target is a symlink to app.db
}

var (
	stepsBefore = []step{stepLock}
	stepsAfter  = []step{stepUnlock}
	tempSteps   = []step{stepTemp, stepOwner, stepFill, stepMode, stepSyncTemp}
	keepSteps   = []step{stepKeep, stepSyncKept, stepLease, stepSwap, stepLeaseAgain, stepSyncPlaced}
	swapSteps   = []step{stepKeep, stepSyncKept, stepLease, stepSwap, stepLeaseAgain, stepDiscard, stepSyncPlaced}
	foldSteps   = []step{stepTry, stepFold, stepTakeLease, stepSyncMain}
	foldHot     = []step{stepFold, stepTakeLease, stepSyncMain}
	noneBeside  = []step{stepSyncAside}
	probeSteps  = []step{stepProbe, stepProbe, stepTry, stepRemoveProbe, stepRemoveProbe, stepRemoveProbe, stepRemoveProbe}
	probeThree  = []step{stepProbe, stepProbe, stepProbe, stepTry, stepRemoveProbe, stepRemoveProbe, stepRemoveProbe, stepRemoveProbe}
	dropOne     = []step{stepUnlinkSidecar, stepSyncAside}
	dropThree   = []step{stepUnlinkSidecar, stepUnlinkSidecar, stepUnlinkSidecar, stepSyncAside}
	asideTwo    = []step{stepMoveSidecar, stepMoveSidecar, stepSyncAside}
	asideThree  = []step{stepMoveSidecar, stepMoveSidecar, stepMoveSidecar, stepSyncAside}
	newSteps    = []step{stepPlace, stepSyncPlaced}
	newTemp     = []step{stepTemp, stepFill, stepSyncTemp}
)

func all(parts ...[]step) (steps []step) {
	steps = append(steps, stepsBefore...)
	for _, p := range parts {
		steps = append(steps, p...)
	}
	return append(steps, stepsAfter...)
}

var states = []state{
	{name: "clean rollback", build: func(t testing.TB, p string) { run(t, p, fillSQL(genOld)) }, steps: all(tempSteps, foldSteps, noneBeside, keepSteps)},
	{name: "clean WAL", build: func(t testing.TB, p string) { run(t, p, "PRAGMA journal_mode=WAL;"+fillSQL(genOld)) }, steps: all(tempSteps, foldSteps, noneBeside, keepSteps)},
	{name: "clean WAL, discarded", build: func(t testing.TB, p string) { run(t, p, "PRAGMA journal_mode=WAL;"+fillSQL(genOld)) }, steps: all(tempSteps, foldSteps, noneBeside, swapSteps), discard: true},
	{name: "persistent journal", build: func(t testing.TB, p string) { run(t, p, "PRAGMA journal_mode=PERSIST;"+fillSQL(genOld)) }, steps: all(tempSteps, foldSteps, dropOne, keepSteps)},
	{name: "unfolded WAL", build: unfoldedWAL, steps: all(tempSteps, foldSteps, noneBeside, keepSteps)},
	{name: "unfolded WAL, discarded", build: unfoldedWAL, steps: all(tempSteps, foldSteps, noneBeside, swapSteps), discard: true},
	{name: "WAL larger than the main file", build: bigWAL, steps: all(tempSteps, foldSteps, noneBeside, keepSteps)},
	{name: "hot journal", build: hotJournal, steps: all(tempSteps, probeSteps, foldHot, noneBeside, keepSteps)},
	{name: "super-journal", build: superJournal, steps: all(tempSteps, probeSteps, foldHot, noneBeside, keepSteps)},
	{name: "garbage with a WAL", build: garbageMain, steps: all(tempSteps, []step{stepTakeLease, stepSyncMain}, asideTwo, keepSteps), damaged: true},
	{name: "garbage with a WAL, discarded", build: garbageMain, steps: all(tempSteps, []step{stepTakeLease, stepSyncMain, stepUnlinkSidecar}, dropOne, swapSteps), damaged: true, discard: true},
	{name: "zero bytes with sidecars", build: zeroMain, steps: all(tempSteps, []step{stepTakeLease, stepSyncMain}, asideThree, keepSteps), damaged: true},
	{name: "cut short beside a WAL", build: cutWAL, steps: all(tempSteps, []step{stepTakeLease, stepSyncMain}, asideTwo, keepSteps), damaged: true},
	{name: "cut short beside a hot journal", build: cutJournal, steps: all(tempSteps, []step{stepTakeLease, stepSyncMain, stepMoveSidecar}, noneBeside, keepSteps), damaged: true},
	{name: "nonsense behind a header", build: badSchema, steps: all(tempSteps, probeThree, []step{stepTakeLease, stepSyncMain}, asideThree, keepSteps), damaged: true},
	{name: "absent with sidecars", build: staleSidecars, steps: all(newTemp, asideThree, newSteps), absent: true},
	{name: "absent with sidecars, discarded", build: staleSidecars, steps: all(newTemp, dropThree, newSteps), absent: true, discard: true},
	{name: "absent", build: func(testing.TB, string) {}, steps: all(newTemp, noneBeside, newSteps), absent: true},
	{name: "what a killed run left", build: leftByKilled, steps: all(append([]step{stepSweepTemp, stepSweepBefore}, tempSteps...), foldSteps, noneBeside, keepSteps)},
	{name: "symlink", build: unfoldedWAL, steps: all(tempSteps, foldSteps, noneBeside, keepSteps), link: true},
	{name: "dangling symlink", build: func(testing.TB, string) {}, steps: all(newTemp, noneBeside, newSteps), absent: true, link: true},
}

// A site is a directory with one target in one state.
type site struct {
	state
	dir    string
	target string            // the path that the restore gets
	db     string            // the real file
	old    map[string][]byte // what stood there, byte for byte
}

func (s state) make(t testing.TB) site {
	t.Helper()
	x := site{state: s, dir: t.TempDir()}
	x.db = filepath.Join(x.dir, "app.db")
	x.target = x.db
	s.build(t, x.db)
	if s.link {
		x.target = filepath.Join(t.TempDir(), "link.db")
		if err := os.Symlink(x.db, x.target); err != nil {
			t.Fatal(err)
		}
	}
	if !s.absent {
		if err := os.Chmod(x.db, 0o640); err != nil {
			t.Fatal(err)
		}
	}
	x.old = readDir(t, x.dir)
	return x
}

func (x site) order(source string) childOrder {
	return childOrder{Target: x.target, Source: source, PageSize: 4096, WAL: true, ID: testID, Replace: true, DiscardOld: x.discard}
}

// checkWhole looks, on a copy, at what an application would find.
func (x site) checkWhole(t testing.TB) {
	t.Helper()
	if _, err := os.Stat(x.db); errors.Is(err, os.ErrNotExist) {
		if !x.absent {
			t.Fatal("the target is gone")
		}
		return
	}
	// At its own place: the journal's name for its super-journal is absolute.
	copied := filepath.Join(t.TempDir(), "app.db")
	for _, suffix := range append([]string{""}, sidecarSuffixes...) {
		if _, err := os.Stat(x.db + suffix); err == nil {
			sh(t, "cp", "-p", x.db+suffix, copied+suffix)
		}
	}
	got, err := look(copied)
	switch {
	case err == nil && got == contentOf(genNew):
	case err == nil && got == contentOf(genOld) && !x.absent: // garbage with a WAL of all its pages counts too
	case err != nil && x.damaged: // there was no whole old database
		if !bytes.Equal(readDir(t, x.dir)["app.db"], x.old["app.db"]) {
			t.Fatal("the damaged old main file was changed")
		}
	default:
		t.Fatalf("an application finds %q (%v)", got, err)
	}
}

// checkDone looks at the end of a restore.
func (x site) checkDone(t testing.TB) {
	t.Helper()
	var keptOld bool
	kept := map[string][]byte{}
	for name, b := range readDir(t, x.dir) {
		switch {
		case name == "app.db", name == "sibling.db", name == "sibling.db-journal", strings.HasPrefix(name, "app.db-mj"):
		case strings.HasPrefix(name, "app.db.before-"+string(testID)) && !x.discard:
			kept[name] = b
		default:
			t.Fatalf("%s is left over", name)
		}
	}
	before := "app.db.before-" + string(testID)
	switch {
	case x.discard:
		keptOld = true
	case x.damaged, x.absent:
		keptOld = true
		for name, b := range x.old {
			suffix := strings.TrimPrefix(name, "app.db")
			if suffix == "-shm" { // an index that SQLite makes anew
				continue
			}
			keptOld = keptOld && bytes.Equal(kept[before+suffix], b)
		}
	default:
		got, err := look(filepath.Join(x.dir, before))
		keptOld = err == nil && got == contentOf(genOld)
	}
	if !keptOld {
		t.Fatalf("the old database is not kept whole")
	}
	info, err := os.Stat(x.db)
	if err != nil {
		t.Fatal(err)
	}
	want := os.FileMode(0o640)
	if x.absent {
		want = 0o600
	}
	if info.Mode() != want {
		t.Fatalf("the new file has mode %v instead of %v", info.Mode(), want)
	}
	mustLook(t, x.db, genNew)
	if x.link {
		if link, err := os.Readlink(x.target); err != nil || link != x.db {
			t.Fatalf("the symlink is %q (%v)", link, err)
		}
	}
	if x.name == "super-journal" {
		mustLook(t, filepath.Join(x.dir, "sibling.db"), genOld)
	}
}
