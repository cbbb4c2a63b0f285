package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
)

// plant makes files, and symlinks where a name has an arrow, below a new
// directory.
func plant(t *testing.T, names ...string) string {
	t.Helper()
	root := t.TempDir()
	for _, name := range names {
		name, target, link := strings.Cut(name, " -> ")
		path := filepath.Join(root, name)
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		if link {
			err = errors.Join(err, os.Symlink(target, path))
		} else {
			err = errors.Join(err, os.WriteFile(path, nil, 0o644))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// A pattern takes no database over a symlink that it has matched, for its owner
// is not the operator; what stands before the pattern, and a path, may be one.
func TestMatches(t *testing.T) {
	tenants := plant(t, "a/data.db", "a/data.db-wal", "a/.hidden.db", "a/x.db -> data.db", "a/deep/data.db", "b/data.db -> ../a/data.db", "c -> a",
		"self/loop -> .", "self/again -> .", "self/data.db", "broken/data.db -> nowhere", "wal/data.db -> ../a/data.db-wal", "dir/data.db -> ../a",
		"bad\xff/data.db", "app[1].db", "x[1].db -> a/data.db")
	if err := os.Symlink(tenants, tenants+"-link"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(tenants + "-link") })
	for _, c := range []struct {
		pattern          string
		databases, links string
	}{
		{"a/data.db", "a/data.db", ""},
		{"b/data.db", "b/data.db", ""}, // a path: the operator's own word
		{"gone.db", "gone.db", ""},
		{"a/*.db", "a/data.db", "a/x.db"},
		{"?/data.db", "a/data.db", "b/data.db c"},
		{"{a,b,c}/data.db", "a/data.db", "b/data.db c/data.db"},
		{"[bc]/data.db", "", "b/data.db c"},
		{"*/deep/data.db", "a/deep/data.db", "c"},
		{"self/**", "self/data.db", ""},
		{"self/**/*.db", "self/data.db", ""},
		{"**/deep/*.db", "a/deep/data.db", ""},
		{"bro*/data.db", "", "broken/data.db"},
		{"wal/d*.db", "", "wal/data.db"},
		{"dir/*.db", "", ""},
		{"bad*/data.db", "bad\xff/data.db", ""},
		{"bad?/*", "bad\xff/data.db", ""},
		{"app[1].db", "app[1].db", ""},
		{"x[1].db", "", ""},
	} {
		for _, root := range []string{tenants, tenants + "-link"} {
			found, err := matches(t.Context(), filepath.Join(root, c.pattern), false)
			if err != nil {
				t.Errorf("%s: %v", c.pattern, err)
			}
			for kind, got := range map[string][]string{c.databases: found.databases, "links: " + c.links: found.links} {
				for i := range got {
					got[i] = strings.TrimPrefix(got[i], root+"/")
				}
				slices.Sort(got)
				if want := strings.TrimPrefix(kind, "links: "); strings.Join(got, " ") != want {
					t.Errorf("%s: got %q, want %q", c.pattern, got, want)
				}
			}
		}
	}
	for pattern, want := range map[string]string{
		"?/data.db": "a/data.db b/data.db c/data.db", "a/*.db": "a/data.db a/x.db", "x[1].db": "x[1].db", "self/*/*.db": "self/again/data.db self/loop/data.db",
	} {
		found, err := matches(t.Context(), filepath.Join(tenants, pattern), true)
		if got := strings.ReplaceAll(strings.Join(found.databases, " "), tenants+"/", ""); err != nil || got != want || len(found.links) > 0 {
			t.Errorf("%s, following: %q, %v, %v", pattern, got, found.links, err)
		}
	}
}

func TestMatchesEnds(t *testing.T) {
	root := plant(t, "a/x.db")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := matches(ctx, root+"/**/*.db", false); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end: %v", err)
	}
	if found, err := matches(t.Context(), root+"/gone/*.db", false); !errors.Is(err, snapshot.ErrSource) || len(found.databases) > 0 {
		t.Errorf("without its directory: %v, %v", found, err)
	}
}

// Another tenant's database is not shipped into the series of the one who
// links to it, neither at once nor by a swap during the run.
func TestPatternAndSymlinks(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", t.TempDir())
	for _, tenant := range []string{"good", "late", "evil"} {
		if err := os.MkdirAll(filepath.Join(dir, "tenants", tenant), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, tenant := range []string{"good", "late"} {
		sqlite(t, filepath.Join(dir, "tenants", tenant, "data.db"), "CREATE TABLE t (x)")
	}
	evil := filepath.Join(dir, "tenants", "evil", "data.db")
	if err := os.Symlink("../good/data.db", evil); err != nil {
		t.Fatal(err)
	}
	run := func(exit int, follow string) string {
		config := filepath.Join(dir, "lifeboat.yaml")
		text := fmt.Sprintf("defaults: {follow-symlinks: %s}\ndatabases:\n  - {path: '%s/tenants/*/data.db', url: 'file://%s/bucket/{dir}'}\n", follow, dir, dir)
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command("lifeboat", "backup", "--config", config).CombinedOutput()
		if code := exitOf(err); code != exit {
			t.Errorf("follow-symlinks %s: exit %d: %s", follow, code, out)
		}
		return string(out)
	}
	if out := run(0, "false"); !strings.Contains(out, "2 databases: 2 uploaded") || !strings.Contains(out, "leaves out "+evil+": follow-symlinks: true takes them") {
		t.Error(out)
	}
	if _, err := os.Stat(filepath.Join(dir, "bucket", "evil")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("in the bucket of the one who links: %v", err)
	}
	if out := run(0, "true"); !strings.Contains(out, "3 databases: 1 uploaded, 2 unchanged") {
		t.Error(out)
	}
	run(64, "perhaps")

	swapped := &job{path: evil, from: filepath.Join(dir, "tenants")}
	if _, _, err := swapped.backup(t.Context(), &console{}); !errors.Is(err, snapshot.ErrSource) {
		t.Errorf("swapped after the pattern was expanded: %v", err)
	}
}

// A search ends in time, and at a signal.
func TestEndlessPattern(t *testing.T) {
	root := plant(t, "t/a -> .", "t/b -> .", "t/c -> ..")
	sqlite(t, filepath.Join(root, "t", "app.db"), "CREATE TABLE t (x)")
	config := filepath.Join(root, "lifeboat.yaml")
	if err := os.WriteFile(config, []byte(fmt.Sprintf("databases: [{path: '%s/**/*.db', url: 'file://%s/bucket'}]", root, root)), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	command := exec.CommandContext(ctx, "lifeboat", "config", "check", "--config", config)
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	command.WaitDelay = 5 * time.Second
	if out, err := command.CombinedOutput(); err != nil || strings.Count(string(out), "app.db") != 1 {
		t.Errorf("%v: %s", err, out)
	}
	both := "databases:\n  - path: '/x/**/*.db'\n    follow-symlinks: true\n    url: file:///x/{name}\n"
	if err := os.WriteFile(config, []byte(both), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("lifeboat", "config", "check", "--config", config).CombinedOutput()
	if exitOf(err) != exitUsage || !strings.Contains(string(out), "lifeboat.yaml:2: path: ** never follows symlinks: ") {
		t.Errorf("%v: %s", err, out)
	}
}
