package restore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/needs"
)

// A user to whom a target and its directory belong, and who may not read what
// belongs to root.
const tenant = 65534

// putSymlinks puts, as the tenant, a symlink to LinkTo in the place of the file
// LinkName beside the target, or of all files that match it.
func (o childOrder) putSymlinks() {
	if os.Geteuid() == 0 {
		w := owner{uid: tenant, gid: tenant}
		if err := w.take(); err != nil {
			panic(err)
		}
		defer func() {
			if err := w.giveBack(); err != nil {
				panic(err)
			}
		}()
	}
	name := filepath.Join(filepath.Dir(o.Target), o.LinkName)
	found := []string{name}
	if strings.Contains(o.LinkName, "*") {
		found, _ = filepath.Glob(name)
	}
	for _, name := range found {
		_ = os.Remove(name)
		if err := os.Symlink(o.LinkTo, name); err != nil {
			panic(err)
		}
	}
}

// tenantDir makes a directory of the tenant's with a database of the tenant's.
func tenantDir(t *testing.T, mode string) (path string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "lifeboat-tenant-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path = filepath.Join(dir, "app.db")
	run(t, path, "PRAGMA journal_mode="+mode+";"+fillSQL(genOld))
	for _, name := range []string{dir, path} {
		if err := os.Chown(name, tenant, tenant); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

// foreignFile makes a database that the tenant may not read.
func foreignFile(t *testing.T) (path string, content []byte) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "foreign.db")
	run(t, path, fillSQL(genHalf)+"CREATE TABLE secret(s); INSERT INTO secret VALUES('a foreign secret')")
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return path, readDir(t, filepath.Dir(path))["foreign.db"]
}

// Root restores in a directory of another user, who puts a symlink to a foreign
// database over any of the files there, before any step. Neither is the foreign
// file changed nor does anything of it come into that directory.
func TestRootAmongSymlinks(t *testing.T) {
	needs.Time(t)
	source := newSource(t, "")
	for _, how := range []struct {
		mode string
		live bool
	}{{"WAL", true}, {"DELETE", true}, {"WAL", false}} {
		for _, name := range []string{".app.db.lifeboat-*.tmp", "app.db", "app.db-wal", "app.db-journal", "app.db-shm", "app.db.before-*", ".app.db.lifeboat-lock"} {
			t.Run(fmt.Sprintf("%s, live %v, %s", how.mode, how.live, name), func(t *testing.T) {
				t.Parallel()
				foreign, content := foreignFile(t)
				succeeded := 0
				for at, steps := 1, 1; at <= steps+1; at++ {
					path := tenantDir(t, how.mode)
					o := childOrder{Target: path, Source: source, PageSize: 4096, WAL: true, ID: testID, Replace: !how.live, Live: how.live, AsOwner: true, Wait: 300 * time.Millisecond}
					o.LinkAt, o.LinkName, o.LinkTo, o.Steps = at, name, foreign, filepath.Join(t.TempDir(), "steps")
					out, err := command(t, o).CombinedOutput()
					if err == nil {
						succeeded++
					}
					if !maps.EqualFunc(readDir(t, filepath.Dir(foreign)), map[string][]byte{"foreign.db": content}, bytes.Equal) {
						t.Fatalf("step %d: the foreign database was changed, or there is a file beside it\n%s", at, out)
					}
					noForeign(t, filepath.Dir(path), at)
					text, err := os.ReadFile(o.Steps)
					if err != nil {
						t.Fatal(err, string(out))
					}
					steps = strings.Count(string(text), "\n") + 1
				}
				if succeeded == 0 {
					t.Error("not even the restore without an attack succeeded")
				}
			})
		}
	}
}

// noForeign fails if a file in the tenant's directory, symlinks aside, holds
// what only root may read, or belongs to another user.
func noForeign(t *testing.T, dir string, at int) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		if info.Sys().(*syscall.Stat_t).Uid != tenant {
			t.Errorf("step %d: %s belongs to user %d", at, e.Name(), info.Sys().(*syscall.Stat_t).Uid)
		}
		if !info.Mode().IsRegular() {
			continue
		}
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil || bytes.Contains(b, []byte("a foreign secret")) {
			t.Fatalf("step %d: %s holds the foreign database (%v)", at, e.Name(), err)
		}
	}
}

