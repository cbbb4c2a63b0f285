package restore

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/mattn/go-sqlite3"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/disk"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/reason"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite"
)

// liveStep is how many bytes go into the target between two looks at the context.
const liveStep = 4 << 20

// live writes the temp file's content into the open target, in one transaction, and
// keeps a copy of the old database.
func (p *placement) live(ctx context.Context, t target, temp string) (kept []string, err error) {
	defer func() { err = liveError(t, err) }()
	dst, err := p.openLive(ctx, t)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, sqlite.Wrap("close "+t.path, dst.Close())) }()
	mode, err := p.liveMode(ctx, t, dst)
	if err != nil {
		return nil, err
	}
	if err := setModeOf(temp, mode); err != nil {
		return nil, err
	}
	src, err := sqlite.Open(temp, 0, url.Values{"mode": {"ro"}, "immutable": {"1"}})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, src.Close()) }()

	w := &liveWrite{placement: p, target: t, dst: dst, src: src}
	if mode == walMode {
		err = w.overWAL(ctx)
	} else {
		err = w.overJournal(ctx)
	}
	if err != nil && w.kept != "" {
		return nil, errors.Join(err, p.steps.remove(stepUndo, w.kept))
	}
	if w.kept != "" {
		kept = []string{w.kept}
	}
	return kept, err
}

// openLive opens the target, which reads it: it can be locked, or damaged.
func (p *placement) openLive(ctx context.Context, t target) (c *sqlite.Conn, err error) {
	if slices.Contains(t.sidecars, "-wal") { // closing a damaged database would fold it in
		openable, err := probe(ctx, t.path, url.Values{"mode": {"ro"}})
		if err == nil && !openable {
			err = t.notADatabase(errors.New("its schema is damaged"))
		}
		if err != nil {
			return c, err
		}
	}
	err = p.retry(ctx, t, func() (err error) {
		c, err = sqlite.Open(t.path, sqlite.AttemptTime, url.Values{"mode": {"rw"}})
		return err
	})
	return c, err
}

// liveError wraps an error of SQLite in ErrCannotLive: the target's content or rights
// are the reason, unless it is a lock, a full disk, or this process's own trouble.
func liveError(t target, err error) error {
	code := sqlite.Code(err)
	switch {
	case err == nil, code == 0, sqlite.IsLocked(err), sqlite.IsFull(err), errors.Is(err, ErrCannotLive):
		return err
	case code == sqlite3.ErrNomem, code == sqlite3.ErrInterrupt, isShortOfFiles(err):
		return err
	case code == sqlite3.ErrNotADB, code == sqlite3.ErrCorrupt:
		return t.notADatabase(err)
	case code == sqlite3.ErrReadonly, code == sqlite3.ErrPerm, code == sqlite3.ErrCantOpen:
		return reason.Errorf(ErrCannotLive, err, "%s, or a file beside it, cannot be written by this user: %v", t.path, err)
	}
	return reason.Errorf(ErrCannotLive, err, "%s cannot be written through SQLite: %v", t.path, err)
}

// liveMode returns the target's journal mode, and an error for what cannot be done
// live.
func (p *placement) liveMode(ctx context.Context, t target, dst *sqlite.Conn) (mode journalMode, err error) {
	var pageSize int64
	err = p.retry(ctx, t, func() error {
		row, err := dst.Row(ctx, "PRAGMA journal_mode")
		if err != nil {
			return err
		}
		mode = modeNamed(fmt.Sprint(row[0]))
		if _, err = dst.Row(ctx, "SELECT count(*) FROM sqlite_schema"); err != nil {
			return err
		}
		pageSize, err = dst.Int(ctx, "PRAGMA page_size")
		return err
	})
	switch {
	case err != nil:
		return 0, err
	case mode == walMode && pageSize != int64(p.pageSize):
		return 0, reason.Errorf(ErrCannotLive, nil, "%s is in WAL mode with pages of %d bytes, the snapshot's have %d: SQLite cannot change that under open connections. Stop the application and restore without --live, or set the database to PRAGMA journal_mode=DELETE first", t.path, pageSize, p.pageSize)
	}
	return mode, nil
}

