package upload

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket/sidecar"
)

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
