package restore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite"
)

var errorsIs = errors.Is

// The generations of the test database's content. Each row says to which it
// belongs, and its balances have a sum of their own, so that no mix can pass.
const (
	genStale = iota // older than old: what comes of a lost WAL
	genOld
	genNew
	genBroken
)

const rows = 400

// fillSQL makes the whole content that of one generation.
func fillSQL(gen int) string {
	return fmt.Sprintf(`
		CREATE TABLE IF NOT EXISTS account(id INTEGER PRIMARY KEY, gen INTEGER, balance INTEGER, note TEXT);
		DELETE FROM account;
		WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < %d)
		INSERT INTO account SELECT i, %d, i*%d, hex(zeroblob(100)) FROM n;`, rows, gen, gen+7)
}

func contentOf(gen int) string {
	return fmt.Sprintf("gen %d to %d, %d rows, sum %d, ok", gen, gen, rows, (gen+7)*rows*(rows+1)/2)
}

func mustOpen(path string) *sqlite.Conn {
	c, err := sqlite.Open(path, 0, url.Values{"mode": {"rw"}})
	if err != nil {
		panic(err)
	}
	return c
}

// alone keeps this process from starting another, which would have open what
// this one has open, until its own program begins. The returned function ends that.
func alone() (end func()) {
	syscall.ForkLock.RLock()
	return syscall.ForkLock.RUnlock
}

// look opens a database as an application does and says what is in it.
func look(path string) (string, error) {
	defer alone()()
	c, err := sqlite.Open(path, 0, url.Values{"mode": {"rw"}})
	if err != nil {
		return "", err
	}
	defer c.Close()
	ctx := context.Background()
	row, err := c.Row(ctx, "SELECT min(gen), max(gen), count(*), sum(balance) FROM account")
	if err != nil {
		return "", err
	}
	check, err := c.Row(ctx, "PRAGMA integrity_check")
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("gen %v to %v, %v rows, sum %v, %v", row[0], row[1], row[2], row[3], check[0]), nil
}

func mustLook(t testing.TB, path string, gen int) {
	t.Helper()
	got, err := look(path)
	if err != nil || got != contentOf(gen) {
		t.Fatalf("%s holds %q (%v), not %q", filepath.Base(path), got, err, contentOf(gen))
	}
}

// run executes SQL with the stock sqlite3 tool: another process.
func run(t testing.TB, path, sql string) string {
	t.Helper()
	out, err := exec.Command("sqlite3", "-bail", path, sql).CombinedOutput()
	if err != nil {
		t.Fatalf("sqlite3 %s: %v\n%s", path, err, out)
	}
	return string(out)
}

func sh(t testing.TB, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}

func newSource(t testing.TB, pragmas string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "new.db")
	run(t, path, pragmas+fillSQL(genNew))
	return path
}

// crash leaves what stands at path when a process dies in the middle of sql,
// which ends with a .shell line that copies the files to crash-*.
func crash(t testing.TB, path, sql string) {
	t.Helper()
	dir := t.TempDir()
	work := filepath.Join(dir, "w.db")
	if _, err := os.Stat(path); err == nil {
		sh(t, "cp", path, work)
	}
	cmd := exec.Command("sqlite3", "-bail", work)
	cmd.Stdin = strings.NewReader(sql + "\n.shell mkdir " + dir + "/kept; cp " + work + "* " + dir + "/kept/\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("sqlite3: %v\n%s", err, out)
	}
	for _, suffix := range append([]string{""}, sidecarSuffixes...) {
		if _, err := os.Stat(dir + "/kept/w.db" + suffix); err == nil {
			sh(t, "mv", dir+"/kept/w.db"+suffix, path+suffix)
		}
	}
}

const walPragmas = "PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0;"

// unfoldedWAL has the stale content in the main file and the old in the WAL.
func unfoldedWAL(t testing.TB, path string) {
	run(t, path, "PRAGMA journal_mode=WAL;"+fillSQL(genStale))
	crash(t, path, walPragmas+fillSQL(genOld))
}

func bigWAL(t testing.TB, path string) {
	run(t, path, "PRAGMA journal_mode=WAL;"+fillSQL(genStale))
	crash(t, path, walPragmas+fillSQL(genNew)+fillSQL(genStale)+fillSQL(genBroken)+fillSQL(genOld))
	if fileSize(path+"-wal") <= fileSize(path) {
		t.Fatalf("the WAL has %d bytes, the main file %d", fileSize(path+"-wal"), fileSize(path))
	}
}

// hotJournal has half a transaction in the main file.
func hotJournal(t testing.TB, path string) {
	run(t, path, fillSQL(genOld))
	crash(t, path, "PRAGMA cache_size=4; BEGIN;"+fillSQL(genBroken))
	if fileSize(path+"-journal") == 0 {
		t.Fatal("no hot journal came about")
	}
}

