package restore_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"

	_ "github.com/mattn/go-sqlite3"

	"github.com/lifeboat-sqlite/lifeboat/restore"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

// Latest brings the newest snapshot to a file. Where a database is already, it
// needs Options.Replace, or Live while applications have it open.
func ExampleLatest() {
	ctx := context.Background()
	bucket, dir, err := backedUp(ctx)
	defer os.RemoveAll(dir)
	if err != nil {
		fmt.Println(err)
		return
	}
	target := filepath.Join(dir, "restored.db")
	for range 2 {
		done, err := restore.Latest(ctx, bucket, target, restore.Options{Replace: true})
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println("restored", done.Size, "bytes, kept", len(done.Kept))
	}
	// Output:
	// restored 8192 bytes, kept 0
	// restored 8192 bytes, kept 1
}

// A drill restores to a temp file and asks the database questions.
func ExampleVerify() {
	ctx := context.Background()
	bucket, dir, err := backedUp(ctx)
	defer os.RemoveAll(dir)
	if err != nil {
		fmt.Println(err)
		return
	}
	newest, err := restore.Select(ctx, bucket, restore.Selector{})
	if err != nil {
		fmt.Println(err)
		return
	}
	report, err := restore.Verify(ctx, bucket, newest, restore.VerifyOptions{
		Queries: []string{"SELECT count(*) > 0 FROM notes"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("frames:", report.Frames, "check:", report.Passed, "notes:", report.Queries[0].True)
	// Output:
	// frames: true check: quick notes: true
}

// backedUp makes a bucket with a snapshot of a database.
func backedUp(ctx context.Context) (opened bucket.Bucket, dir string, err error) {
	if dir, err = os.MkdirTemp("", "example"); err != nil {
		return nil, "", err
	}
	path := filepath.Join(dir, "app.db")
	db, err := sql.Open("sqlite3", path)
	if err != nil {
		return nil, dir, err
	}
	defer db.Close()
	if _, err := db.ExecContext(ctx, "CREATE TABLE notes (text TEXT); INSERT INTO notes VALUES ('first')"); err != nil {
		return nil, dir, err
	}
	if opened, err = upload.Open(ctx, "file://"+filepath.Join(dir, "snapshots"), upload.Options{}); err != nil {
		return nil, dir, err
	}
	_, err = upload.Backup(ctx, opened, path, upload.BackupOptions{})
	return opened, dir, err
}
