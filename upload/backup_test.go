package upload

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite/sqlitetest"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket/buckettest"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/needs"
)

// emptySeries returns an empty series in a directory, and a small database.
func emptySeries(t *testing.T) (bucket.Bucket, string) {
	t.Helper()
	needs.OneHour(t)
	b, err := Open(t.Context(), "file://"+filepath.Join(t.TempDir(), "series"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	db := filepath.Join(t.TempDir(), "app.db")
	sqlitetest.Exec(t, db, "CREATE TABLE t (a); INSERT INTO t VALUES (1)")
	return b, db
}

func backup(t *testing.T, b bucket.Bucket, db string, o BackupOptions) BackupResult {
	t.Helper()
	o.Copy.TempDir = t.TempDir()
	r, err := Backup(t.Context(), b, db, o)
	if err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(o.Copy.TempDir)
	if err != nil || len(left) > 0 {
		t.Errorf("left in the temp directory: %v, %v", left, err)
	}
	return r
}

func tagsOf(t *testing.T, b bucket.Bucket, s series.Snapshot) bucket.Tags {
	t.Helper()
	tags, err := b.Tags(t.Context(), s.Object)
	if err != nil {
		t.Fatal(err)
	}
	return tags
}

func count(t *testing.T, b bucket.Bucket) int {
	t.Helper()
	all, err := series.Snapshots(t.Context(), b, time.Time{})
	if err != nil && !errors.Is(err, bucket.ErrNotFound) {
		t.Fatal(err)
	}
	return len(all)
}

func TestBackupTags(t *testing.T) {
	b, db := emptySeries(t)
	r := backup(t, b, db, BackupOptions{})
	got := tagsOf(t, b, r.Snapshot)
	want := bucket.Tags{series.TagRetention: series.Held(series.Monthly), series.TagDigest: r.Digest, series.TagDatabase: "app.db", series.TagCheck: "quick", series.TagIdentity: got[series.TagIdentity]}
	if len(got) != len(want) {
		t.Errorf("tags %v, want %v", got, want)
	}
	for k, v := range want {
		if got[k] != v {
			t.Errorf("tag %s is %q, want %q", k, got[k], v)
		}
	}
}

func TestBackupOfUnchangedDatabase(t *testing.T) {
	for _, test := range []struct {
		name    string
		options BackupOptions
		tags    bucket.Tags // set on the first snapshot
		change  string
		skipped bool
	}{
		{name: "unchanged", skipped: true},
		{name: "changed", change: "INSERT INTO t VALUES (2)"},
		{name: "always", options: BackupOptions{Always: true}},
		{name: "released", tags: bucket.Tags{series.TagRetention: "daily"}},
		{name: "pinned", tags: bucket.Tags{series.TagRetention: series.Pinned}},
		{name: "retired", tags: bucket.Tags{series.TagRetired: "2026-11-23T20:15:00Z"}},
		{name: "checked less", tags: bucket.Tags{series.TagCheck: "none"}},
		{name: "checked more", tags: bucket.Tags{series.TagCheck: "full"}, skipped: true},
		{name: "no check wanted", options: BackupOptions{Check: snapshot.CheckNone}, skipped: true},
		{name: "no digest known", tags: bucket.Tags{series.TagDigest: ""}},
	} {
		t.Run(test.name, func(t *testing.T) {
			b, db := emptySeries(t)
			began := time.Now().Truncate(time.Second)
			first := backup(t, b, db, BackupOptions{})
			tags := tagsOf(t, b, first.Snapshot)
			for k, v := range test.tags {
				tags[k] = v
			}
			if err := b.SetTags(t.Context(), first.Snapshot.Object, tags); err != nil {
				t.Fatal(err)
			}
			if test.change != "" {
				sqlitetest.Exec(t, db, test.change)
			}
			r := backup(t, b, db, test.options)
			if r.Unchanged != test.skipped {
				t.Fatalf("unchanged: %v, want %v", r.Unchanged, test.skipped)
			}
			confirmed := tagsOf(t, b, first.Snapshot)[series.TagConfirmed]
			if !test.skipped {
				if confirmed != "" || count(t, b) != 2 {
					t.Errorf("confirmed: %q, snapshots: %d", confirmed, count(t, b))
				}
				if gap := r.Snapshot.ID.Time().Sub(first.Snapshot.ID.Time()); gap < time.Second {
					t.Errorf("the new ID is only %s after the last", gap)
				}
				return
			}
			at, err := time.Parse(time.RFC3339, confirmed)
			if err != nil || at.Before(began) || count(t, b) != 1 {
				t.Errorf("confirmed: %q, snapshots: %d", confirmed, count(t, b))
			}
			if got := tagsOf(t, b, first.Snapshot); got[series.TagRetention] != series.Held(series.Monthly) || got[series.TagDigest] != first.Digest {
				t.Errorf("other tags have changed: %v", got)
			}
		})
	}
}

func TestBackupGuardsTheName(t *testing.T) {
	b, db := emptySeries(t)
	backup(t, b, db, BackupOptions{Name: "orders (old)"})
	_, err := Backup(t.Context(), b, db, BackupOptions{})
	if !errors.Is(err, ErrOtherDatabase) || !strings.Contains(err.Error(), "orders (old)") {
		t.Errorf("another name: %v", err)
	}
	// A mistyped path is told as that, and not as another database.
	if _, err := Backup(t.Context(), b, db+"x", BackupOptions{}); !errors.Is(err, snapshot.ErrSource) {
		t.Errorf("a missing database on the series of another: %v", err)
	}
	if r := backup(t, b, db, BackupOptions{Adopt: true}); tagsOf(t, b, r.Snapshot)[series.TagDatabase] != "app.db" {
		t.Error("adopted, but the old name stays")
	}
	backup(t, b, db, BackupOptions{})
}

// bucket changes what one method of a real Bucket does.
type wrapped struct {
	bucket.Bucket
	offset       time.Duration
	setTags      error
	tags         func() // called before tags are read
	list         func(bucket.Object) (bucket.Object, bool)
	expires      string
	notEncrypted bool
}

func (b wrapped) ClockOffset() (time.Duration, bool) { return b.offset, true }

func (b wrapped) SetTags(ctx context.Context, o bucket.Object, tags bucket.Tags) error {
	if b.setTags != nil {
		return b.setTags
	}
	return b.Bucket.SetTags(ctx, o, tags)
}

func (b wrapped) Tags(ctx context.Context, o bucket.Object) (bucket.Tags, error) {
	if b.tags != nil {
		b.tags()
	}
	return b.Bucket.Tags(ctx, o)
}

func (b wrapped) Put(ctx context.Context, name string, o bucket.PutOptions, write func(io.Writer) error) (bucket.PutResult, error) {
	result, err := b.Bucket.Put(ctx, name, o, write)
	if b.list != nil && err == nil {
		var ok bool
		if result.Object, ok = b.list(result.Object); !ok {
			err = bucket.ErrUnreachable
		}
	}
	result.Expiration, result.NotEncrypted = b.expires, b.notEncrypted
	return result, err
}

func (b wrapped) List(ctx context.Context, after string) iter.Seq2[bucket.Object, error] {
	return func(yield func(bucket.Object, error) bool) {
		for o, err := range b.Bucket.List(ctx, after) {
			if b.list != nil && err == nil {
				var ok bool
				if o, ok = b.list(o); !ok {
					continue
				}
			}
			if !yield(o, err) {
				return
			}
		}
	}
}

func TestBackupRefusesWithAWrongClock(t *testing.T) {
	for _, offset := range []time.Duration{20 * time.Minute, -20 * time.Minute} {
		b, db := emptySeries(t)
		if _, err := Backup(t.Context(), wrapped{Bucket: b, offset: offset}, db, BackupOptions{}); !errors.Is(err, ErrClock) {
			t.Errorf("offset %s: %v", offset, err)
		}
		if count(t, b) != 0 {
			t.Error("a snapshot was uploaded")
		}
		backup(t, wrapped{Bucket: b, offset: offset / 5}, db, BackupOptions{})
	}
}

func TestBackupConfirmFails(t *testing.T) {
	b, db := emptySeries(t)
	first := backup(t, b, db, BackupOptions{})
	r, err := Backup(t.Context(), wrapped{Bucket: b, setTags: errors.New("denied")}, db, BackupOptions{})
	if !errors.Is(err, ErrIncomplete) || r.Snapshot.ID != first.Snapshot.ID || !r.Unchanged {
		t.Errorf("%+v, %v", r, err)
	}
}

// A future ID neither counts as the newest nor decides what the next one is.
func TestBackupIgnoresImplausibleSnapshots(t *testing.T) {
	b, db := emptySeries(t)
	first := backup(t, b, db, BackupOptions{})
	future := snapshot.NewID(time.Now().Add(48 * time.Hour))
	if _, err := b.Put(t.Context(), buckettest.ObjectName(future), bucket.PutOptions{MaxSize: 1}, func(w io.Writer) error { _, err := w.Write([]byte("x")); return err }); err != nil {
		t.Fatal(err)
	}
	r := backup(t, b, db, BackupOptions{})
	if !r.Unchanged || r.Snapshot.ID != first.Snapshot.ID {
		t.Errorf("%+v", r)
	}
}

func TestBackupWithAFailedCheckIsNotVisible(t *testing.T) {
	b, db := emptySeries(t)
	sqlitetest.Exec(t, db, "CREATE TABLE u (a); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 100) INSERT INTO u SELECT randomblob(3000) FROM n")
	content, err := os.ReadFile(db)
	if err != nil {
		t.Fatal(err)
	}
	copy(content[20*4096:], bytes.Repeat([]byte{0x77}, 4096))
	if err := os.WriteFile(db, content, 0o600); err != nil {
		t.Fatal(err)
	}
	temp := t.TempDir()
	_, err = Backup(t.Context(), b, db, BackupOptions{Copy: snapshot.CopyOptions{TempDir: temp}})
	if !errors.Is(err, snapshot.ErrSource) {
		t.Errorf("got %v", err)
	}
	if left, _ := os.ReadDir(temp); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if count(t, b) != 0 {
		t.Error("a corrupt snapshot is visible")
	}
	if dir, err := os.ReadDir(b.URL().Dir); err == nil && len(dir) > 0 {
		t.Errorf("left in the series: %v", dir)
	}
	backup(t, b, db, BackupOptions{Check: snapshot.CheckNone})
}

// A store that does not say that it encrypted, as it was asked to.
func TestBackupThatIsNotEncrypted(t *testing.T) {
	b, db := emptySeries(t)
	r, err := Backup(t.Context(), wrapped{Bucket: b, notEncrypted: true}, db, BackupOptions{})
	if !errors.Is(err, ErrIncomplete) || !errors.Is(err, ErrNotEncrypted) || r.Snapshot.Object.Size == 0 || count(t, b) != 1 {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestBackupWarnsOfARuleThatTakesHeldSnapshots(t *testing.T) {
	b, db := emptySeries(t)
	var log bytes.Buffer
	backup(t, wrapped{Bucket: b, expires: `expiry-date="..."`}, db, BackupOptions{Log: slog.New(slog.NewTextHandler(&log, nil))})
	if !strings.Contains(log.String(), "level=WARN") {
		t.Errorf("no warning: %s", log.String())
	}
}

// Whatever somebody did to the newest snapshot while the copy was made stays
// done, and the content is uploaded again.
func TestBackupDoesNotUndoWhatHappensMeanwhile(t *testing.T) {
	for name, meanwhile := range map[string]func(*testing.T, bucket.Bucket, bucket.Object){
		"pinned":   func(t *testing.T, b bucket.Bucket, o bucket.Object) { retag(t, b, o, series.Pinned) },
		"released": func(t *testing.T, b bucket.Bucket, o bucket.Object) { retag(t, b, o, "daily") },
		"deleted": func(t *testing.T, b bucket.Bucket, o bucket.Object) {
			if err := b.Delete(t.Context(), o); err != nil {
				t.Fatal(err)
			}
		},
	} {
		b, db := emptySeries(t)
		first := backup(t, b, db, BackupOptions{})
		reads := 0
		r := backup(t, wrapped{Bucket: b, tags: func() {
			if reads++; reads == 2 { // the first read is before the copy
				meanwhile(t, b, first.Snapshot.Object)
			}
		}}, db, BackupOptions{})
		if r.Unchanged || r.Snapshot.ID == first.Snapshot.ID {
			t.Errorf("%s: %+v", name, r)
		}
		if name == "deleted" {
			continue
		}
		if got := tagsOf(t, b, first.Snapshot); got[series.TagRetention] == series.Held(series.Monthly) || got[series.TagConfirmed] != "" {
			t.Errorf("%s: undone: %v", name, got)
		}
	}
}

func retag(t *testing.T, b bucket.Bucket, o bucket.Object, retention string) {
	t.Helper()
	tags, err := b.Tags(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	tags[series.TagRetention] = retention
	if err := b.SetTags(t.Context(), o, tags); err != nil {
		t.Fatal(err)
	}
}
