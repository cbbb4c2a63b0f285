package restore

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

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
	crash(t, path, walPragmas+fillSQL(genNew)+fillSQL(genStale)+fillSQL(genHalf)+fillSQL(genOld))
	if fileSize(path+"-wal") <= fileSize(path) {
		t.Fatalf("the WAL has %d bytes, the main file %d", fileSize(path+"-wal"), fileSize(path))
	}
}

// hotJournal has half a transaction in the main file.
func hotJournal(t testing.TB, path string) {
	run(t, path, fillSQL(genOld))
	crash(t, path, "PRAGMA cache_size=4; BEGIN;"+fillSQL(genHalf))
	if fileSize(path+"-journal") == 0 {
		t.Fatal("no hot journal came about")
	}
}

// superJournal has a transaction over two databases that died at its commit.
func superJournal(t testing.TB, path string) {
	sibling := filepath.Join(filepath.Dir(path), "sibling.db")
	run(t, path, fillSQL(genOld))
	run(t, sibling, fillSQL(genOld))
	sql := "PRAGMA temp_store=MEMORY; ATTACH '" + sibling + "' AS s; BEGIN;" + fillSQL(genHalf) + strings.ReplaceAll(strings.ReplaceAll(fillSQL(genHalf), "account", "s.account"), "EXISTS account", "EXISTS s.account") + "COMMIT;"
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
