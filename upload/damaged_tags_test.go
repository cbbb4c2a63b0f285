package upload

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket/buckettest"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket/sidecar"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

func TestDamagedTagsInADirectory(t *testing.T) {
	plant := func(t *testing.T, b bucket.Bucket, name string, data []byte) {
		if err := os.WriteFile(filepath.Join(b.URL().Dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	buckettest.DamagedTags(t, buckettest.Store{Open: func(t *testing.T) bucket.Bucket { b, _ := emptySeries(t); return b }, Plant: plant})
	b, _ := emptySeries(t)
	o := buckettest.Put(t, b, series.ObjectName(snapshot.NewID(time.Now())), buckettest.Content(10), nil)
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

// The newest snapshot's tags are damaged: the backup is done, says what is
// wrong, and the next one is as ever.
func TestBackupAfterDamagedTags(t *testing.T) {
	b, db := emptySeries(t)
	first := backup(t, b, db, BackupOptions{})
	path := filepath.Join(b.URL().Dir, sidecar.Of(first.Snapshot.Object.Name))
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	r, err := Backup(t.Context(), b, db, BackupOptions{})
	if !errors.Is(err, ErrIncomplete) || !errors.Is(err, bucket.ErrTagsDamaged) || !strings.Contains(err.Error(), path) || r.Unchanged || count(t, b) != 2 {
		t.Errorf("%+v, %v", r, err)
	}
	if next := backup(t, b, db, BackupOptions{}); !next.Unchanged {
		t.Errorf("%+v", next)
	}
	// One that fails is not called safe.
	if err := os.Truncate(filepath.Join(b.URL().Dir, sidecar.Of(r.Snapshot.Object.Name)), 0); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	broken := wrapped{Bucket: b, list: func(o bucket.Object) (bucket.Object, bool) { return o, o.Name == r.Snapshot.Object.Name }}
	if _, err := Backup(t.Context(), broken, db, BackupOptions{Log: slog.New(slog.NewTextHandler(&log, nil))}); err == nil || errors.Is(err, ErrIncomplete) {
		t.Errorf("a backup that failed: %v", err)
	}
}
