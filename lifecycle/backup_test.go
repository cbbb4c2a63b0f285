package lifecycle

import (
	"context"
	"errors"
	"io"
	"iter"
	"path/filepath"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite/sqlitetest"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

// A watched bucket counts its listings. meanwhile is called before each upload,
// and after one listings and reads of tags fail with lost, if there is such an error.
type watched struct {
	bucket.Bucket
	meanwhile func()
	lost      error
	put       bool
	lists     int
}

func (w *watched) Put(ctx context.Context, name string, o bucket.PutOptions, write func(io.Writer) error) (bucket.PutResult, error) {
	if w.meanwhile != nil {
		w.meanwhile()
	}
	w.put = true
	return w.Bucket.Put(ctx, name, o, write)
}

func (w *watched) List(ctx context.Context, after string) iter.Seq2[bucket.Object, error] {
	w.lists++
	if w.put && w.lost != nil {
		return func(yield func(bucket.Object, error) bool) { yield(bucket.Object{}, w.lost) }
	}
	return w.Bucket.List(ctx, after)
}

func (w *watched) Tags(ctx context.Context, object bucket.Object) (bucket.Tags, error) {
	if w.put && w.lost != nil {
		return nil, w.lost
	}
	return w.Bucket.Tags(ctx, object)
}

func backupBucket(t *testing.T) (bucket.Bucket, string) {
	t.Helper()
	b, err := upload.Open(t.Context(), "file://"+filepath.Join(t.TempDir(), "series"), upload.Options{})
	if err != nil {
		t.Fatal(err)
	}
	db := filepath.Join(t.TempDir(), "app.db")
	sqlitetest.Exec(t, db, "CREATE TABLE t (a)")
	return b, db
}

// What is not released after a snapshot that is safe makes the backup no failure.
func TestBackupWithoutRelease(t *testing.T) {
	b, db := backupBucket(t)
	if done, released, err := Backup(t.Context(), b, db, upload.BackupOptions{}, Options{}); err != nil || done.Snapshot.ID == "" || len(released.Released) != 0 {
		t.Fatalf("%+v, %+v, %v", done, released, err)
	}
	lost := &watched{Bucket: b, lost: bucket.ErrRefused}
	due := Options{Terms: Terms{Hold: 1}}
	done, _, err := Backup(t.Context(), lost, db, upload.BackupOptions{Always: true}, due)
	if !errors.Is(err, upload.ErrIncomplete) || !errors.Is(err, bucket.ErrRefused) || done.Snapshot.Object.Size == 0 {
		t.Errorf("%+v, %v", done, err)
	}
}

// Nothing is released after a backup that failed, or in a series that two
// databases share.
func TestBackupThatDoesNotRelease(t *testing.T) {
	other := upload.BackupOptions{Name: "other.db"}
	for _, shared := range []bool{true, false} {
		b, db := backupBucket(t)
		comes := func() {
			if _, err := upload.Backup(t.Context(), b, db, other); err != nil {
				t.Error(err)
			}
		}
		w, want := &watched{Bucket: b, meanwhile: comes}, 2 // the newest, and what came meanwhile
		if !shared {
			comes()
			w, want = &watched{Bucket: b}, 1
		}
		done, _, err := Backup(t.Context(), w, db, upload.BackupOptions{}, Options{})
		if !errors.Is(err, upload.ErrOtherDatabase) || errors.Is(err, upload.ErrIncomplete) != shared || w.lists != want {
			t.Errorf("shared %v: %+v, %v, %d listings, want %d", shared, done.Snapshot, err, w.lists, want)
		}
	}
}
