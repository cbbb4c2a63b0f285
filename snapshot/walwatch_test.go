package snapshot

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/needs"
)

// slowly copies a WAL database, 1 MiB a second, while other goes on, and returns the
// warnings. It ends soon after the one that it is to wait for, if any.
func slowly(t *testing.T, path, until string, other func(ctx context.Context)) string {
	t.Helper()
	return beside(t, until, other, func(ctx context.Context, o CopyOptions) (io.Closer, error) { return Take(ctx, path, o) })
}

// beside reads slowly, and has other go on beside it.
func beside(t *testing.T, until string, other func(ctx context.Context), read func(context.Context, CopyOptions) (io.Closer, error)) string {
	t.Helper()
	var said bytes.Buffer
	o := CopyOptions{MaxRate: 1 << 20, TempDir: t.TempDir(), Log: slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelWarn}))}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	reading, enough := context.WithCancel(t.Context())
	defer enough()
	began, ended, looks := false, make(chan struct{}), 0
	o.Progress = func(int64, int64) {
		if !began {
			began = true
			go func() { defer close(ended); other(ctx) }()
		}
		if until != "" && strings.Contains(said.String(), until) {
			looks++
		}
		if looks == 15 { // more than a second later: it would have said it again
			enough()
		}
	}
	c, err := read(reading, o)
	cancel()
	<-ended
	switch {
	case until != "" && errors.Is(err, context.Canceled):
	case err != nil:
		t.Fatal(err)
	default:
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	return said.String()
}

// It is the same for a copy and for what is only read.
func TestWarnOfGrowingWAL(t *testing.T) {
	needs.Time(t)
	for what, read := range map[string]func(ctx context.Context, path string, base Base, o CopyOptions) (io.Closer, error){
		"copied": func(ctx context.Context, path string, _ Base, o CopyOptions) (io.Closer, error) {
			return Take(ctx, path, o)
		},
		"read": func(ctx context.Context, path string, base Base, o CopyOptions) (io.Closer, error) {
			return Read(ctx, path, base, ReadOptions{CopyOptions: o})
		},
	} {
		path := bank(t, "wal", 60) // a minute, which ends with the warning
		base := takeFull(t, path, 1).base
		said := beside(t, "the WAL grows", func(ctx context.Context) {
			db := openAsApplication(t, path, nil)
			for range 3 {
				if _, err := db.ExecContext(ctx, "INSERT INTO ballast VALUES (zeroblob(30 << 20))"); err != nil && ctx.Err() == nil {
					t.Errorf("%s: a write beside it: %v", what, err)
				}
			}
		}, func(ctx context.Context, o CopyOptions) (io.Closer, error) { return read(ctx, path, base, o) })
		if strings.Count(said, "the WAL grows") != 1 || strings.Contains(said, "writers wait") {
			t.Errorf("%s: it said: %s", what, said)
		}
	}
}

// The source's volume is looked after while the source is checked, too.
func TestCheckStopsBeforeVolumeIsFull(t *testing.T) {
	var said bytes.Buffer
	m := &mover{o: CopyOptions{Log: slog.New(slog.NewTextHandler(&said, nil))}}
	m.wal = watchWAL(makeDB(t, 0), m.o.Log)
	m.room = newRoomWatch(t.TempDir(), "", 0)
	m.room.start, m.room.free = 10*roomFloor, func(string) (int64, error) { return roomFloor / 2, nil }
	m.room.last = time.Time{}
	err := m.watched(t.Context(), nil, func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	})
	if !errors.Is(err, ErrNoRoom) {
		t.Errorf("it ended with %v", err)
	}
	if err := m.watched(t.Context(), nil, func(context.Context) error { return ErrSource }); !errors.Is(err, ErrSource) {
		t.Errorf("a check that failed ended with %v", err)
	}
}

func TestWarnOfBlockingCheckpoint(t *testing.T) {
	needs.Time(t)
	path := bank(t, "wal", 60)
	said := slowly(t, path, "writers wait", func(ctx context.Context) {
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
	said := slowly(t, path, "", func(ctx context.Context) {
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
