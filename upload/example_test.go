package upload_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"time"

	_ "github.com/mattn/go-sqlite3"

	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// A database that an application has open is backed up, and not uploaded again
// while nothing in it changes.
func ExampleBackup() {
	if err := backUpTwice(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// 8192 bytes, unchanged: false
	// 8192 bytes, unchanged: true
	// snapshots: 1
}

func backUpTwice(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "app.db")
	db, err := sql.Open("sqlite3", "file:"+path+"?_journal_mode=WAL")
	if err != nil {
		return err
	}
	defer db.Close()
	if _, err := db.ExecContext(ctx, "CREATE TABLE notes (text TEXT)"); err != nil {
		return err
	}

	bucket, err := upload.Open(ctx, "file://"+filepath.Join(dir, "snapshots"), upload.Options{})
	if err != nil {
		return err
	}
	for range 2 {
		done, err := upload.Backup(ctx, bucket, path, upload.BackupOptions{Tool: "my-app 1.0"})
		if err != nil {
			return err
		}
		fmt.Printf("%d bytes, unchanged: %v\n", done.Size, done.Unchanged)
	}
	snapshots, err := series.Snapshots(ctx, bucket, time.Time{})
	fmt.Println("snapshots:", len(snapshots))
	return err
}
