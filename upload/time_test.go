package upload

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite/sqlitetest"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket/buckettest"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// plantAt puts a snapshot into a directory, as a run at that time would.
func plantAt(t *testing.T, b bucket.Bucket, id snapshot.ID, uploaded time.Time) {
	t.Helper()
	buckettest.Put(t, b, buckettest.ObjectName(id), []byte("x"), bucket.Tags{series.TagRetention: series.Held(series.Daily), series.TagDatabase: "app.db"})
	if err := os.Chtimes(filepath.Join(b.URL().Dir, buckettest.ObjectName(id)), time.Time{}, uploaded); err != nil {
		t.Fatal(err)
	}
}

// One run with the clock a year ahead leaves a snapshot that never counts;
// those after it do, and say that it is there.
func TestBackupAfterAClockThatWasAhead(t *testing.T) {
	for _, first := range []bool{false, true} {
		b, db := emptySeries(t)
		if !first {
			backup(t, b, db, BackupOptions{})
			sqlitetest.Exec(t, db, "INSERT INTO t VALUES (2)")
		}
		ahead := time.Now().AddDate(1, 0, 0)
		plantAt(t, b, snapshot.NewID(ahead), ahead)
		var log bytes.Buffer
		r := backup(t, b, db, BackupOptions{Log: slog.New(slog.NewTextHandler(&log, nil))})
		if newest, err := series.Newest(t.Context(), b); err != nil || newest.ID != r.Snapshot.ID || r.Snapshot.Implausible {
			t.Errorf("the newest is %s and not the new %s: %v", newest.ID, r.Snapshot.ID, err)
		}
		if !strings.Contains(log.String(), "level=WARN") || !strings.Contains(log.String(), string(snapshot.NewID(ahead))[:16]) {
			t.Errorf("no warning: %s", log.String())
		}
	}
}

// A store whose answers tell another time than its listing is found out after
// the upload; what is known before leaves nothing behind.
func TestBackupThatNeverCountsIsNoSuccess(t *testing.T) {
	b, db := emptySeries(t)
	late := func(o bucket.Object) (bucket.Object, bool) { o.Modified = o.Modified.Add(-time.Hour); return o, true }
	if _, err := Backup(t.Context(), wrapped{Bucket: b, list: late}, db, BackupOptions{}); !errors.Is(err, ErrClock) || errors.Is(err, ErrIncomplete) {
		t.Errorf("an upload that is dated before its ID: %v", err)
	}
	b, _ = emptySeries(t)
	if _, err := newID(b, time.Now().Add(time.Hour), ""); !errors.Is(err, ErrClock) {
		t.Errorf("a clock that was set back meanwhile: %v", err)
	}
}

// However quickly backups follow each other, each is newer than the last.
func TestBackupsInARow(t *testing.T) {
	t.Parallel()
	b, db := emptySeries(t)
	var last snapshot.ID
	for i := range 10 {
		began := time.Now()
		r := backup(t, b, db, BackupOptions{Always: true})
		id := r.Snapshot.ID
		if last != "" && id.Time().Sub(last.Time()) < time.Second || id.Time().After(time.Now()) || id.Time().Before(began.Add(-time.Second)) {
			t.Fatalf("backup %d: %s follows on %s, at %s", i, id, last, began)
		}
		if newest, err := series.Newest(t.Context(), b); err != nil || newest.ID != id {
			t.Fatalf("backup %d: the newest is %s and not %s: %v", i, newest.ID, id, err)
		}
		last = id
	}
}

func TestBackupsAtOnce(t *testing.T) {
	b, db := emptySeries(t)
	var group sync.WaitGroup
	for range 2 {
		group.Go(func() {
			if r, err := Backup(t.Context(), b, db, BackupOptions{Always: true}); err != nil || r.Snapshot.Implausible {
				t.Errorf("%+v, %v", r, err)
			}
		})
	}
	group.Wait()
	r := backup(t, b, db, BackupOptions{Always: true})
	if newest, err := series.Newest(t.Context(), b); err != nil || newest.ID != r.Snapshot.ID || count(t, b) != 3 {
		t.Errorf("the newest of %d is %s and not %s: %v", count(t, b), newest.ID, r.Snapshot.ID, err)
	}
}

// A newest snapshot that is minutes ahead is waited for, until the run is to
// end; nothing is uploaded.
func TestBackupWaitsForItsSecond(t *testing.T) {
	b, db := emptySeries(t)
	plantAt(t, b, snapshot.NewID(time.Now().Add(4*time.Minute)), time.Now())
	ctx, cancel := context.WithTimeoutCause(t.Context(), 100*time.Millisecond, io.ErrClosedPipe)
	defer cancel()
	began := time.Now()
	_, err := Backup(ctx, b, db, BackupOptions{})
	if !errors.Is(err, io.ErrClosedPipe) || time.Since(began) > 2*time.Minute || count(t, b) != 1 {
		t.Errorf("after %s, with %d snapshots: %v", time.Since(began), count(t, b), err)
	}
	b, _ = emptySeries(t)
	plantAt(t, b, snapshot.NewID(time.Now().Add(2*time.Second)), time.Now())
	r := backup(t, b, db, BackupOptions{})
	if newest, err := series.Newest(t.Context(), b); err != nil || newest.ID != r.Snapshot.ID || r.Snapshot.ID.Time().After(time.Now()) {
		t.Errorf("the newest is %s and not %s: %v", newest.ID, r.Snapshot.ID, err)
	}
}
