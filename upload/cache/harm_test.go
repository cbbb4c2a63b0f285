package cache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/disk"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/needs"
)

// No flipped bit and no cut of a file is believed, and the next run mends it.
func TestRot(t *testing.T) {
	c := openAt(t, t.TempDir())
	e, pages := snapshotAt(t, noon, series.Daily, 10)
	if err := c.Put(t.Context(), e, bytes.NewReader(pages), noon); err != nil {
		t.Fatal(err)
	}
	for suffix, believed := range map[string]func() error{
		entrySuffix: func() error { _, err := c.Lookup(e.Object); return err },
		pagesSuffix: func() error {
			b, err := c.Base(t.Context(), e)
			if err == nil {
				return b.Close()
			}
			return err
		},
	} {
		path := filepath.Join(c.dir, e.Object.Name+suffix)
		good, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		refused := func(what string, content []byte) {
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
			if believed() == nil {
				t.Errorf("%s: %s is believed", suffix, what)
			}
		}
		for i := range good {
			refused(fmt.Sprintf("a cut at byte %d", i), good[:i])
			bad := bytes.Clone(good)
			bad[i] ^= 1 << (i % 8)
			refused(fmt.Sprintf("a bit of byte %d", i), bad)
		}
		if suffix == entrySuffix {
			refused("more", append(bytes.Clone(good), ' '))
		} else {
			checkEntry(t, c, e) // it is still known as uploaded
		}
		if err := c.Put(t.Context(), e, bytes.NewReader(pages), noon); err != nil {
			t.Fatal(err)
		}
		checkEntry(t, c, e)
		checkBase(t, c, e, pages)
	}
}

