package lifecycle_test

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	_ "github.com/mattn/go-sqlite3"

	"github.com/lifeboat-sqlite/lifeboat/lifecycle"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

// An application backs up the database that it has open itself, on a timer:
// here twice at once, in life every hour. Its own connections go on working.
func Example() {
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	if err := serve(ctx, 10*time.Millisecond, 2); err != nil {
		fmt.Println(err)
	}
	// Output:
	// uploaded, released 0
	// unchanged, released 0
}

func serve(ctx context.Context, every time.Duration, rounds int) error {
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

	// s3://bucket/prefix takes the same calls; keys come from the AWS settings.
	bucket, err := upload.Open(ctx, "file://"+filepath.Join(dir, "snapshots"), upload.Options{Log: slog.Default()})
	if err != nil {
		return err
	}
	timer := time.NewTicker(every)
	defer timer.Stop()
	for range rounds {
		select {
		case <-timer.C:
			if err := backUp(ctx, bucket, path); err != nil {
				return err // or log it, and try again at the next tick
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func backUp(ctx context.Context, bucket bucket.Bucket, path string) error {
	done, older, err := lifecycle.Backup(ctx, bucket, path, upload.BackupOptions{}, lifecycle.Options{})
	if err != nil {
		return err
	}
	what := "uploaded"
	if done.Unchanged {
		what = "unchanged"
	}
	fmt.Printf("%s, released %d\n", what, len(older.Released))
	return nil
}
