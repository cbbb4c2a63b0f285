package databases

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
)

var aDatabase = magic + strings.Repeat("\x00", smallest-len(magic))

// fill writes files below a directory.
func fill(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
}

// Databases are found by what they begin with, and nothing else is, whatever its name.
func TestDiscover(t *testing.T) {
	root, outside := t.TempDir(), t.TempDir()
	fill(t, outside, map[string]string{"far/x.db": aDatabase, "one.db": aDatabase, "one.txt": "text"})
	fill(t, root, map[string]string{
		"a.db": aDatabase, "a/b.db": aDatabase, "a/deep/er/noend": aDatabase, "bad\xff/x": aDatabase,
		"._a.sqlite": "\x00\x05\x16\x07" + aDatabase, "mac/._b.sqlite": "\x00\x05\x16\x07", "text.db": strings.Repeat("SQLite ", 100), "empty.db": "", "short.db": "SQLite",
		"cut.db": "", "cut.db-wal": "wal", "fresh.db": "", "fresh.db-wal": "", "torn.db": magic, "torn.db-wal": "wal", "new.db": "", "new.db-journal": "journal",
		"a.db-wal": aDatabase, "a.db-shm": aDatabase, "a.db-journal": aDatabase, "a.db-mj0123456789": aDatabase,
		"zeroed.db": strings.Repeat("\x00", smallest), "zeroed.db-wal": "wal", "zero.db": strings.Repeat("\x00", smallest), "zero.db-journal": "", "a.db.before-20261120T170000Z-3f9c2a": aDatabase, ".hidden/c.db": aDatabase, "wal.sqlite": aDatabase,
	})
	for link, to := range map[string]string{
		"alias.db": "a.db", "loop": ".", "again": "a", "far": filepath.Join(outside, "far"), "one.db": filepath.Join(outside, "one.db"), "gone.db": "nowhere",
		"secret.db": ".hidden/c.db", "one.db-wal": filepath.Join(outside, "one.db"), "text": filepath.Join(outside, "one.txt"),
	} {
		if err := os.Symlink(to, filepath.Join(root, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(root, "fifo.db"), 0o644); err != nil {
		t.Fatal(err)
	}
	names := func(paths []string) string {
		var all []string
		for _, path := range paths {
			all = append(all, strings.TrimPrefix(path, root+"/"))
		}
		slices.Sort(all)
		return strings.Join(all, " ")
	}
	const real = "a.db a/b.db a/deep/er/noend bad\xff/x cut.db new.db torn.db wal.sqlite zeroed.db"
	found, err := discover(t.Context(), root+"/", false)
	if err != nil || names(found.databases) != real || len(found.unread) > 0 || found.base != root {
		t.Errorf("found %q, %v, %v", names(found.databases), found.unread, err)
	}
	if got := names(found.links); got != "far one.db secret.db text" {
		t.Errorf("left out: %q", got)
	}
	found, err = discover(t.Context(), root, true)
	if want := strings.NewReplacer("new.db", "far/x.db new.db one.db secret.db").Replace(real); err != nil || names(found.databases) != want || len(found.links) > 0 {
		t.Errorf("following: %q, %v, %v", names(found.databases), found.links, err)
	}
}

func TestDiscoverEnds(t *testing.T) {
	root := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := discover(ctx, root, false); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end: %v", err)
	}
	fill(t, root, map[string]string{"file": ""})
	for _, dir := range []string{"gone", "file"} {
		if found, err := discover(t.Context(), filepath.Join(root, dir), false); !errors.Is(err, snapshot.ErrSource) || len(found.databases) > 0 {
			t.Errorf("%s: %v, %v", dir, found, err)
		}
	}
}

// A name below a directory makes the bucket URL, and no series lies in another one.
func TestDiscoveredURLs(t *testing.T) {
	root := t.TempDir()
	long := strings.Repeat("d", 200) + "/" + strings.Repeat("x", 100)
	fill(t, root, map[string]string{"a.db": aDatabase, "a/b.db": aDatabase, "a/c/b.db": aDatabase, "b.db/b.db": aDatabase, long: aDatabase})
	for template, refused := range map[string]int{"s3://bucket/t/{name}": 0, "s3://bucket/t/{name}/x": 0, "s3://bucket/{name}-x": 0, "s3://bucket/t/x-{name}": 0, "s3://bucket/{dir}": 0, "s3://bucket/one": 5} {
		e := Entry{Path: Setting{Values: []string{root}}, URL: Setting{Values: []string{template}}, Discover: true}
		all, warnings, err := e.Find(t.Context(), "")
		if err != nil || len(warnings) > 0 || len(all) != 5 {
			t.Fatal(all, warnings, err)
		}
		RefuseMixing(all)
		for _, d := range all {
			if d.Err != nil {
				refused--
			}
			want, _ := filepath.Rel(root, d.Path)
			if template == "s3://bucket/t/{name}" && d.URL.Prefix != "t/"+want {
				t.Errorf("%s has the bucket URL %s", d.Path, d.URL)
			}
			if want == long {
				want = filepath.Base(long) // a tag cannot hold more
			}
			if d.Name != want {
				t.Errorf("%s has the name %q", d.Path, d.Name)
			}
		}
		if refused != 0 {
			t.Errorf("%s: %d more or fewer are refused", template, refused)
		}
	}
}

// What an entry names by a path is not discovered; what has two names is refused, and
// what has two bucket URLs on purpose is not.
func TestOneFile(t *testing.T) {
	root := t.TempDir()
	fill(t, root, map[string]string{"a.db": aDatabase, "b.db": aDatabase, "c.db": aDatabase})
	if err := errors.Join(os.Link(filepath.Join(root, "b.db"), filepath.Join(root, "hard.db")), os.Symlink("a.db", filepath.Join(root, "soft.db"))); err != nil {
		t.Fatal(err)
	}
	find := func(discover bool, path, url string) []*Database {
		e := Entry{Path: Setting{Values: []string{path}}, URL: Setting{Values: []string{url}}, Discover: discover, Follow: true}
		all, _, err := e.Find(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	all := append(find(true, root, "s3://bucket/t/{name}"), find(false, root+"/soft.db", "s3://bucket/a")...)
	all = append(all, find(false, root+"/c*.db", "s3://bucket/{name}")...)
	all = append(all, find(false, root+"/c.db", "s3://other/c")...)
	var left []string
	claimed := Claimed(all)
	all = slices.DeleteFunc(all, func(d *Database) bool {
		if claimed[d] {
			left = append(left, d.Name)
		}
		return claimed[d]
	})
	if slices.Sort(left); strings.Join(left, " ") != "a.db c.db" {
		t.Errorf("left to their own entries: %v", left)
	}
	RefuseLinked(all)
	RefuseMixing(all)
	for _, d := range all {
		if linked := d.Name == "b.db" || d.Name == "hard.db"; linked != (d.Err != nil) {
			t.Errorf("%s: %v", d.Path, d.Err)
		}
	}
}

func BenchmarkDiscover(b *testing.B) {
	root := b.TempDir()
	files := map[string]string{}
	for i := range 10_000 {
		files[fmt.Sprintf("%02d/%d.db", i%100, i)] = aDatabase
	}
	fill(b, root, files)
	for b.Loop() {
		if found, err := discover(b.Context(), root, false); err != nil || len(found.databases) != len(files) {
			b.Fatal(len(found.databases), err)
		}
	}
}
