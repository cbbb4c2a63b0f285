package lifecycle

import (
	"bytes"
	"database/sql"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/lifecycle/lifecycletest"
	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite/sqlitetest"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/needs"
)

// ship makes a real snapshot of a database in a directory, at a time that the
// test chooses.
func ship(t *testing.T, b bucket.Bucket, path string, now time.Time) snapshot.ID {
	t.Helper()
	c, err := snapshot.Take(t.Context(), path, snapshot.CopyOptions{TempDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	digest, err := c.Digest(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	id := snapshot.NewID(now)
	object, err := b.Put(t.Context(), series.Name{ID: id, Class: Recent}.String(), bucket.PutOptions{Tags: bucket.Tags{series.TagRetention: series.Held(Recent)}},
		func(w io.Writer) error {
			_, err := c.WriteArchive(t.Context(), w, digest, snapshot.ArchiveOptions{ID: id, Database: "app.db", Check: snapshot.CheckQuick})
			return err
		})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(filepath.Join(b.URL().Dir, object.Name), now, now); err != nil {
		t.Fatal(err)
	}
	return id
}

// The database is lost on Friday at 17:30; the application comes up with an
// empty one, which is shipped every hour until an operator looks on Tuesday and
// restores Friday 17:00. With the shrink guard, and where the hold alone must
// do because the guard is overridden all the time.
func TestWeekendIsRestored(t *testing.T) {
	needs.Time(t)
	for _, ignoreShrink := range []bool{false, true} {
		dir := t.TempDir()
		path := filepath.Join(dir, "app.db")
		sqlitetest.Exec(t, path, "CREATE TABLE sales (n); WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM c WHERE n < 5000) INSERT INTO sales SELECT n FROM c")
		b, err := upload.OpenURL(t.Context(), bucket.URL{Dir: filepath.Join(dir, "series")}, upload.Options{})
		if err != nil {
			t.Fatal(err)
		}
		var friday snapshot.ID
		policy := Policy{Recent: 4} // the shortest that the hold allows
		for now := lifecycletest.At("2026-11-05 09:00"); !now.After(lifecycletest.At("2026-11-10 17:00")); now = now.Add(time.Hour) {
			id := ship(t, b, path, now)
			if now.Equal(lifecycletest.At("2026-11-06 17:00")) {
				friday = id
				if err := os.Remove(path); err != nil {
					t.Fatal(err)
				}
				sqlitetest.Exec(t, path, "CREATE TABLE sales (n)")
			}
			if _, err := Release(t.Context(), lifecycletest.Timed{Bucket: b, Now: now}, Options{Terms: Terms{IgnoreShrink: ignoreShrink}}); err != nil {
				t.Fatal(err)
			}
			if _, _, err := Prune(t.Context(), lifecycletest.Timed{Bucket: b, Now: now}, Options{Terms: Terms{Policy: policy, Hold: DefaultHold, IgnoreShrink: ignoreShrink}}); err != nil {
				t.Fatal(err)
			}
		}
		if left := len(lifecycletest.Retentions(t, b)); ignoreShrink && left != 114 || !ignoreShrink && left != 129 {
			t.Errorf("ignoreShrink %v: %d snapshots are left", ignoreShrink, left)
		}
		if n := sales(t, b, friday); n != 5000 {
			t.Errorf("ignoreShrink %v: Friday's snapshot has %d rows", ignoreShrink, n)
		}
	}
}

// sales restores a snapshot and counts the rows in it.
func sales(t *testing.T, b bucket.Bucket, id snapshot.ID) (n int) {
	t.Helper()
	snapshots, err := series.Snapshots(t.Context(), b, id.Time())
	if err != nil || len(snapshots) == 0 || snapshots[0].ID != id {
		t.Fatalf("%s is gone: %v", id, err)
	}
	object := snapshots[0].Object
	blob, err := b.Open(t.Context(), object)
	if err != nil {
		t.Fatal(err)
	}
	defer blob.Close()
	archive, err := snapshot.OpenArchive(t.Context(), blob, object.Size, id)
	if err != nil {
		t.Fatal(err)
	}
	chain, err := snapshot.NewChain(archive)
	if err != nil {
		t.Fatal(err)
	}
	var content bytes.Buffer
	if err := chain.Stream(t.Context(), &content, snapshot.ExtractOptions{}); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "restored.db")
	if err := os.WriteFile(path, content.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite3", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRow("SELECT count(*) FROM sales").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}