// superJournal has a transaction over two databases that died at its commit.
func superJournal(t testing.TB, path string) {
	sibling := filepath.Join(filepath.Dir(path), "sibling.db")
	run(t, path, fillSQL(genOld))
	run(t, sibling, fillSQL(genOld))
	sql := "PRAGMA temp_store=MEMORY; ATTACH '" + sibling + "' AS s; BEGIN;" + fillSQL(genBroken) + strings.ReplaceAll(strings.ReplaceAll(fillSQL(genBroken), "account", "s.account"), "EXISTS account", "EXISTS s.account") + "COMMIT;"
	cmd := exec.Command("strace", "-f", "-o", "/dev/null", "-e", "trace=unlink", "-e", "inject=unlink:signal=KILL:when=1", "sqlite3", path, sql)
	out, err := cmd.CombinedOutput()
	if err == nil {
		t.Fatalf("the transaction was not killed at its commit: %s", out)
	}
	if found, _ := filepath.Glob(path + "-mj*"); len(found) != 1 {
		t.Fatalf("no super-journal came about: %v\n%s", err, out)
	}
	if fileSize(path+"-journal") == 0 || fileSize(sibling+"-journal") == 0 {
		t.Fatal("no hot journals came about")
	}
}

// leftByKilled is an unfolded WAL, with the temp file and the second name that
// a killed restore of another snapshot has left.
func leftByKilled(t testing.TB, path string) {
	unfoldedWAL(t, path)
	write(t, filepath.Join(filepath.Dir(path), ".app.db.lifeboat-20250101T000000Z-abcdef-0123456789abcdef.tmp"), garbage(100))
	if err := os.Link(path, path+".before-20250101T000000Z-abcdef"); err != nil {
		t.Fatal(err)
	}
}

func garbage(n int) []byte {
	var b []byte
	for i := 0; len(b) < n; i++ {
		sum := sha256.Sum256(fmt.Append(nil, i))
		b = append(b, sum[:]...)
	}
	return b[:n]
}

func write(t testing.TB, path string, b []byte) {
	t.Helper()
	defer alone()()
	if err := os.WriteFile(path, b, 0o640); err != nil {
		t.Fatal(err)
	}
}

// garbageMain has a WAL that belongs to it beside a main file that is lost.
func garbageMain(t testing.TB, path string) {
	unfoldedWAL(t, path)
	write(t, path, garbage(20000))
}

func zeroMain(t testing.TB, path string) {
	unfoldedWAL(t, path)
	write(t, path, nil)
	write(t, path+"-journal", garbage(3000))
}

// cutWAL has a main file that has lost pages which its WAL does not have.
func cutWAL(t testing.TB, path string) {
	run(t, path, "PRAGMA journal_mode=WAL;"+fillSQL(genOld))
	crash(t, path, walPragmas+"UPDATE account SET note='' WHERE id=1;")
	cut(t, path)
}

func cutJournal(t testing.TB, path string) {
	hotJournal(t, path)
	cut(t, path)
}

// cut makes a main file end in the midst of its second page.
func cut(t testing.TB, path string) {
	t.Helper()
	if err := os.Truncate(path, 5000); err != nil {
		t.Fatal(err)
	}
}

// badSchema has a valid header, and nonsense behind it.
func badSchema(t testing.TB, path string) {
	unfoldedWAL(t, path)
	b := readDir(t, filepath.Dir(path))[filepath.Base(path)]
	write(t, path, append(b[:100:100], garbage(len(b)-100)...))
	write(t, path+"-wal", nil)
	write(t, path+"-journal", garbage(3000))
}

func staleSidecars(t testing.TB, path string) {
	unfoldedWAL(t, path)
	write(t, path+"-journal", garbage(3000))
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

// A state is one of the states in which a restore may find its target.
type state struct {
	name  string
	build func(t testing.TB, path string)
	// steps between the complete temp file and the end.
	steps []step
	// broken: SQLite cannot open it, absent: it is not there.
	broken, absent, discard bool
	link                    bool // the target is a symlink to app.db
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
	{name: "garbage with a WAL", build: garbageMain, steps: all(tempSteps, []step{stepTakeLease, stepSyncMain}, asideTwo, keepSteps), broken: true},
	{name: "garbage with a WAL, discarded", build: garbageMain, steps: all(tempSteps, []step{stepTakeLease, stepSyncMain, stepUnlinkSidecar}, dropOne, swapSteps), broken: true, discard: true},
	{name: "zero bytes with sidecars", build: zeroMain, steps: all(tempSteps, []step{stepTakeLease, stepSyncMain}, asideThree, keepSteps), broken: true},
	{name: "cut short beside a WAL", build: cutWAL, steps: all(tempSteps, []step{stepTakeLease, stepSyncMain}, asideTwo, keepSteps), broken: true},
	{name: "cut short beside a hot journal", build: cutJournal, steps: all(tempSteps, []step{stepTakeLease, stepSyncMain, stepMoveSidecar}, noneBeside, keepSteps), broken: true},
	{name: "nonsense behind a header", build: badSchema, steps: all(tempSteps, probeThree, []step{stepTakeLease, stepSyncMain}, asideThree, keepSteps), broken: true},
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
	target string            // what the restore is told
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

func readDir(t testing.TB, dir string) map[string][]byte {
	t.Helper()
	defer alone()()
	files := map[string][]byte{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = b
	}
	return files
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
	case err != nil && x.broken: // there was no whole old database
		if !bytes.Equal(readDir(t, x.dir)["app.db"], x.old["app.db"]) {
			t.Fatal("the broken old main file was changed")
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
	case x.broken, x.absent:
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
