package upload

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/disk"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket/buckettest"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

func openDir(t *testing.T, dir string) *directory {
	t.Helper()
	b, err := Open(t.Context(), bucket.URL{Dir: dir}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return b.(*directory)
}

func dirNames(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

// A first backup makes the directory; a mistyped one is told as such.
func TestMissingDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	b := openDir(t, dir)
	for _, err := range b.List(t.Context(), "") {
		if !errors.Is(err, bucket.ErrNotFound) || !strings.Contains(err.Error(), "no such directory") {
			t.Errorf("list: %v, want ErrNotFound and no such directory", err)
		}
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Fatal("listing created the directory")
	}
	buckettest.Put(t, b, "object", buckettest.Content(10), bucket.Tags{"a": "b"})
	for path, mode := range map[string]fs.FileMode{
		filepath.Dir(dir): 0o700, dir: 0o700, filepath.Join(dir, "object"): 0o600, filepath.Join(dir, "object.tags"): 0o600,
	} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v, want mode %v", path, info.Mode(), err, mode)
		}
	}
}

func TestDirectoryIsAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{path, filepath.Join(path, "below")} {
		if _, err := openDir(t, dir).Put(t.Context(), "object", bucket.PutOptions{}, buckettest.InPieces(nil)); err == nil {
			t.Errorf("put into %s is no error", dir)
		}
	}
}

func TestOnlyRegularFilesAreListed(t *testing.T) {
	dir := t.TempDir()
	b := openDir(t, dir)
	buckettest.Put(t, b, "object", nil, bucket.Tags{"a": "b"})
	for _, hidden := range []string{".hidden", tempPrefix + "1" + tempSuffix, "x.tags"} {
		if err := os.WriteFile(filepath.Join(dir, hidden), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "directory.db.zst"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("object", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	buckettest.SameNames(t, buckettest.Names(buckettest.List(t, b, "")), []string{"object"})
}

func TestUnusableNames(t *testing.T) {
	b := openDir(t, t.TempDir())
	for _, name := range []string{"", ".", "..", ".hidden", "a/b", "../a", "a.tags", "a\x00"} {
		if _, err := b.Put(t.Context(), name, bucket.PutOptions{}, buckettest.InPieces(nil)); err == nil {
			t.Errorf("put of %q is no error", name)
		}
		if err := b.Delete(t.Context(), bucket.Object{Name: name}); err == nil {
			t.Errorf("delete of %q is no error", name)
		}
		if _, err := b.Open(t.Context(), bucket.Object{Name: name}); err == nil {
			t.Errorf("open of %q is no error", name)
		}
	}
}

// What killed runs leave goes with a later Put, but not what may be at work.
func TestLeftOverTempFiles(t *testing.T) {
	dir := t.TempDir()
	ages := map[string]time.Duration{
		tempPrefix + "old" + tempSuffix:   tempAge + time.Minute,
		tempPrefix + "young" + tempSuffix: tempAge - time.Minute,
		".other.tmp":                      10 * tempAge,
		"visible" + tempSuffix:            10 * tempAge,
	}
	for name, age := range ages {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		then := time.Now().Add(-age)
		if err := os.Chtimes(path, then, then); err != nil {
			t.Fatal(err)
		}
	}
	buckettest.Put(t, openDir(t, dir), "object", nil, nil)
	buckettest.SameNames(t, dirNames(t, dir), []string{tempPrefix + "young" + tempSuffix, ".other.tmp", "visible" + tempSuffix, "object"})
}

// A reason of the caller is not taken for one of the store.
func TestWritersErrorIsTheCallers(t *testing.T) {
	dir := t.TempDir()
	for _, reason := range []error{fs.ErrExist, fs.ErrPermission, fs.ErrNotExist, io.EOF} {
		_, err := openDir(t, dir).Put(t.Context(), "object", bucket.PutOptions{}, func(io.Writer) error { return reason })
		if !errors.Is(err, reason) || errors.Is(err, bucket.ErrExists) || errors.Is(err, bucket.ErrRefused) || errors.Is(err, bucket.ErrNotFound) {
			t.Errorf("write failed with %v: %v", reason, err)
		}
	}
	buckettest.SameNames(t, dirNames(t, dir), nil)
}

// A full disk, by way of Linux' device that always is.
func TestNoRoom(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	err = writeWhole(t.Context(), full, func(w io.Writer) error {
		_, err := w.Write([]byte("content"))
		return err
	})
	if !errors.Is(err, bucket.ErrNoRoom) {
		t.Errorf("write to a full device: %v, want ErrNoRoom", err)
	}
}

// An object that has become something else since it was listed is neither
// followed nor waited for.
func TestOpenReplacedObject(t *testing.T) {
	b, _ := emptySeries(t)
	o := buckettest.Put(t, b, series.ObjectName(snapshot.NewID(time.Now())), buckettest.Content(10), nil)
	path := filepath.Join(b.URL().Dir, o.Name)
	other := filepath.Join(t.TempDir(), "other")
	if err := os.Rename(path, other); err != nil {
		t.Fatal(err)
	}
	for what, replace := range map[string]func() error{
		"a FIFO":    func() error { return syscall.Mkfifo(path, 0o600) },
		"a symlink": func() error { return os.Symlink(other, path) },
	} {
		if err := replace(); err != nil {
			t.Fatal(err)
		}
		if blob, err := b.Open(t.Context(), o); !errors.Is(err, bucket.ErrChanged) {
			t.Errorf("%s: %v, %v", what, blob, err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

// place must not replace anything, whichever way the file system allows.
func TestPlaceDoesNotReplace(t *testing.T) {
	for name, place := range map[string]func(temp, path string) error{"link": place, "rename": disk.RenameNew} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			temp, path := filepath.Join(dir, "temp"), filepath.Join(dir, "path")
			for file, text := range map[string]string{temp: "new", path: "old"} {
				if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := place(temp, path); !errors.Is(err, fs.ErrExist) {
				t.Errorf("over an existing file: %v, want ErrExist", err)
			}
			if data, err := os.ReadFile(path); err != nil || string(data) != "old" {
				t.Errorf("the old file holds %q, %v", data, err)
			}
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			if err := place(temp, path); err != nil {
				t.Fatal(err)
			}
			if data, err := os.ReadFile(path); err != nil || string(data) != "new" {
				t.Errorf("the new file holds %q, %v", data, err)
			}
		})
	}
}

func TestDamagedTags(t *testing.T) {
	dir := t.TempDir()
	b := openDir(t, dir)
	o := buckettest.Put(t, b, "object", nil, bucket.Tags{"a": "b"})
	if err := os.WriteFile(filepath.Join(dir, "object.tags"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if tags, err := b.Tags(t.Context(), o); err == nil {
		t.Errorf("damaged tags were read as %v", tags)
	}
}