// As whom root works: by whose the target and its directory are.
func TestOwner(t *testing.T) {
	const another = 1234
	tests := []struct {
		name      string
		dir, file int // owners; -1: no file
		mode      os.FileMode
		asOwner   bool
		reason    error
		owner     int // of the restored file
	}{
		{"all root's", 0, 0, 0o755, false, nil, 0},
		{"a tenant's file in root's directory", 0, tenant, 0o755, false, nil, tenant},
		{"a tenant's file where its group may write", 0, tenant, 0o775, true, nil, tenant},
		{"root's file where others may write", 0, 0, 0o777, false, nil, 0},
		{"a tenant's file and directory", tenant, tenant, 0o755, true, nil, tenant},
		{"without permission to become the tenant", tenant, tenant, 0o755, false, ErrTarget, 0},
		{"no file in a tenant's directory", tenant, -1, 0o755, true, nil, tenant},
		{"root's file in a tenant's directory", tenant, 0, 0o755, true, ErrTarget, 0},
		{"another's file in a tenant's directory", tenant, another, 0o755, true, ErrTarget, 0},
	}
	source := newSource(t, "")
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := tenantDir(t, "DELETE")
			if err := os.Chmod(filepath.Dir(path), test.mode); err != nil {
				t.Fatal(err)
			}
			if err := os.Chown(filepath.Dir(path), test.dir, tenant); err != nil {
				t.Fatal(err)
			}
			if err := os.Chown(path, test.file, tenant); err != nil && test.file >= 0 {
				t.Fatal(err)
			}
			if test.file < 0 {
				if err := os.Remove(path); err != nil {
					t.Fatal(err)
				}
			}
			o := basicOrder(path, source)
			o.AsOwner = test.asOwner
			if test.reason != nil {
				refusedWith(t, o, test.reason)
				mustLook(t, path, genOld)
				return
			}
			if !test.asOwner && test.file == tenant && needs.InNamespace(t) {
				// Its root gets no lease on another user's file.
				refusedWith(t, o, ErrUncertain)
				o.AssumeClosed = true
			}
			restored(t, o)
			info, err := os.Stat(path)
			if err != nil || int(info.Sys().(*syscall.Stat_t).Uid) != test.owner {
				t.Errorf("the new file belongs to %+v (%v)", info.Sys(), err)
			}
			mustLook(t, path, genNew)
		})
	}
}

// A tenant's symlink leads root only to what belongs to the tenant.
func TestOwnerOfSymlink(t *testing.T) {
	source := newSource(t, "")
	foreign, content := foreignFile(t)
	own := tenantDir(t, "DELETE")
	for to, reason := range map[string]error{foreign: ErrTarget, foreign + "-new": ErrTarget, own: nil} {
		link := filepath.Join(filepath.Dir(own), "link.db")
		if err := os.Symlink(to, link); err != nil {
			t.Fatal(err)
		}
		if err := os.Lchown(link, tenant, tenant); err != nil {
			t.Fatal(err)
		}
		o := basicOrder(link, source)
		o.AsOwner = true
		if reason == nil {
			restored(t, o)
			mustLook(t, own, genNew)
		} else if text := refusedWith(t, o, reason); !strings.Contains(text, "symlink of user") {
			t.Errorf("%s", text)
		}
		if err := os.Remove(link); err != nil {
			t.Fatal(err)
		}
	}
	if !maps.EqualFunc(readDir(t, filepath.Dir(foreign)), map[string][]byte{"foreign.db": content}, bytes.Equal) {
		t.Error("the foreign database was changed, or there is a file beside it")
	}
}

// A restore that waits for another one of its process ends with its context.
func TestOwnerWaitsWithItsContext(t *testing.T) {
	b := openBucket(t, "file://"+t.TempDir())
	s := backUp(t, b, newSource(t, ""), snapshot.MethodBackup)
	path := tenantDir(t, "DELETE")
	if err := oneOwner.Acquire(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	defer oneOwner.Release(1)
	options := Options{Replace: true, AsOwner: true}
	for what, work := range map[string]func(context.Context) error{
		"Restore": func(ctx context.Context) error { _, err := Restore(ctx, b, s, path, options); return err },
		"Prepare": func(ctx context.Context) error { _, err := Prepare(ctx, b, s, path, options, time.Now()); return err },
	} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		done := make(chan error, 1)
		go func() { done <- work(ctx) }()
		select {
		case err := <-done:
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: %v", what, err)
			}
		case <-time.After(30 * time.Second):
			t.Fatalf("%s still waits", what)
		}
		cancel()
	}
	mustLook(t, path, genOld)
}