// setModeOf gives the temp file the target's journal mode: the snapshot's would
// silently become the target's.
func setModeOf(temp string, mode journalMode) error {
	f, err := disk.OpenRegular(temp, os.O_RDWR)
	if err != nil {
		return err
	}
	return errors.Join(mode.set(f), f.Close())
}

// retry calls f until no other connection's lock is in its way, or Wait is over.
func (p *placement) retry(ctx context.Context, t target, f func() error) error {
	err := sqlite.Retry(ctx, p.Wait, f)
	if !sqlite.IsLocked(err) {
		return err
	}
	text := fmt.Sprintf("%s stayed locked for %s", t.path, p.Wait)
	found := slices.DeleteFunc(holders(t.info), func(h Holder) bool { return h.PID == os.Getpid() })
	if len(found) > 0 {
		text += "; open in " + joinHolders(found)
	}
	return reason.Errorf(ErrLocked, err, "%s", text)
}

// A liveWrite is one transaction that replaces the target's whole content.
type liveWrite struct {
	*placement
	target   target
	dst, src *sqlite.Conn
	kept     string // the copy of the old content, once it is complete
}

// overWAL takes the write lock first. Readers go on reading the old content, and so
// does the connection that copies it.
func (w *liveWrite) overWAL(ctx context.Context) error {
	b, err := w.begin(ctx)
	if err != nil {
		return err
	}
	if !w.DiscardOld {
		if err = w.copyOld(ctx, nil); err != nil {
			return errors.Join(err, b.Finish())
		}
	}
	return w.write(ctx, b)
}

// overJournal copies the old content while applications go on, and checks under the
// lock whether it has changed since. From the lock on no other connection reads.
func (w *liveWrite) overJournal(ctx context.Context) (err error) {
	var copied bool
	var version int64
	if !w.DiscardOld {
		err := w.retry(ctx, w.target, func() (err error) {
			version, err = w.dst.Int(ctx, "PRAGMA data_version")
			return err
		})
		if err != nil {
			return err
		}
		err = w.copyOld(ctx, nil)
		if err != nil && !errors.Is(err, errChanged) {
			return err
		}
		copied = err == nil
	}
	if err := w.lockJournal(ctx); err != nil {
		return err
	}
	if !w.DiscardOld {
		now, err := w.dst.Int(ctx, "PRAGMA data_version")
		if err != nil {
			return err
		}
		if copied && now != version {
			if err := w.steps.remove(stepUndo, w.kept); err != nil {
				return err
			}
			w.kept, copied = "", false
		}
		if !copied {
			if err := w.copyOld(ctx, w.dst); err != nil {
				return err
			}
		}
	}
	b, err := w.begin(ctx)
	if err != nil {
		return err
	}
	return w.write(ctx, b)
}

// lockJournal locks all other connections out of a rollback database until dst closes.
func (w *liveWrite) lockJournal(ctx context.Context) error {
	return w.steps.do(stepLiveLock, func() error {
		if err := w.retry(ctx, w.target, func() error { return w.dst.Exec(ctx, "BEGIN EXCLUSIVE") }); err != nil {
			return err
		}
		// In this mode the lock outlives the transaction. Any earlier, what a
		// vain attempt has locked would outlive that too: a writer could then
		// never commit, and would never let go.
		_, err := w.dst.Row(ctx, "PRAGMA locking_mode=EXCLUSIVE")
		return errors.Join(err, w.dst.Exec(ctx, "COMMIT"))
	})
}

// begin starts the transaction, with no page written yet.
func (w *liveWrite) begin(ctx context.Context) (*sqlite3.SQLiteBackup, error) {
	b, err := w.dst.Backup("main", w.src.SQLiteConn, "main")
	if err != nil {
		return nil, sqlite.Wrap("begin to write into "+w.target.path, err)
	}
	err = w.steps.do(stepLiveLock, func() error {
		return w.retry(ctx, w.target, func() error { return stepBackup(b, 0) })
	})
	if err != nil {
		return nil, errors.Join(err, b.Finish())
	}
	return b, nil
}

