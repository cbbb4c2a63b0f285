package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/check"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/disk"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite/virtual"
)

// A Reading is what one pass over a live database has found out: its digest, and
// the pages that differ from a base. There is no copy of it. Close removes what
// it keeps.
type Reading struct {
	Taken
	// Digest is the digest tree of the whole database.
	Digest *Digest

	source string // for messages
	base   Reference
	changes
	remove func() error // what is kept
}

// ReadOptions has how Read works. The zero value is usable.
type ReadOptions struct {
	CopyOptions
	// Check is how SQLite checks the database; "" is CheckNone. It checks what
	// was read, under the same read transaction: with a rollback journal, writers
	// wait for it. It leaves CHECK constraints out where the connection can only
	// read, as that of a WAL database.
	Check CheckLevel
	// Known is the digest of content that needs no check.
	Known string
	// Checking is called when a check begins. Where writers were in the way, that
	// may be more than once, and reading begins anew.
	Checking func()
}

// Read reads the live database at path like Take, but keeps only what differs
// from the base. If more than half of its pages do, or its page size is another,
// the error wraps a BaseError: a copy is needed then. Otherwise its errors are
// those of Take and Copy.Check, and so are the promises to the database.
func Read(ctx context.Context, path string, base Base, o ReadOptions) (_ *Reading, err error) {
	scratch, err := disk.NewScratch(o.TempDir, 0) // how much it will take shows later
	if err != nil {
		return nil, err
	}
	r := &Reading{source: path, base: base.Reference, remove: scratch.Close}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.Close())
		}
	}()
	taken, digest, err := readIn(ctx, path, base, o, scratch.Path())
	if err != nil {
		return nil, err
	}
	r.Taken = taken
	if r.files.wal, err = os.OpenFile(filepath.Join(scratch.Path(), walName), os.O_RDWR, 0); err != nil {
		return nil, disk.WrapTemp("read what has changed", err)
	}
	return r, r.complete(ctx, base, digest, scratch)
}

// complete finds out what an archive needs, by the WAL that is open. digest is the
// database's, as it was read.
func (r *Reading) complete(ctx context.Context, base Base, digest string, scratch *disk.Scratch) (err error) {
	if r.files.list, err = createIn(scratch, listName); err != nil {
		return err
	}
	if r.files.leaves, err = createIn(scratch, leavesName); err != nil {
		return err
	}
	found, err := newChanges(ctx, base, r.files)
	if err != nil {
		return fmt.Errorf("collect what has changed in %s: %w", r.source, err)
	}
	r.changes, r.Digest, r.Header, r.JournalMode = *found, found.digest, found.header, found.header.JournalMode()
	if r.Digest.root != digest {
		return fmt.Errorf("read %s: what has changed gives the digest %s, what was read %s", r.source, r.Digest.root, digest)
	}
	return nil
}

func createIn(scratch *disk.Scratch, name string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(scratch.Path(), name), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	return f, disk.WrapTemp("create a temp file", err)
}

// Pages returns how many pages differ. The first one always counts.
func (r *Reading) Pages() int { return r.pages }

// MaxArchiveSize returns how large the archive can become, in bytes.
func (r *Reading) MaxArchiveSize() int64 { return r.geometry().maxArchiveSize() }

// WriteArchive compresses the pages that differ on all cores and writes the archive
// of the differential to w. Errors are those of w, or wrap ErrSource, ErrNoRoom or
// what ended ctx.
func (r *Reading) WriteArchive(ctx context.Context, w io.Writer, o ArchiveOptions) (Manifest, error) {
	m := r.manifest(r.Digest, &o)
	m.Kind, m.Format = KindDifferential, formats[KindDifferential]
	m.Base, m.Pages = r.base, r.pages
	g := r.geometry()
	return m, writeArchive(ctx, w, &m, content{r.source, r.files.wal, r.files.list, r.frames, memoryIsScarce(g.offset(g.frames()))}, o)
}

// Close removes what the reading keeps.
func (r *Reading) Close() error {
	return disk.WrapTemp("remove what was read", errors.Join(r.files.close(), r.remove()))
}

// Hash reads the live database at path like Read, but keeps nothing of it: it returns
// the digest of its content. Its errors are those of Take.
func Hash(ctx context.Context, path string, o CopyOptions) (_ Taken, digest string, err error) {
	return readIn(ctx, path, Base{}, ReadOptions{CopyOptions: o}, "")
}

// A reader is Read on its way.
type reader struct {
	mover
	base Base
	o    ReadOptions
	wal  string // path of the file for what differs, "" if nothing is kept
}

