package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/databases"
	"github.com/lifeboat-sqlite/lifeboat/snapshot"
)

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

	swapped := &task{Database: &databases.Database{Path: evil, Base: filepath.Join(dir, "tenants")}}
	if _, _, err := swapped.backup(t.Context(), &console{}); !errors.Is(err, snapshot.ErrSource) {
		t.Errorf("swapped after the pattern was expanded: %v", err)
	}
}

// A search ends in time, and at a signal.
func TestEndlessPattern(t *testing.T) {
	root := t.TempDir()
	if err := os.Mkdir(filepath.Join(root, "t"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{"a": ".", "b": ".", "c": ".."} {
		if err := os.Symlink(target, filepath.Join(root, "t", name)); err != nil {
			t.Fatal(err)
		}
	}
	sqlite(t, filepath.Join(root, "t", "app.db"), "CREATE TABLE t (x)")
	config := filepath.Join(root, "lifeboat.yaml")
	if err := os.WriteFile(config, []byte(fmt.Sprintf("databases: [{path: '%s/**/*.db', url: 'file://%s/bucket'}]", root, root)), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
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
