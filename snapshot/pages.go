package snapshot

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"os"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/check"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/disk"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/reason"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite"
)

// backup copies src page for page with the online backup API.
func (c *Copy) backup(ctx context.Context, src *sqlite.Conn, pageSize int, o CopyOptions) (err error) {
	dst, err := c.openCopy(ctx, pageSize)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dst.Close()) }()
	f, err := c.follow(pageSize)
	if err != nil {
		return err
	}
	t := mover{Taken: &c.Taken, source: c.source, dir: c.place.dir, o: o}
	t.moved = func(bytes int64) error { f.copied(bytes); return nil }
	t.anew = func() error { f.lose(); return nil }
	if err = t.begin(ctx, src); err == nil {
		err = t.run(ctx, src, dst, pageSize)
	}
	early, followed := f.stop()
	c.early = early
	return errors.Join(err, followed)
}

// followLag is how far the follower stays behind, in bytes: several times what
// SQLite caches.
const followLag = 2 << 20

// openCopy opens the still empty temp file. The copy is private and gone
// after a crash, so nothing in it needs a journal or a sync.
func (c *Copy) openCopy(ctx context.Context, pageSize int) (*sqlite.Conn, error) {
	if err := os.WriteFile(c.path, nil, 0o600); err != nil {
		return nil, disk.Wrap("create the copy", err)
	}
	dst, err := sqlite.OpenSource(c.path, 0, url.Values{"mode": {"rw"}, "_journal_mode": {"OFF"}, "_synchronous": {"OFF"}, "_locking_mode": {"EXCLUSIVE"}})
	if err != nil {
		return nil, err
	}
	if err = dst.Exec(ctx, fmt.Sprintf("PRAGMA page_size = %d", pageSize)); err == nil {
		err = dst.BoundCache(ctx, sqlite.CopyCache)
	}
	if err != nil {
		return nil, errors.Join(err, dst.Close())
	}
	return dst, nil
}

// vacuum lets SQLite write a compact copy. It is one statement: progress is
// seen from the size of the file, cancellation interrupts it.
func (c *Copy) vacuum(ctx context.Context, src *sqlite.Conn, size int64, o CopyOptions) error {
	if o.MaxRate > 0 {
		return fmt.Errorf("copy %s: method vacuum cannot be limited to a rate", c.source)
	}
	// Transactions and VACUUM exclude each other, so the moment of the copy is
	// the start of the statement, as closely as it can be known.
	mode, err := src.Column(ctx, "PRAGMA journal_mode")
	if err != nil {
		return err
	}
	c.JournalMode = "delete"
	if len(mode) == 1 && mode[0] == "wal" {
		c.JournalMode = "wal"
	}
	if err := os.WriteFile(c.path, nil, 0o600); err != nil {
		return disk.Wrap("create the copy", err)
	}
	uri, err := sqlite.URI(c.path, nil)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	wal, room := watchWAL(src.Path, o.Log), newRoomWatch(src.Path, c.place.dir, size)
	stop := everySecond(func() {
		wal.look()
		written := int64(0)
		if info, err := os.Stat(c.path); err == nil {
			written = min(info.Size(), size)
			o.Progress(written, size)
		}
		if err := room.check(size - written); err != nil {
			cancel(err)
		}
	})
	defer stop()
	const query = "VACUUM INTO ?"
	err = src.Patiently(ctx, query, func() error {
		c.TakenAt, c.ReadLocked = time.Now().UTC(), true
		_, err := src.ExecContext(ctx, query, []driver.NamedValue{{Ordinal: 1, Value: uri}})
		return err
	})
	if cause := context.Cause(ctx); err != nil && errors.Is(cause, ErrNoRoom) {
		return cause
	}
	if missing := check.Missing(err); missing != "" {
		return reason.Errorf(ErrCannotVacuum, nil, "compact %s: only its application has what its schema needs: %s", c.source, missing)
	}
	return err
}

// everySecond calls f once a second until the returned function has returned.
func everySecond(f func()) (stop func()) {
	quit, gone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				f()
			case <-quit:
				return
			}
		}
	}()
	return func() { close(quit); <-gone }
}