// readIn reads the database and leaves a WAL without checksums in dir. Where that is
// "", it only hashes, and there is no base.
func readIn(ctx context.Context, path string, base Base, o ReadOptions, dir string) (_ Taken, digest string, err error) {
	o.CopyOptions = o.withDefaults()
	if o.Check == "" {
		o.Check = CheckNone
	}
	if o.Checking == nil {
		o.Checking = func() {}
	}
	src, err := openSource(ctx, path, o.Wait)
	if err != nil {
		return Taken{}, "", err
	}
	defer func() { err = errors.Join(err, src.Close()) }()
	pageSize, err := src.Int(ctx, "PRAGMA page_size")
	if err != nil {
		return Taken{}, "", err
	}
	if dir == "" {
		base.PageSize = int(pageSize)
	}
	if int(pageSize) != base.PageSize {
		return Taken{}, "", fmt.Errorf("read %s: %w", path, &BaseError{fmt.Sprintf("its pages have %d bytes, the base's %d", pageSize, base.PageSize)})
	}
	if err := src.BoundCache(ctx, sqlite.CopyCache); err != nil {
		return Taken{}, "", err
	}
	t := Taken{Method: MethodBackup}
	r := &reader{mover: mover{Taken: &t, source: path, o: o.CopyOptions}, base: base, o: o}
	if dir != "" {
		r.wal = filepath.Join(dir, walName)
	}
	if err := r.begin(ctx, src); err != nil {
		return Taken{}, "", err
	}
	digest, err = r.read(ctx, src)
	return t, digest, err
}

// read reads the database until what has been read is one state of it.
func (r *reader) read(ctx context.Context, src *sqlite.Conn) (digest string, err error) {
	for passes := 1; ; passes++ {
		digest, err = r.pass(ctx, src)
		if err == nil && digest != r.o.Known {
			err = r.check(ctx, src)
		}
		switch {
		case !errors.Is(err, errAnew):
			return digest, err
		case r.ReadLocked && passes > maxRestarts: // in an order that a sink does not know
			return "", fmt.Errorf("read %s: %w", r.source, &BaseError{err.Error()})
		case passes == maxRestarts && !r.ReadLocked:
			if err := r.lockRead(ctx, src); err != nil {
				return "", err
			}
		}
	}
}

// pass reads the database once. An error of errAnew has it read once more.
func (r *reader) pass(ctx context.Context, src *sqlite.Conn) (digest string, err error) {
	pages, err := src.Int(ctx, "PRAGMA page_count")
	if err != nil {
		return "", err
	}
	if r.wal == "" {
		return r.fill(ctx, src, newSink(ctx, r.base, int(pages), nil))
	}
	if r.Tables, err = tablesOf(ctx, src); err != nil {
		return "", err
	}
	spool, err := newSpool(r.wal, r.base.PageSize)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, spool.Close()) }()
	return r.fill(ctx, src, newSink(ctx, r.base, int(pages), spool))
}

// fill lets SQLite write the database into a sink.
func (r *reader) fill(ctx context.Context, src *sqlite.Conn, s *sink) (digest string, err error) {
	ended := false
	defer func() {
		if !ended {
			s.abort()
		}
		if errors.As(err, new(*BaseError)) {
			err = fmt.Errorf("read %s: %w", r.source, err)
		}
	}()
	name, remove, err := virtual.Add(sinkFile{sink: s})
	if err != nil {
		return "", err
	}
	defer remove()
	dst, err := sqlite.OpenSource(name, 0, url.Values{"vfs": {virtual.VFS}, "mode": {"rwc"}, "_journal_mode": {"OFF"}, "_synchronous": {"OFF"}, "_locking_mode": {"EXCLUSIVE"}})
	if err != nil {
		return "", err
	}
	r.moved = func(int64) error { return s.err }
	r.anew = func() error { return errAnew }
	if err = dst.Exec(ctx, fmt.Sprintf("PRAGMA page_size = %d", s.g.pageSize)); err == nil {
		err = dst.BoundCache(ctx, sqlite.CopyCache)
	}
	if err == nil {
		err = r.run(ctx, src, dst, s.g.pageSize)
	}
	if err = errors.Join(err, dst.Close()); err != nil {
		return "", err
	}
	ended = true
	if digest, err = s.finish(int(s.end / int64(s.g.pageSize))); err == nil {
		r.Header, err = sqlite.ParseHeader(s.first)
	}
	return digest, err
}

// check lets SQLite check what was read. Without a read transaction, the database
// may have become another meanwhile; then the error is errAnew.
func (r *reader) check(ctx context.Context, src *sqlite.Conn) error {
	if r.o.Check == CheckNone {
		return nil
	}
	if !r.ReadLocked {
		r.o.Log.Info("the database is checked in one read transaction: writers wait until it is complete", "database", r.source)
		if err := r.lockRead(ctx, src); err != nil {
			return err
		}
		// A read transaction of the check alone does not cover the pages read before.
		defer func() { r.ReadLocked = false }()
		version, err := src.Int(ctx, dataVersion)
		if err != nil {
			return err
		}
		if version != r.version {
			r.Restarts++
			return errors.Join(errAnew, src.Exec(ctx, "ROLLBACK"))
		}
	}
	r.o.Checking()
	return r.watched(ctx, src, func(ctx context.Context) error { return check.Conn(ctx, src, r.source, r.o.Check) })
}
