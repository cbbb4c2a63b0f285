package lifecycle_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/lifecycle"
	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// What becomes of snapshots that were taken every twelve hours for eight days.
func ExampleDecide() {
	now := time.Date(2026, 11, 24, 12, 30, 0, 0, time.UTC)
	var items []lifecycle.Item
	var previous time.Time
	for taken := now.Add(-8 * 24 * time.Hour); taken.Before(now); taken = taken.Add(12 * time.Hour) {
		items = append(items, lifecycle.Item{Snapshot: series.Snapshot{
			Name:   series.Name{ID: snapshot.NewID(taken), Class: series.ClassAt(previous, taken)},
			Object: bucket.Object{Size: 1 << 20, Modified: taken},
		}})
		previous = taken
	}
	terms := lifecycle.Terms{Policy: lifecycle.DefaultPolicy(), Hold: lifecycle.DefaultHold}
	for _, d := range lifecycle.Decide(items, terms, now) {
		if d.Action != lifecycle.ActKeep {
			fmt.Printf("%s %s: %s\n", d.ID.Time().Format("Mon 15:04"), d.Action, d.Reason)
		}
	}
	// Output:
	// Mon 12:30 release: monthly, superseded for 7d12h, kept for 400d
	// Tue 00:30 release: daily, superseded for 7d, kept for 14d
	// Tue 12:30 expire: hourly, superseded for 6d12h, its 6d are over
	// Wed 00:30 release: daily, superseded for 6d, kept for 14d
	// Wed 12:30 release: hourly, superseded for 5d12h, kept for 6d
	// Thu 00:30 release: daily, superseded for 5d, kept for 14d
	// Thu 12:30 release: hourly, superseded for 4d12h, kept for 6d
	// Fri 00:30 release: daily, superseded for 4d, kept for 14d
}

// A snapshot gets its class when a newer one has been in the bucket for the
// hold: not at once, unless there is no hold.
func ExampleRelease() {
	ctx := context.Background()
	bucket, dir, err := twoSnapshots(ctx)
	defer os.RemoveAll(dir)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, hold := range []time.Duration{lifecycle.DefaultHold, lifecycle.NoHold} {
		done, err := lifecycle.Release(ctx, bucket, lifecycle.Options{Terms: lifecycle.Terms{Hold: hold}})
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println("released", len(done.Released))
	}
	// Output:
	// released 0
	// released 1
}

// twoSnapshots makes a bucket with two snapshots of a database.
func twoSnapshots(ctx context.Context) (opened bucket.Bucket, dir string, err error) {
	if dir, err = os.MkdirTemp("", "example"); err != nil {
		return nil, "", err
	}
	path := filepath.Join(dir, "app.db")
	db, err := sql.Open("sqlite3", path)
	if err != nil {
		return nil, dir, err
	}
	defer db.Close()
	if opened, err = upload.Open(ctx, "file://"+filepath.Join(dir, "snapshots"), upload.Options{}); err != nil {
		return nil, dir, err
	}
	for _, change := range []string{"CREATE TABLE notes (text TEXT)", "INSERT INTO notes VALUES ('first')"} {
		if _, err := db.ExecContext(ctx, change); err != nil {
			return nil, dir, err
		}
		if _, err := upload.Backup(ctx, opened, path, upload.BackupOptions{}); err != nil {
			return nil, dir, err
		}
	}
	return opened, dir, nil
}
