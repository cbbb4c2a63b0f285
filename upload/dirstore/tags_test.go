package dirstore

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket/buckettest"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket/sidecar"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

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

// Tags whose object never came, or is gone, are cleared away: those of a Put
// that was killed between its two steps, and of such a Delete.
func TestTagsWithoutAnObject(t *testing.T) {
	dir := t.TempDir()
	b := &directory{url: bucket.URL{Dir: dir}}
	now := time.Now()
	var names []string
	for i := range 4 {
		names = append(names, string(snapshot.NewID(now.Add(-time.Duration(i)*time.Hour))))
	}
	old, young, deleted, there := names[0], names[1], names[2], names[3]
	for _, id := range []string{old, young} { // the first step of a Put
		if _, err := b.publishTags(id+".daily.db.zst", bucket.Tags{series.TagRetention: series.Held(series.Daily)}); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{deleted + ".daily.db.zst", there + ".daily.db.zst.age"} {
		buckettest.Put(t, b, name, nil, bucket.Tags{series.TagRetention: series.Held(series.Daily)})
	}
	if err := os.Remove(b.path(deleted + ".daily.db.zst")); err != nil { // the first step of a Delete
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "mine.tags"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{old, deleted, there, "mine"} {
		buckettest.MakeOld(t, filepath.Join(dir, name+sidecar.Suffix), tempAge+time.Minute)
	}
	buckettest.Put(t, b, "object", nil, nil)
	buckettest.SameNames(t, buckettest.DirNames(t, dir), []string{young + sidecar.Suffix, there + sidecar.Suffix, there + ".daily.db.zst.age", "mine.tags", "object"})
}

func TestDamagedTagsInADirectory(t *testing.T) {
	plant := func(t *testing.T, b bucket.Bucket, name string, data []byte) {
		if err := os.WriteFile(filepath.Join(b.URL().Dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	buckettest.DamagedTags(t, buckettest.Store{Open: func(t *testing.T) bucket.Bucket { return openDir(t, t.TempDir()) }, Plant: plant})
	b := openDir(t, t.TempDir())
	o := buckettest.Put(t, b, buckettest.ObjectName(snapshot.NewID(time.Now())), buckettest.Content(10), nil)
	path := filepath.Join(b.URL().Dir, sidecar.Of(o.Name))
	for what, plant := range map[string]func() error{
		"a FIFO":      func() error { return syscall.Mkfifo(path, 0o600) },
		"a directory": func() error { return os.Mkdir(path, 0o700) },
		"a symlink":   func() error { return os.Symlink("/etc/passwd", path) },
	} {
		if err := plant(); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Tags(t.Context(), o); !errors.Is(err, bucket.ErrTagsDamaged) {
			t.Errorf("%s: %v", what, err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}
