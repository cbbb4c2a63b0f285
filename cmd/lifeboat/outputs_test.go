package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/needs"
)

// everyVerb returns a command line of each verb that works in dir, whose app.db
// has a snapshot in the directory bucket. Each prints something to stdout.
func everyVerb(dir string) [][]string {
	db, url, config := filepath.Join(dir, "app.db"), "file://"+filepath.Join(dir, "bucket"), filepath.Join(dir, "lifeboat.yaml")
	return [][]string{
		{"--help"}, {"backup", "--help"}, {"version"}, {"version", "--json"}, {"completion", "bash"}, {"__complete", "ver"},
		{"backup", db, url}, {"backup", db, url, "--always", "--json"}, {"backup", "--config", config}, {"backup", "--config", config, "--json"},
		{"list", url}, {"list", url, "--json"}, {"show", url},
		{"restore", url, filepath.Join(dir, "new.db"), "--dry-run"}, {"restore", url, filepath.Join(dir, "new.db"), "--replace"},
		{"restore", url, db, "--if-missing"}, {"restore", url, db, "--replace"},
		{"restore", "file://" + filepath.Join(dir, "empty"), filepath.Join(dir, "new.db"), "--if-missing", "--allow-empty"},
		{"extract", url, filepath.Join(dir, "one.db"), "--table", "t"},
		{"verify", url}, {"verify", url, "--all", "--json", "--record"}, {"drills", url}, {"drills", url, "--json"}, {"report", url, "-o", filepath.Join(dir, "report.html")}, {"report", url, "-o", "-"},
		{"lifecycle", "plan", "s3://bucket/app", "--format", "json"}, {"lifecycle", "release", url},
		{"prune", url}, {"config", "check", "--config", config}, {"status", url}, {"status", "--config", config}, {"doctor", url},
	}
}

// workplace returns a directory for everyVerb.
func workplace(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("TMPDIR", t.TempDir())
	sqlite(t, filepath.Join(dir, "app.db"), "CREATE TABLE t (x); INSERT INTO t VALUES (1)")
	config := fmt.Sprintf("databases:\n  - {path: %s/app.db, url: 'file://%s/bucket'}\n", dir, dir)
	if err := os.WriteFile(filepath.Join(dir, "lifeboat.yaml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	lifeboat(t, 0, "backup", filepath.Join(dir, "app.db"), "file://"+filepath.Join(dir, "bucket"))
	return dir
}

// redirected runs the program by a shell that redirects. Descriptor 3 is a pipe
// whose reader has gone. It returns the exit code and what is on stderr.
func redirected(t *testing.T, setup, redirect string, args []string) (int, string) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	defer w.Close()
	stderr := filepath.Join(t.TempDir(), "stderr")
	command := exec.Command("sh", append([]string{"-c", setup + `exec lifeboat "$@" ` + redirect, "sh"}, args...)...)
	command.ExtraFiles = []*os.File{w}
	f, err := os.Create(stderr)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	command.Stderr = f
	code := exitOf(command.Run())
	text, err := os.ReadFile(stderr)
	if err != nil {
		t.Fatal(err)
	}
	return code, string(text)
}

// What a command has done does not fail because its result cannot be printed:
// that is exit code 3. A stdout that was closed on purpose wants no result.
func TestResultCannotBePrinted(t *testing.T) {
	needs.Time(t)
	for redirect, exit := range map[string]int{">/dev/full 3>&-": 3, ">&3 3>&-": 3, ">&- 3>&-": 0, "1</dev/null 3>&-": 3} {
		for _, args := range everyVerb(workplace(t)) {
			code, stderr := redirected(t, "", redirect, args)
			if code != exit || (exit != 0) != strings.Contains(stderr, "hint: stdout is full, or its reader has gone") {
				t.Errorf("%q %s: exit %d, want %d: %s", args, redirect, code, exit, stderr)
			}
		}
	}
}

// What a command finds is told by its exit code all the same.
func TestFindingCannotBePrinted(t *testing.T) {
	dir := workplace(t)
	url := "file://" + filepath.Join(dir, "bucket")
	for _, c := range []struct {
		exit int
		args []string
	}{
		{9, []string{"status", url, "--max-age", "0.000001s"}},
		{8, []string{"restore", url, filepath.Join(dir, "app.db"), "--dry-run"}},
		{12, []string{"verify", url, "--sql", "SELECT 0"}},
		{12, []string{"verify", url, "--sql", "SELECT 0", "--json"}},
		{64, []string{"config", "check", "--config", filepath.Join(dir, "mixed.yaml")}},
		{4, []string{"backup", "--config", filepath.Join(dir, "missing.yaml")}},
	} {
		for name, text := range map[string]string{
			"mixed":   fmt.Sprintf("databases:\n  - {path: %s/app.db, url: '%s'}\n  - {path: %s/b.db, url: '%s'}\n", dir, url, dir, url),
			"missing": fmt.Sprintf("databases:\n  - {path: %s/b.db, url: '%s2'}\n", dir, url),
		} {
			if err := os.WriteFile(filepath.Join(dir, name+".yaml"), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if code, stderr := redirected(t, "", ">/dev/full", c.args); code != c.exit {
			t.Errorf("%q: exit %d, want %d: %s", c.args, code, c.exit, stderr)
		}
	}
}

// A database that does not arrive at stdout was not restored.
func TestRestoreToBrokenStdout(t *testing.T) {
	url := "file://" + filepath.Join(workplace(t), "bucket")
	for redirect, exit := range map[string]int{">/dev/full": 8, ">&3": 8, ">&-": 64, ">/dev/null": 0} {
		code, stderr := redirected(t, "", redirect, []string{"restore", url, "-"})
		if code != exit || exit == 8 && !strings.Contains(stderr, "hint: stdout is full, or its reader has gone") {
			t.Errorf("%s: exit %d, want %d: %s", redirect, code, exit, stderr)
		}
	}
}

// Descriptors 0 to 2 never become a database's: what was printed would be
// written into it.
func TestNoStandardStreams(t *testing.T) {
	needs.Time(t)
	dir := workplace(t)
	for _, args := range everyVerb(dir) {
		if code, stderr := redirected(t, "", "<&- >&- 2>&- 3>&-", args); code != 0 {
			t.Errorf("%q: exit %d: %s", args, code, stderr)
		}
	}
	for _, db := range []string{"app.db", "new.db"} {
		if got := sqlite(t, filepath.Join(dir, db), "PRAGMA integrity_check"); got != "ok" {
			t.Errorf("%s: %s", db, got)
		}
	}
}

// Where a process may open few files, each verb works or says so at once.
func TestFewOpenFiles(t *testing.T) {
	needs.Time(t)
	for files, exit := range map[int]int{12: exitUsage, 20: exitUsage, minOpenFiles - 1: exitUsage, minOpenFiles: 0, 40: 0} {
		dir := workplace(t)
		for _, args := range everyVerb(dir) {
			code, stderr := redirected(t, fmt.Sprintf("exec >/dev/null 3>&-; ulimit -n %d; ", files), "", args)
			if code != exit || exit != 0 && !strings.Contains(stderr, "hint: raise the limit of open files") {
				t.Errorf("%d files: %q: exit %d, want %d: %s", files, args, code, exit, stderr)
			}
		}
		checkEmpty(t, os.Getenv("TMPDIR"))
	}
}
