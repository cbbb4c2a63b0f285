package snapshot

import (
	"bytes"
	"context"
	"log/slog"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/needs"
)

// slowly copies a WAL database while other goes on, and returns the warnings.
func slowly(t *testing.T, path string, o CopyOptions, other func(ctx context.Context)) string {
	t.Helper()
	var said bytes.Buffer
	o.Log = slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelWarn}))
	o.TempDir = t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	began, ended := false, make(chan struct{})
	o.Progress = func(int64, int64) {
		if !began {
			began = true
			go func() { defer close(ended); other(ctx) }()
		}
	}
	c, err := Take(t.Context(), path, o)
	cancel()
	<-ended
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	return said.String()
}

func TestWarnOfGrowingWAL(t *testing.T) {
	needs.Time(t)
	path := bank(t, "wal", 4)
	said := slowly(t, path, CopyOptions{MaxRate: 1 << 20}, func(ctx context.Context) {
		db := openAsApplication(t, path, nil)
		for range 3 {
			if _, err := db.ExecContext(ctx, "INSERT INTO ballast VALUES (zeroblob(30 << 20))"); err != nil && ctx.Err() == nil {
				t.Errorf("a write beside the copy: %v", err)
			}
		}
	})
	if strings.Count(said, "the WAL grows") != 1 || strings.Contains(said, "writers wait") {
		t.Errorf("it said: %s", said)
	}
}

func TestWarnOfBlockingCheckpoint(t *testing.T) {
	needs.Time(t)
	path := bank(t, "wal", 5)
	said := slowly(t, path, CopyOptions{MaxRate: 1 << 20}, func(ctx context.Context) {
		for ctx.Err() == nil {
			out, err := exec.CommandContext(ctx, "sqlite3", path, ".timeout 1500", "INSERT INTO ballast VALUES (1); PRAGMA wal_checkpoint(TRUNCATE)").CombinedOutput()
			if err != nil && ctx.Err() == nil {
				t.Errorf("a checkpoint beside the copy: %v\n%s", err, out)
			}
		}
	})
	if strings.Count(said, "writers wait") != 1 || strings.Contains(said, "the WAL grows") {
		t.Errorf("it said: %s", said)
	}
}

// Writers and the checkpoints of SQLite's own are nothing to warn of.
func TestNoWarningOfWriters(t *testing.T) {
	path := bank(t, "wal", 3)
	said := slowly(t, path, CopyOptions{MaxRate: 1 << 20}, func(ctx context.Context) {
		db := openAsApplication(t, path, nil)
		for ctx.Err() == nil {
			if _, err := db.ExecContext(ctx, "UPDATE account SET balance = balance WHERE id < 50"); err != nil && ctx.Err() == nil {
				t.Errorf("a write beside the copy: %v", err)
			}
			select {
			case <-ctx.Done():
			case <-time.After(time.Millisecond):
			}
		}
	})
	if said != "" {
		t.Errorf("it said: %s", said)
	}
}
