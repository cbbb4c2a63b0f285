package snapshot

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/await"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/needs"
)

func openAsApplication(t *testing.T, path string, params url.Values) *sql.DB {
	t.Helper()
	uri, err := sqlite.URI(path, params)
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite3", uri)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	db.SetMaxOpenConns(1)
	return db
}

// openTimes counts the descriptors that this process has of a file.
func openTimes(path string) (times int) {
	descriptors, _ := filepath.Glob("/proc/self/fd/*")
	for _, d := range descriptors {
		if to, err := os.Readlink(d); err == nil && to == path {
			times++
		}
	}
	return times
}

// The time to wait begins when the database is opened, which reads it.
func TestWaitBeginsWithTheOpening(t *testing.T) {
	for _, method := range []Method{MethodBackup, MethodVacuum} {
		path := bank(t, "delete", 1)
		db := openAsApplication(t, path, nil)
		if _, err := db.Exec("BEGIN EXCLUSIVE"); err != nil {
			t.Fatal(err)
		}
		var group sync.WaitGroup
		group.Go(func() {
			await.That(t, func() bool { return openTimes(path) > 1 })
			time.Sleep(3 * sqlite.AttemptTime) // more than one attempt finds the lock
			if _, err := db.Exec("COMMIT"); err != nil {
				t.Error(err)
			}
		})
		c, err := Take(t.Context(), path, CopyOptions{TempDir: t.TempDir(), Method: method})
		if err == nil {
			err = c.Close()
		}
		if err != nil {
			t.Errorf("%s beside a lock that went away: %v", method, err)
		}
		group.Wait()
	}
}

// A writer that commits many pages at once locks a rollback database most of
// the time, so that each statement of a backup can meet its lock.
func TestCopyBesideLargeCommits(t *testing.T) {
	needs.Time(t)
	path := bank(t, "delete", 10)
	db := openAsApplication(t, path, url.Values{"_busy_timeout": {"300000"}})
	ctx, cancel := context.WithCancel(t.Context())
	var commits atomic.Int64
	var group sync.WaitGroup
	group.Go(func() {
		for ctx.Err() == nil {
			if _, err := db.Exec("UPDATE ballast SET b = randomblob(4000)"); err != nil {
				t.Errorf("writer: %v", err)
				return
			}
			commits.Add(1)
		}
	})
	for i := 0; i < 6 || commits.Load() < 3 && !t.Failed(); i++ {
		method := []Method{MethodBackup, MethodVacuum}[i%2]
		c, err := Take(t.Context(), path, CopyOptions{TempDir: t.TempDir(), Method: method, Wait: 5 * time.Minute})
		if err == nil {
			err = c.Check(t.Context(), CheckQuick)
			if closed := c.Close(); err == nil {
				err = closed
			}
		}
		if err != nil {
			t.Errorf("copy %d (%s): %v", i, method, err)
		}
	}
	cancel()
	group.Wait()
	t.Logf("%d commits meanwhile", commits.Load())
}

// A wait ends with the context, and when its time is over.
func TestWaitEnds(t *testing.T) {
	path := bank(t, "delete", 1)
	db := openAsApplication(t, path, nil)
	if _, err := db.Exec("BEGIN EXCLUSIVE"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := Take(ctx, path, CopyOptions{TempDir: t.TempDir(), Wait: time.Hour}); err != context.DeadlineExceeded {
		t.Errorf("a cancelled wait: %v", err)
	}
	if _, err := Take(t.Context(), path, CopyOptions{TempDir: t.TempDir(), Wait: 200 * time.Millisecond}); !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), "(waited 200ms)") {
		t.Errorf("a locked database: %v", err)
	}
	began := time.Now()
	if _, err := Take(t.Context(), path, CopyOptions{TempDir: t.TempDir(), Wait: NoWait}); !errors.Is(err, ErrLocked) || strings.Contains(err.Error(), "waited") {
		t.Errorf("a locked database, without a wait: %v", err)
	}
	if took := time.Since(began); took >= sqlite.WaitTime(0) {
		t.Errorf("NoWait took %s", took)
	}
}
