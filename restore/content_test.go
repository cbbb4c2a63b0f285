package restore

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite"
)

var errorsIs = errors.Is

// The generations of the test database's content. Each row has its generation, and
// the balances of each have a sum of their own, so that no mix can pass.
const (
	genStale = iota // older than old: what comes of a lost WAL
	genOld
	genNew
	genHalf
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

// look opens a database as an application does, and returns what is in it.
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
