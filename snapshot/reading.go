package snapshot

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/disk"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite"
)

// A Reading is what one pass over a live database has found out: its digest, and
// the pages that differ from a base. There is no copy of it. Close removes what
// it keeps.
type Reading struct {
	Taken
	// Digest is the digest tree of the whole database.
	Digest *Digest
	// Changes are the pages that differ from the base.
	Changes *Changes

	source string // for messages
	spool  *spool
	leaves *os.File
}

// ReadOptions has how Read works. The zero value is usable.
type ReadOptions struct {
	CopyOptions
	// Check is how SQLite checks the database; "" is CheckNone. It checks what
	// was read, under the same read transaction. It leaves CHECK constraints
	// out where the connection can only read, as that of a WAL database.
	Check CheckLevel
	// Known is the digest of content that needs no check.
	Known string
}

// Read reads the live database at path like Take, but keeps only what differs
// from the base. If more than half of its pages do, or its page size is another,
// the error wraps a BaseError: a copy is needed then. Otherwise its errors are
// those of Take and Copy.Check, and so are the promises to the database.
func Read(ctx context.Context, path string, base Base, o ReadOptions) (_ *Reading, err error) {
	o.CopyOptions = o.withDefaults()
	if o.Check == "" {
		o.Check = CheckNone
	}
	src, err := openSource(ctx, path, o.Wait)
	if err != nil {
		return nil, err
	}
	r := &Reading{Taken: Taken{Method: MethodBackup}, source: path}
	defer func() {
		if err = errors.Join(err, src.Close()); err != nil {
			err = errors.Join(err, r.Close())
		}
	}()
	pageSize, err := src.Int(ctx, "PRAGMA page_size")
	if err != nil {
		return nil, err
	}
	if int(pageSize) != base.PageSize {
		return nil, fmt.Errorf("read %s: %w", path, &BaseError{fmt.Sprintf("its pages have %d bytes, the base's %d", pageSize, base.PageSize)})
	}
	if err := src.BoundCache(ctx, sqlite.CopyCache); err != nil {
		return nil, err
	}
	t := &mover{Taken: &r.Taken, source: path, o: o.CopyOptions}
	if err := t.begin(ctx, src); err != nil {
		return nil, err
	}
	for passes := 1; ; passes++ {
		err := r.pass(ctx, t, src, base)
		if err == nil && r.Digest.String() != o.Known {
			err = r.check(ctx, t, src, o.Check)
		}
		switch {
		case !errors.Is(err, errAnew):
			return r, err
		case t.ReadLocked && passes > maxRestarts: // in an order that a sink does not know
			return nil, fmt.Errorf("read %s: %w", path, &BaseError{err.Error()})
		case passes == maxRestarts && !t.ReadLocked:
			if err := t.lockRead(ctx, src); err != nil {
				return nil, err
			}
		}
	}
}

// pass reads the database once. An error of errAnew has it read once more.
func (r *Reading) pass(ctx context.Context, t *mover, src *sqlite.Conn, base Base) (err error) {
	pages, err := src.Int(ctx, "PRAGMA page_count")
	if err != nil {
		return err
	}
	if r.spool, err = newSpool(t.o.TempDir, base.PageSize, 0); err != nil { // how much it will take shows later
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.forget())
		}
	}()
	t.dir = r.spool.scratch.Path()
	if r.leaves, err = createIn(r.spool.scratch, leavesName); err != nil {
		return err
	}
	if r.Tables, err = tablesOf(ctx, src); err != nil {
		return err
	}
	s := newSink(ctx, base, int(pages), r.spool, r.leaves)
	if err := r.fill(ctx, t, src, s); err != nil {
		return err
	}
	if r.Header, err = sqlite.ParseHeader(s.first); err != nil {
		return fmt.Errorf("read %s: %w", r.source, err)
	}
	r.JournalMode = r.Header.JournalMode()
	frames, err := r.spool.seal(base.Digest, r.Header.PageCount)
	if err != nil {
		return err
	}
	r.Changes = &Changes{&r.Taken, r.source, r.Digest, base.Reference, r.spool, frames}
	return nil
}

// fill lets SQLite write the database into a sink.
func (r *Reading) fill(ctx context.Context, t *mover, src *sqlite.Conn, s *sink) (err error) {
	ended := false
	defer func() {
		if !ended {
			s.abort()
		}
		if errors.As(err, new(*BaseError)) {
			err = fmt.Errorf("read %s: %w", r.source, err)
		}
	}()
	if err := registerSinks(); err != nil {
		return fmt.Errorf("register with SQLite: %w", err)
	}
	name := sinks.add(s)
	defer sinks.remove(name)
	dst, err := sqlite.OpenSource(name, 0, url.Values{"vfs": {sinkVFS}, "mode": {"rwc"}, "_journal_mode": {"OFF"}, "_synchronous": {"OFF"}, "_locking_mode": {"EXCLUSIVE"}})
	if err != nil {
		return err
	}
	t.moved = func(_ int64, restarted bool) error {
		if restarted {
			return errAnew
		}
		return s.err
	}
	if err = dst.Exec(ctx, fmt.Sprintf("PRAGMA page_size = %d", s.g.pageSize)); err == nil {
		err = dst.BoundCache(ctx, sqlite.CopyCache)
	}
	if err == nil {
		err = t.run(ctx, src, dst, s.g.pageSize)
	}
	if err = errors.Join(err, dst.Close()); err != nil {
		return err
	}
	ended = true
	r.Digest, err = s.finish(int(s.end / int64(s.g.pageSize)))
	return err
}

// check lets SQLite check what was read. Without a read transaction, the database
// may have become another meanwhile; then the error is errAnew.
func (r *Reading) check(ctx context.Context, t *mover, src *sqlite.Conn, level CheckLevel) error {
	pragma, cache, err := level.pragma()
	if err != nil || pragma == "" {
		return err
	}
	if !t.ReadLocked {
		if err := t.lockRead(ctx, src); err != nil {
			return err
		}
		// A read transaction of the check alone does not cover the pages read before.
		defer func() { t.ReadLocked = false }()
		version, err := src.Int(ctx, dataVersion)
		if err != nil {
			return err
		}
		if version != t.version {
			r.Restarts++
			return errors.Join(errAnew, src.Exec(ctx, "ROLLBACK"), r.forget())
		}
	}
	if err := src.BoundCache(ctx, cache); err != nil {
		return err
	}
	return checkOpen(ctx, src, r.source, pragma)
}

// Close removes what the reading keeps.
func (r *Reading) Close() error { return r.forget() }

// forget removes what a pass has kept.
func (r *Reading) forget() (err error) {
	if r.leaves != nil {
		err = r.leaves.Close()
	}
	if r.spool != nil {
		err = errors.Join(err, r.spool.Close())
	}
	r.leaves, r.spool = nil, nil
	return disk.WrapTemp("remove what was read", err)
}
