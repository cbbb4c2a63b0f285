package dirstore

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket/buckettest"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/needs"
)

func TestMain(m *testing.M) {
	needs.Root()
	os.Exit(m.Run())
}

// In a directory with the sticky bit only the owners of files replace and delete
// them. Retrying does not help, so that is ErrRefused.
func TestStickyDirectoryRefuses(t *testing.T) {
	dir := t.TempDir()
	b := openDir(t, dir)
	o := buckettest.Put(t, b, "object", buckettest.Content(10), bucket.Tags{"a": "b"})
	const owner = 1
	for _, path := range []string{dir, b.path("object"), b.tagsPath("object")} {
		if err := os.Chown(path, owner, owner); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(dir, 0o777|fs.ModeSticky); err != nil {
		t.Fatal(err)
	}
	var set, deleted error
	needs.NoOverride(func() {
		set = b.SetTags(t.Context(), o, bucket.Tags{"a": "c"})
		deleted = b.Delete(t.Context(), o)
	})
	if !errors.Is(set, bucket.ErrRefused) || !errors.Is(deleted, bucket.ErrRefused) {
		t.Errorf("set tags: %v; delete: %v; want ErrRefused", set, deleted)
	}
}

// What cannot be cleared away is an error of Sweep, and none of Put.
func TestSweepThatFails(t *testing.T) {
	dir := t.TempDir()
	b := openDir(t, dir)
	left := filepath.Join(dir, tempPrefix+"1"+tempSuffix)
	if err := os.WriteFile(left, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	buckettest.MakeOld(t, left, 2*tempAge)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Sweep(ended, time.Now()); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want context.Canceled", err)
	}
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	var err error
	needs.NoOverride(func() { err = b.Sweep(t.Context(), time.Now()) })
	if !errors.Is(err, bucket.ErrRefused) {
		t.Errorf("%v, want ErrRefused", err)
	}
	if _, err := os.Lstat(left); err != nil {
		t.Error(err)
	}
}

// A user of the directory puts a symlink in the place of the temp file while root
// writes it: the file that it leads to keeps its time. A temp file that is gone has
// no time to set, and that is an error.
func TestTimeOfAReplacedFile(t *testing.T) {
	dir, other := t.TempDir(), filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(other, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	buckettest.MakeOld(t, other, 48*time.Hour)
	before, err := os.Stat(other)
	if err != nil {
		t.Fatal(err)
	}
	b := openDir(t, dir)
	replace := func(link string) func(io.Writer) error {
		return func(io.Writer) error {
			temp := filepath.Join(dir, buckettest.DirNames(t, dir)[0])
			if err := os.Remove(temp); err != nil || link == "" {
				return err
			}
			return os.Symlink(link, temp)
		}
	}
	if _, err := b.writeTemp(replace(other)); err != nil { // either is good
		t.Log(err)
	}
	if after, err := os.Stat(other); err != nil || !after.ModTime().Equal(before.ModTime()) {
		t.Errorf("the time of another file is %v, %v; want %v", after.ModTime(), err, before.ModTime())
	}
	for _, name := range buckettest.DirNames(t, dir) {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.writeTemp(replace("")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v, want that the file is gone", err)
	}
}
