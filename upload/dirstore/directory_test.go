package dirstore

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/disk"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket/buckettest"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket/sidecar"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

func openDir(t *testing.T, dir string) *directory {
	t.Helper()
	b, err := Open(bucket.URL{Dir: dir}, bucket.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return b.(*directory)
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
	buckettest.SameNames(t, buckettest.DirNames(t, dir), []string{tempPrefix + "young" + tempSuffix, ".other.tmp", "visible" + tempSuffix, "object"})
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
	buckettest.SameNames(t, buckettest.DirNames(t, dir), nil)
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
	b := openDir(t, t.TempDir())
	o := buckettest.Put(t, b, buckettest.ObjectName(snapshot.NewID(time.Now())), buckettest.Content(10), nil)
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

// A Put that was killed before its object came does not keep another one out: neither with
// the same tags, nor with others when it cannot be at work any more. The tags of an object
// that is there stay.
func TestPutAfterOneThatWasKilled(t *testing.T) {
	b := openDir(t, t.TempDir())
	first, second := bucket.Tags{"a": "first"}, bucket.Tags{"a": "second"}
	id := string(snapshot.NewID(time.Now()))
	name := id + ".daily.db.zst"
	leave := func(age time.Duration) {
		t.Helper()
		if _, err := b.publishTags(name, first); err != nil {
			t.Fatal(err)
		}
		buckettest.MakeOld(t, b.tagsPath(name), age)
	}
	put := func(name string, tags bucket.Tags) error {
		_, err := b.Put(t.Context(), name, bucket.PutOptions{Tags: tags}, buckettest.InPieces(nil))
		return err
	}
	has := func(want bucket.Tags) {
		t.Helper()
		if tags, err := readTagsFile(b.tagsPath(name)); err != nil || !maps.Equal(tags, want) {
			t.Errorf("the tags are %v, %v, want %v", tags, err, want)
		}
	}
	leave(0)
	if err := put(name, second); !errors.Is(err, bucket.ErrExists) {
		t.Errorf("other tags of a moment ago: %v", err)
	}
	has(first)
	for _, c := range []struct {
		age  time.Duration
		tags bucket.Tags
	}{{0, first}, {2 * tagsAge, second}} {
		leave(c.age)
		if err := put(name, c.tags); err != nil {
			t.Errorf("tags that were left %v ago: %v", c.age, err)
		}
		has(c.tags)
		for _, other := range []string{name, id + ".hourly.db.zst"} {
			buckettest.MakeOld(t, b.tagsPath(name), 2*tagsAge)
			if err := put(other, bucket.Tags{"a": "third"}); !errors.Is(err, bucket.ErrExists) {
				t.Errorf("%s beside the object: %v", other, err)
			}
			has(c.tags)
		}
		if err := b.Delete(t.Context(), buckettest.Find(t, b, name)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFile(t *testing.T) {
	buckettest.Contract(t, buckettest.Store{
		Open: func(t *testing.T) bucket.Bucket {
			dir := filepath.Join(t.TempDir(), "new", "dir")
			b, err := Open(bucket.URL{Dir: dir}, bucket.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if err := os.MkdirAll(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			return b
		},
		Plant: func(t *testing.T, b bucket.Bucket, name string, data []byte) {
			path := filepath.Join(b.URL().Dir, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
		},
		Clean: func(t *testing.T, b bucket.Bucket, names ...string) {
			t.Helper()
			entries, err := os.ReadDir(b.URL().Dir)
			if err != nil {
				t.Fatal(err)
			}
			var left []string
			for _, entry := range entries {
				name := entry.Name()
				if object, found := strings.CutSuffix(name, sidecar.Suffix); !found || !slices.Contains(names, object) {
					left = append(left, name)
				}
			}
			buckettest.SameNames(t, left, names)
		},
	})
}

// An error of the listing is not an empty series.
func TestListingFails(t *testing.T) {
	b, err := Open(bucket.URL{Dir: t.TempDir() + "/missing"}, bucket.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := series.Snapshots(t.Context(), b, time.Time{}); !errors.Is(err, bucket.ErrNotFound) {
		t.Errorf("snapshots of a directory that is not there: %v, want ErrNotFound", err)
	}
}

// What only stores have is refused.
func TestOptionsOfStores(t *testing.T) {
	for _, o := range []bucket.Options{{StorageClass: "STANDARD_IA"}, {SSE: bucket.ServerSideEncryption{Algorithm: "AES256"}}, {SSE: bucket.ServerSideEncryption{CustomerKey: make([]byte, 32)}}, {Lock: bucket.ObjectLock{Mode: "GOVERNANCE"}}} {
		if b, err := Open(bucket.URL{Dir: t.TempDir()}, o); err == nil || b != nil {
			t.Errorf("%+v on a directory is no error", o)
		}
	}
}

// A new file system has a folder of its own.
func TestNewFileSystemWasNeverUsed(t *testing.T) {
	dir := t.TempDir()
	b := openDir(t, dir)
	for _, step := range []struct {
		make func() error
		want bool
	}{
		{func() error { return os.Mkdir(filepath.Join(dir, "lost+found"), 0o700) }, true},
		{func() error { return os.Mkdir(filepath.Join(dir, "other"), 0o700) }, false},
	} {
		if err := step.make(); err != nil {
			t.Fatal(err)
		}
		if never, err := b.NeverUsed(t.Context()); never != step.want || err != nil {
			t.Errorf("never used: %v, %v, want %v", never, err, step.want)
		}
	}
}