// Whatever stands in the place of a file is neither followed nor waited for, and the
// next run puts the file there again.
func TestOddFiles(t *testing.T) {
	const anotherUser = 4242
	for name, make := range map[string]func(path string) error{
		"nothing":       func(string) error { return nil },
		"an empty file": func(path string) error { return os.WriteFile(path, nil, 0o600) },
		"a directory": func(path string) error {
			return errors.Join(os.Mkdir(path, 0o700), os.WriteFile(path+"/a", nil, 0o600))
		},
		"a FIFO":    func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"a symlink": func(path string) error { return os.Symlink(path+".moved", path) },
		"a loop":    func(path string) error { return os.Symlink(path, path) },
		"another user's": func(path string) error {
			return errors.Join(os.Link(path+".moved", path), os.Chown(path, anotherUser, 0))
		},
		"open to a group": func(path string) error {
			return errors.Join(os.Link(path+".moved", path), os.Chown(path, -1, anotherUser), os.Chmod(path, 0o660))
		},
		"open to all": func(path string) error { return errors.Join(os.Link(path+".moved", path), os.Chmod(path, 0o666)) },
	} {
		t.Run(name, func(t *testing.T) {
			c := openAt(t, t.TempDir())
			e, pages := put(t, c, noon, series.Daily)
			began := time.Now()
			for _, suffix := range []string{entrySuffix, pagesSuffix} {
				path := filepath.Join(c.dir, e.Object.Name+suffix)
				if err := errors.Join(os.Rename(path, path+".moved"), make(path)); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := c.Lookup(e.Object); err == nil || c.KnowsAny() {
				t.Errorf("it is known, %v", err)
			}
			checkNoBase(t, c, e)
			if err := c.Put(t.Context(), e, bytes.NewReader(pages), noon); err != nil {
				t.Error(err)
			}
			checkEntry(t, c, e)
			checkBase(t, c, e, pages)
			if took := time.Since(began); took > time.Minute {
				t.Errorf("it waited for %v", took)
			}
			if files, err := os.ReadDir(c.dir); err != nil || len(files) != 2 {
				t.Errorf("left: %v, %v", files, err)
			}
		})
	}
}

// What a killed run has left is gone with the next one.
func TestLeftovers(t *testing.T) {
	c := openAt(t, t.TempDir())
	orphan, _ := snapshotAt(t, noon, series.Daily, 1)
	for _, name := range []string{tempName, orphan.Object.Name + pagesSuffix} {
		if err := os.WriteFile(filepath.Join(c.dir, name), []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	e, pages := put(t, c, noon, series.Daily)
	checkBase(t, c, e, pages)
	if files, err := os.ReadDir(c.dir); err != nil || len(files) != 2 {
		t.Errorf("left: %v, %v", files, err)
	}
}

// mount mounts a tmpfs with those options for the test.
func mount(t *testing.T, options string) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// On a full disk nothing half is left, and what was known before still is.
func TestFullDisk(t *testing.T) {
	dir := mount(t, "size=256k,mode=0700")
	c := openAt(t, dir)
	old, oldPages := put(t, c, noon, series.Daily)
	large, pages := snapshotAt(t, noon.Add(time.Hour), series.Hourly, 10_000)
	if err := c.Put(t.Context(), large, bytes.NewReader(pages), noon); !errors.Is(err, snapshot.ErrNoRoom) {
		t.Error(err)
	}
	checkEntry(t, c, large)
	checkNoBase(t, c, large)
	// Not even room for an entry.
	fill(t, filepath.Join(dir, "ballast"))
	small, pages := snapshotAt(t, noon.Add(2*time.Hour), series.Hourly, 1)
	if err := c.Put(t.Context(), small, bytes.NewReader(pages), noon); !errors.Is(err, snapshot.ErrNoRoom) {
		t.Error(err)
	}
	if _, err := c.Lookup(small.Object); !errors.Is(err, ErrUnknown) {
		t.Error(err)
	}
	for _, c := range []*Cache{c, openAt(t, dir)} {
		checkEntry(t, c, old)
		checkBase(t, c, old, oldPages)
	}
	if _, err := os.Stat(filepath.Join(c.dir, tempName)); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

// An application that fills the disk while page digests are written gets all of it
// back.
func TestDiskFillsUp(t *testing.T) {
	dir := mount(t, "size=4m,mode=0700")
	c := openAt(t, dir)
	e, pages := snapshotAt(t, noon, series.Daily, 50_000)
	before, err := disk.Free(dir)
	if err != nil {
		t.Fatal(err)
	}
	err = c.Put(t.Context(), e, readerFunc(func(b []byte) (int, error) {
		fill(t, filepath.Join(dir, "ballast"))
		n := copy(b, pages)
		pages = pages[n:]
		return n, nil
	}), noon)
	if !errors.Is(err, snapshot.ErrNoRoom) {
		t.Error(err)
	}
	checkNoBase(t, c, e)
	if err := os.Remove(filepath.Join(dir, "ballast")); err != nil {
		t.Fatal(err)
	}
	if after, err := disk.Free(dir); err != nil || before-after > 16<<10 {
		t.Errorf("it keeps %d bytes, %v", before-after, err)
	}
}

type readerFunc func(b []byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

// fill lets a file take all the space there is.
func fill(t *testing.T, path string) {
	t.Helper()
	ballast, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = ballast.Write(make([]byte, 1024))
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	if err := ballast.Close(); err != nil {
		t.Fatal(err)
	}
}

// A cache that can only be read is read.
func TestReadOnly(t *testing.T) {
	dir := mount(t, "mode=0700")
	c := openAt(t, dir)
	e, pages := put(t, c, noon, series.Daily)
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	c = openAt(t, dir)
	checkEntry(t, c, e)
	checkBase(t, c, e, pages)
	if err := c.Put(t.Context(), e, bytes.NewReader(pages), noon); !errors.Is(err, syscall.EROFS) {
		t.Error(err)
	}
	checkEntry(t, c, e)
	if _, err := Open(dir, app, "other.db", database(t)); !errors.Is(err, syscall.EROFS) {
		t.Error(err)
	}
	if _, err := Open(filepath.Join(dir, "below"), app, "app.db", database(t)); !errors.Is(err, syscall.EROFS) {
		t.Error(err)
	}
}

// A directory that this user may not write to, and a file in a directory's place.
func TestNoDirectory(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := errors.Join(os.WriteFile(file, nil, 0o600), os.Chmod(dir, 0o500)); err != nil {
		t.Fatal(err)
	}
	needs.NoOverride(func() {
		if _, err := Open(dir, app, "app.db", database(t)); !errors.Is(err, os.ErrPermission) {
			t.Error(err)
		}
	})
	if _, err := Open(file, app, "app.db", database(t)); err == nil || errors.Is(err, ErrUnsafe) {
		t.Error(err)
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	c := openAt(t, dir)
	if err := errors.Join(os.Remove(c.dir), os.Symlink(t.TempDir(), c.dir)); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, app, "app.db", database(t)); err == nil {
		t.Error("a symlink is taken for the series' directory")
	}
}

// A directory that vanishes under a run ends nothing but its memory.
func TestVanished(t *testing.T) {
	c := openAt(t, t.TempDir())
	e, pages := put(t, c, noon, series.Daily)
	if err := os.RemoveAll(c.dir); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Lookup(e.Object); !errors.Is(err, ErrUnknown) || c.KnowsAny() {
		t.Error(err)
	}
	checkNoBase(t, c, e)
	if err := c.Put(t.Context(), e, bytes.NewReader(pages), noon); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

// Another run that writes is waited for, but not beyond the end of this one.
func TestLocked(t *testing.T) {
	dir := t.TempDir()
	c, other := openAt(t, dir), openAt(t, dir)
	unlock, err := other.lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	e, pages := snapshotAt(t, noon, series.Daily, 1)
	limited, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := c.Put(limited, e, bytes.NewReader(pages), noon); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	time.AfterFunc(20*time.Millisecond, unlock)
	if err := c.Put(t.Context(), e, bytes.NewReader(pages), noon); err != nil {
		t.Error(err)
	}
	checkBase(t, c, e, pages)
}

// Runs that share a directory see whole entries, and lose none.
func TestConcurrentRuns(t *testing.T) {
	dir := t.TempDir()
	var all sync.WaitGroup
	entries := make([][]Entry, 4)
	for run := range entries {
		all.Go(func() {
			c := openAt(t, dir)
			for i := range 10 {
				e, pages := snapshotAt(t, noon.Add(time.Duration(i)*time.Minute), series.Hourly, 50)
				if err := c.Put(t.Context(), e, bytes.NewReader(pages), noon.Add(10*time.Minute)); err != nil {
					t.Error(err)
				}
				checkEntry(t, c, e)
				entries[run] = append(entries[run], e)
				if b, err := c.Base(t.Context(), e); err == nil { // if no other run has put a newer one
					if err := b.Close(); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	all.Wait()
	c := openAt(t, dir)
	for _, of := range entries {
		for _, e := range of {
			checkEntry(t, c, e)
		}
	}
	if files, err := os.ReadDir(c.dir); err != nil || len(files) != 41 {
		t.Errorf("%d files, %v", len(files), err)
	}
}
