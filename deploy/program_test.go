// Package deploy_test proves what users deploy: the container image, the units
// of systemd, the composition and the crontab.
package deploy_test

import (
	"database/sql"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	_ "github.com/mattn/go-sqlite3"

	"github.com/lifeboat-sqlite/lifeboat/deploy/docs/docstest"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite/sqlitetest"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/needs"
)

func TestMain(m *testing.M) {
	needs.Root()
	os.Exit(m.Run())
}

// makes runs make in the repository, as a user does: not as a part of the make
// that may run this test.
func makes(t *testing.T, arguments ...string) string {
	t.Helper()
	needs.Time(t)
	t.Setenv("MAKEFLAGS", "")
	t.Setenv("MAKELEVEL", "")
	return runs(t, "..", "make", arguments...)
}

var isBuilt bool

// program returns the path of the program as make static builds it.
func program(t *testing.T) string {
	t.Helper()
	if !isBuilt {
		makes(t, "notices") // of the program, which it makes
		isBuilt = true
	}
	path, err := filepath.Abs(filepath.Join("..", "dist", "lifeboat-static"))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// noticesFile is what make notices makes, from the top of the repository.
const noticesFile = "dist/notices.txt"

// programAs puts the program in a directory, as a name.
func programAs(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(program(t), path); err != nil {
		t.Fatal(err)
	}
}

// checkCache checks that a cache directory knows a snapshot.
func checkCache(t *testing.T, dir string) {
	t.Helper()
	if known, err := filepath.Glob(filepath.Join(dir, "*", "*.json")); err != nil || len(known) == 0 {
		t.Errorf("the cache in %s knows no snapshot: %v", dir, err)
	}
}

// runs runs a program that must succeed, and returns its output.
func runs(t *testing.T, dir, name string, arguments ...string) string {
	t.Helper()
	code, output := exits(t, dir, name, arguments...)
	if code != 0 {
		t.Fatalf("%s %s: exit %d: %s", name, strings.Join(arguments, " "), code, output)
	}
	return output
}

// exits runs a program, and returns its exit code and its output.
func exits(t *testing.T, dir, name string, arguments ...string) (int, string) {
	t.Helper()
	command := exec.Command(name, arguments...)
	command.Dir = dir
	output, err := command.CombinedOutput()
	var ended *exec.ExitError
	if errors.Is(err, exec.ErrNotFound) {
		t.Fatalf("%v: make tools-test installs it", err)
	} else if err != nil && !errors.As(err, &ended) {
		t.Fatal(err)
	}
	return command.ProcessState.ExitCode(), string(output)
}

// notices are the paths that a service for notices was asked for.
type notices struct {
	*httptest.Server
	mutex sync.Mutex
	paths []string
}

func newNotices(t *testing.T) *notices {
	t.Helper()
	n := &notices{}
	n.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		n.mutex.Lock()
		defer n.mutex.Unlock()
		n.paths = append(n.paths, r.URL.Path)
	}))
	t.Cleanup(n.Close)
	return n
}

func (n *notices) got() []string {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	return n.paths
}

// newDatabase makes a database in WAL mode with one row, 42.
func newDatabase(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	sqlitetest.Exec(t, path, "PRAGMA journal_mode=WAL; CREATE TABLE account (balance); INSERT INTO account VALUES (42)")
}

// checkDatabase checks that a database has the row.
func checkDatabase(t *testing.T, path string) {
	t.Helper()
	db, err := sql.Open("sqlite3", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var balance int
	if err := db.QueryRow("SELECT balance FROM account").Scan(&balance); err != nil || balance != 42 {
		t.Errorf("%s: balance %d, %v", path, balance, err)
	}
}

// snapshots counts the snapshots in a directory.
func snapshots(t *testing.T, dir string) int {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "*.db.zst"))
	if err != nil {
		t.Fatal(err)
	}
	return len(found)
}

// write makes a file, and the directories that it is in.
func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

// testCommands runs what is in the sh blocks of a document, from the top of the
// repository, with its names replaced by real ones.
func testCommands(t *testing.T, document string, names ...string) string {
	t.Helper()
	commands := docstest.Commands(t, document)
	if commands == "" {
		t.Fatalf("%s: no commands found", document)
	}
	t.Setenv("MAKEFLAGS", "")
	t.Setenv("MAKELEVEL", "")
	return runs(t, "..", "sh", "-eux", "-c", strings.NewReplacer(names...).Replace(commands))
}
