package snapshot

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/mattn/go-sqlite3"
	"golang.org/x/time/rate"

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

	mode, err := src.Column(ctx, "PRAGMA journal_mode")
	if err != nil {
		return err
	}
	if len(mode) == 1 && mode[0] == "wal" {
		if err := c.lockRead(ctx, src); err != nil {
			return err
		}
	}
	b, err := dst.Backup("main", src.SQLiteConn, "main")
	if err != nil {
		return sqlite.WrapSource("copy "+c.source, err)
	}
	f, err := c.follow(pageSize)
	if err != nil {
		return errors.Join(err, b.Finish())
	}
	err = c.step(ctx, src, b, f, pageSize, o)
	if finish := b.Finish(); err == nil && finish != nil {
		err = sqlite.WrapSource("finish the copy of "+c.source, finish)
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

// lockRead opens a read transaction on the source that lasts until the source is
// closed: what is copied from here on is the database of this moment.
func (c *Copy) lockRead(ctx context.Context, src *sqlite.Conn) error {
	if err := src.Exec(ctx, "BEGIN"); err != nil {
		return err
	}
	_, err := src.Column(ctx, "SELECT 1 FROM sqlite_schema LIMIT 1")
	c.ReadLocked, c.TakenAt = true, time.Now().UTC()
	return err
}

// step runs the backup to its end. SQLite's step says nothing when it met a
// lock or began anew, so both are read from the number of pages copied: with
// steps of two sizes in turn, an unchanged number can only mean a lock, and
// exactly one step's worth, after more than that, only a restart.
func (c *Copy) step(ctx context.Context, src *sqlite.Conn, b *sqlite3.SQLiteBackup, f *follower, pageSize int, o CopyOptions) error {
	pages := max(stepSize/pageSize, 2)
	limit := rate.NewLimiter(rate.Inf, 0)
	if o.MaxRate > 0 {
		pages = int(min(int64(pages), max(o.MaxRate/10/int64(pageSize), 2))) // ten looks a second
		limit = rate.NewLimiter(rate.Limit(o.MaxRate), (pages+1)*pageSize)
	}
	var room *roomWatch
	wal := watchWAL(src.Path, o.Log)
	copied, locked := 0, time.Time{}
	for odd := 0; ; odd ^= 1 {
		if err := limit.WaitN(ctx, min(limit.Burst(), (pages+odd)*pageSize)); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if copied == 0 && !c.ReadLocked {
			c.TakenAt = time.Now().UTC()
		}
		began, restarted := time.Now(), false
		done, err := b.Step(pages + odd)
		if err != nil {
			return sqlite.WrapSource("copy "+c.source, err)
		}
		total := b.PageCount()
		before := copied
		copied = total - b.Remaining()
		switch {
		case done:
			// A restart within the last step goes unseen. Then all of the
			// database fitted into one step, which is at most a page longer than
			// a frame: Digest reads the first frame and a shorter one anyway.
			o.Progress(int64(total)*int64(pageSize), int64(total)*int64(pageSize))
			return nil
		case copied == before:
			if locked.IsZero() {
				locked = began
			}
			if time.Since(locked) > o.Wait {
				return reason.Errorf(ErrLocked, nil, "copy %s: another connection kept it locked for %s", c.source, o.Wait)
			}
			continue
		case before > 0 && copied <= pages+odd:
			restarted = true
			c.Restarts++
			c.TakenAt = began.UTC()
			o.Log.Debug("copy restarted: another connection wrote", "database", c.source, "restarts", c.Restarts)
			if c.Restarts >= maxRestarts && !c.ReadLocked {
				o.Log.Info("the copy continues in one read transaction: writers wait until it is complete", "database", c.source, "restarts", c.Restarts)
				if err := c.lockRead(ctx, src); err != nil {
					return err
				}
			}
		}
		locked = time.Time{}
		f.copied(int64(copied)*int64(pageSize), restarted)
		o.Progress(int64(copied)*int64(pageSize), int64(total)*int64(pageSize))
		if room == nil {
			room = newRoomWatch(src.Path, c.place.dir, int64(b.Remaining())*int64(pageSize))
		}
		if c.ReadLocked {
			wal.look()
			if err := room.check(int64(b.Remaining()) * int64(pageSize)); err != nil {
				return err
			}
		}
	}
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
	wal := watchWAL(src.Path, o.Log)
	stop := everySecond(func() {
		wal.look()
		if info, err := os.Stat(c.path); err == nil {
			o.Progress(min(info.Size(), size), size)
		}
	})
	defer stop()
	const query = "VACUUM INTO ?"
	err = src.Patiently(ctx, query, func() error {
		c.TakenAt, c.ReadLocked = time.Now().UTC(), true
		_, err := src.ExecContext(ctx, query, []driver.NamedValue{{Ordinal: 1, Value: uri}})
		return err
	})
	if missing := missingHere(err); missing != "" {
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

// A roomWatch looks after the source's volume: while a read transaction is
// held, the WAL cannot be reset and grows with every write.
type roomWatch struct {
	dir    string
	shared bool  // the copy is written to the same volume
	start  int64 // bytes free at first, less what the copy takes
	last   time.Time
	free   func(dir string) (int64, error)
}

const roomFloor = 256 << 20

func newRoomWatch(source, temp string, size int64) *roomWatch {
	w := &roomWatch{dir: filepath.Dir(source), last: time.Now(), free: disk.Free}
	w.shared = disk.IsSame(w.dir, temp)
	w.start = w.left(size)
	return w
}

// left returns what will be free when the rest of the copy is written. Where
// that cannot be told, it is taken for plenty.
func (w *roomWatch) left(rest int64) int64 {
	free, err := w.free(w.dir)
	if err != nil {
		return math.MaxInt64
	}
	if w.shared {
		free -= min(free, rest)
	}
	return free
}

// check fails when little is left of what was free at first.
func (w *roomWatch) check(rest int64) error {
	if time.Since(w.last) < time.Second {
		return nil
	}
	w.last = time.Now()
	if left := w.left(rest); left < w.start/4 && left < roomFloor {
		return reason.Errorf(ErrNoRoom, nil, "stop copying: the database's volume %s would have only %d MiB left, because its WAL grows meanwhile", w.dir, left>>20)
	}
	return nil
}
