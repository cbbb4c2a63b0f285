package snapshot

import (
	"context"
	"errors"
	"math"
	"path/filepath"
	"time"

	"github.com/mattn/go-sqlite3"
	"golang.org/x/time/rate"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/disk"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/reason"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite"
)

// A mover lets SQLite's online backup move all pages of a database from one
// connection to another.
type mover struct {
	*Taken
	source string // for messages
	dir    string // where the pages go; "" if nothing keeps them
	o      CopyOptions
	wal    *walWatch
	room   *roomWatch

	// version is another number once another connection has written since the
	// latest step began. It is not kept for a database that is locked for reading.
	version int64

	// moved is called after each step that moved pages, with the bytes since the
	// (latest) start. Before it, anew is called if this step was a restart. Their
	// errors end the run.
	moved func(bytes int64) error
	anew  func() error
}

// dataVersion gives a number that is another one once another connection has
// changed the database (https://www.sqlite.org/pragma.html#pragma_data_version).
const dataVersion = "PRAGMA data_version"

// begin opens a read transaction on a WAL database.
func (t *mover) begin(ctx context.Context, src *sqlite.Conn) error {
	mode, err := src.Column(ctx, "PRAGMA journal_mode")
	if err != nil {
		return err
	}
	if len(mode) == 1 && mode[0] == "wal" {
		return t.lockRead(ctx, src)
	}
	return nil
}

// lockRead opens a read transaction on the source that lasts until the source is
// closed: what is read from here on is the database of this moment.
func (t *mover) lockRead(ctx context.Context, src *sqlite.Conn) error {
	if err := src.Exec(ctx, "BEGIN"); err != nil {
		return err
	}
	_, err := src.Column(ctx, "SELECT 1 FROM sqlite_schema LIMIT 1")
	t.ReadLocked, t.TakenAt = true, time.Now().UTC()
	return err
}

// run moves all pages.
func (t *mover) run(ctx context.Context, src, dst *sqlite.Conn, pageSize int) error {
	b, err := dst.Backup("main", src.SQLiteConn, "main")
	if err != nil {
		return sqlite.WrapSource("copy "+t.source, err)
	}
	err = t.step(ctx, src, b, pageSize)
	if finish := b.Finish(); err == nil && finish != nil {
		err = sqlite.WrapSource("finish the copy of "+t.source, finish)
	}
	return err
}

// step runs the backup to its end. SQLite's step reports neither a lock nor that
// it began anew, so both are read from the number of pages copied. The steps that
// copy pages have two sizes in turn. So an unchanged number can only mean a lock,
// and exactly one step's worth, after more than that, only a restart.
func (t *mover) step(ctx context.Context, src *sqlite.Conn, b *sqlite3.SQLiteBackup, pageSize int) error {
	pages := max(stepSize/pageSize, 2)
	limit := rate.NewLimiter(rate.Inf, 0)
	if t.o.MaxRate > 0 {
		pages = int(min(int64(pages), max(t.o.MaxRate/10/int64(pageSize), 2))) // ten looks a second
		limit = rate.NewLimiter(rate.Limit(t.o.MaxRate), (pages+1)*pageSize)
	}
	copied, locked := 0, time.Time{}
	for odd := 0; ; {
		if err := limit.WaitN(ctx, min(limit.Burst(), (pages+odd)*pageSize)); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !t.ReadLocked {
			version, err := src.Int(ctx, dataVersion)
			if err != nil {
				return err
			}
			if t.version = version; copied == 0 {
				t.TakenAt = time.Now().UTC()
			}
		}
		began := time.Now()
		done, err := b.Step(pages + odd)
		if err != nil {
			return sqlite.WrapSource("copy "+t.source, err)
		}
		total := b.PageCount()
		before := copied
		copied = total - b.Remaining()
		switch {
		case done:
			// A restart within the last step goes unseen. Then all of the
			// database fitted into one step, which is at most a page longer than
			// a frame: Digest reads the first frame and a shorter one anyway.
			t.o.Progress(int64(total)*int64(pageSize), int64(total)*int64(pageSize))
			return nil
		case copied == before:
			if locked.IsZero() {
				locked = began
			}
			if time.Since(locked) > t.o.Wait {
				return reason.Errorf(ErrLocked, nil, "copy %s: another connection kept it locked for %s", t.source, t.o.Wait)
			}
			continue
		case before > 0 && copied <= pages+odd:
			if err := t.restarted(ctx, src, began); err != nil {
				return err
			}
		}
		locked, odd = time.Time{}, odd^1
		if err := t.moved(int64(copied) * int64(pageSize)); err != nil {
			return err
		}
		t.o.Progress(int64(copied)*int64(pageSize), int64(total)*int64(pageSize))
		if err := t.look(src, int64(b.Remaining())*int64(pageSize)); err != nil {
			return err
		}
	}
}

// restarted notes that the step that began then was a restart.
func (t *mover) restarted(ctx context.Context, src *sqlite.Conn, began time.Time) error {
	t.Restarts++
	t.TakenAt = began.UTC()
	t.o.Log.Debug("copy restarted: another connection wrote", "database", t.source, "restarts", t.Restarts)
	if t.Restarts >= maxRestarts && !t.ReadLocked {
		t.o.Log.Info("the copy continues in one read transaction: writers wait until it is complete", "database", t.source, "restarts", t.Restarts)
		if err := t.lockRead(ctx, src); err != nil {
			return err
		}
	}
	return t.anew()
}

// look looks after the source's WAL and volume between two steps. rest is what is
// still to be moved, in bytes.
func (t *mover) look(src *sqlite.Conn, rest int64) error {
	t.watch(src, rest)
	if !t.ReadLocked {
		return nil
	}
	t.wal.look()
	return t.room.check(rest)
}

// watch begins to look after the source's WAL and volume, unless it does already.
func (t *mover) watch(src *sqlite.Conn, rest int64) {
	if t.wal == nil {
		t.wal, t.room = watchWAL(src.Path, t.o.Log), newRoomWatch(src.Path, t.dir, rest)
	}
}

// watched calls do, which reads under a read transaction, and looks after the
// source's WAL and volume meanwhile.
func (t *mover) watched(ctx context.Context, src *sqlite.Conn, do func(ctx context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	t.watch(src, 0)
	stop := everySecond(func() {
		t.wal.look()
		if err := t.room.check(0); err != nil {
			cancel(err)
		}
	})
	defer stop()
	err := do(ctx)
	if cause := context.Cause(ctx); err != nil && errors.Is(cause, ErrNoRoom) {
		return cause
	}
	return err
}

// A roomWatch looks after the source's volume: while a read transaction is
// held, the WAL cannot be reset and grows with every write.
type roomWatch struct {
	dir    string
	shared bool  // a copy is written to the same volume
	start  int64 // bytes free at first, less what the copy takes
	last   time.Time
	free   func(dir string) (int64, error)
}

const roomFloor = 256 << 20

// newRoomWatch watches the volume of source. A copy of size bytes is written to
// temp; "" if there is none.
func newRoomWatch(source, temp string, size int64) *roomWatch {
	w := &roomWatch{dir: filepath.Dir(source), last: time.Now(), free: disk.Free}
	w.shared = temp != "" && disk.IsSame(w.dir, temp)
	w.start = w.left(size)
	return w
}

// left returns what will be free when the rest of the copy is written. Where
// that is not known, it counts as plenty.
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