// stepBackup copies pages. The driver hides a busy database behind (false,
// nil); before the first success it shows in the page count, which is zero.
func stepBackup(b *sqlite3.SQLiteBackup, pages int) error {
	if _, err := b.Step(pages); err != nil {
		return err
	}
	if b.PageCount() == 0 {
		return sqlite3.Error{Code: sqlite3.ErrBusy}
	}
	return nil
}

// write copies all pages and commits with the last.
func (w *liveWrite) write(ctx context.Context, b *sqlite3.SQLiteBackup) error {
	deadline := time.Now().Add(w.Wait)
	for done, left := false, -1; !done; {
		err := ctx.Err()
		if err == nil {
			err = w.steps.do(stepLiveWrite, func() (err error) {
				done, err = b.Step(max(1, liveStep/w.pageSize))
				return err
			})
		}
		switch {
		case err != nil:
		case b.Remaining() != left:
			left, deadline = b.Remaining(), time.Now().Add(w.Wait)
		case !done && time.Now().After(deadline):
			err = reason.Errorf(ErrLocked, nil, "%s stayed locked at the end", w.target.path)
		}
		if err != nil {
			return errors.Join(sqlite.Wrap("write into "+w.target.path, err), b.Finish())
		}
	}
	return sqlite.Wrap("write into "+w.target.path, b.Finish())
}

var errChanged = errors.New("the database changed while it was copied")

// copyOld copies the target's content to the name under which it is kept, by
// way of a temp file. Without a connection to copy from it opens one of its own.
// kept stays empty if there is no content.
func (w *liveWrite) copyOld(ctx context.Context, from *sqlite.Conn) (err error) {
	if from == nil {
		c, err := w.openLive(ctx, w.target)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, c.Close()) }()
		from = c
	}
	var pages int64
	err = w.retry(ctx, w.target, func() (err error) {
		pages, err = from.Int(ctx, "PRAGMA page_count")
		return err
	})
	if err != nil || pages == 0 { // an empty file: nothing to keep
		return err
	}
	f, err := w.createTemp(w.target)
	if err != nil {
		return err
	}
	defer func() {
		if _, lost := os.Lstat(f.Name()); lost == nil {
			err = errors.Join(err, w.steps.remove(stepRemoveTemp, f.Name()))
		}
	}()
	_ = f.Chown(int(w.target.stat().Uid), int(w.target.stat().Gid)) // a copy of another owner is better than none
	err = w.steps.do(stepLiveCopy, func() error { return w.copyPages(ctx, from, f.Name()) })
	if err == nil {
		err = w.finishTemp(w.target, f)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	stem := w.freeStem(w.target, "", sidecarSuffixes)
	if err := w.steps.renameNew(stepKeep, f.Name(), stem); err != nil {
		return err
	}
	w.kept = stem
	return w.steps.syncDir(stepSyncKept, filepath.Dir(stem))
}

// copyPages copies a database into an empty file. It does not start again when
// the source changes: errChanged.
func (w *liveWrite) copyPages(ctx context.Context, from *sqlite.Conn, to string) (err error) {
	dst, err := sqlite.Open(to, 0, url.Values{"mode": {"rw"}, "_journal_mode": {"OFF"}, "_synchronous": {"OFF"}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dst.Close()) }()
	b, err := dst.Backup("main", from.SQLiteConn, "main")
	if err != nil {
		return sqlite.Wrap("begin to copy "+w.target.path, err)
	}
	err = w.retry(ctx, w.target, func() error { return stepBackup(b, 0) })
	for left, done := b.PageCount(), false; err == nil && !done; {
		done, err = b.Step(max(1, liveStep/w.pageSize))
		if err == nil {
			err = ctx.Err()
		}
		if err == nil && !done && b.Remaining() >= left {
			err = errChanged // begun anew, or locked
		}
		left = b.Remaining()
	}
	return errors.Join(sqlite.Wrap("copy "+w.target.path, err), b.Finish())
}
