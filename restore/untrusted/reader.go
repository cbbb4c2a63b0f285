package untrusted

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"sync/atomic"

	"github.com/mattn/go-sqlite3"
	"github.com/psanford/sqlite3vfs"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/reason"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite/virtual"
)

// A Conn is a connection to a database that is read from an io.ReaderAt, and that can
// do nothing else to the machine than to write temp files.
type Conn struct {
	*sqlite.Conn
	file   *readerFile
	remove func()
}

// Open opens the database of that size in bytes in r. Its name is for messages. The
// temp files that SQLite needs, for sorting for example, go to $SQLITE_TMPDIR, or else
// to os.TempDir.
func Open(ctx context.Context, name string, r io.ReaderAt, size int64) (_ *Conn, err error) {
	c := &Conn{file: &readerFile{r: r, size: size}}
	path, remove, err := virtual.Add(c.file)
	if err != nil {
		return nil, err
	}
	c.remove = remove
	c.Conn, err = sqlite.Open(path, 0, url.Values{"vfs": {virtual.VFS}, "mode": {"ro"}, "immutable": {"1"}})
	if err != nil {
		remove()
		return nil, c.Explain(err)
	}
	c.Path = name
	if err := restrain(ctx, c.Conn, size); err != nil {
		return nil, errors.Join(c.Explain(err), c.Close())
	}
	return c, nil
}

// Close closes the connection. The reader stays open.
func (c *Conn) Close() error {
	defer c.remove()
	return c.Conn.Close()
}

// Explain returns an error of SQLite's on this connection as one that has its cause:
// the error of the reader or of a temp file where that made SQLite fail, and ErrCheck
// where SQLite finds the database corrupt, or none.
func (c *Conn) Explain(err error) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	cause := c.file.cause()
	if cause == nil && sqlite.Code(err) == sqlite3.ErrIoErr {
		cause = virtual.TempFailure()
	}
	switch {
	case cause != nil && errors.Is(err, cause):
		return err
	case cause != nil:
		return reason.Errorf(cause, err, "%v", cause)
	}
	if isCorrupt(err) && !errors.Is(err, snapshot.ErrSource) {
		return reason.Errorf(ErrCheck, err, "%s: %v: %v", c.Path, ErrCheck, err)
	}
	return err
}

// Reader returns what the database is read from, and its size in bytes: for those who
// read pages without SQLite. The errors of such reads are not in Cause.
func (c *Conn) Reader() (io.ReaderAt, int64) { return c.file.r, c.file.size }

// Cause returns the first error of the reader, nil if it had none.
func (c *Conn) Cause() error { return c.file.cause() }

// A readerFile is a reader as SQLite sees it. A read that fails is an I/O error: were
// it the end of the file, SQLite would go on with zeros.
type readerFile struct {
	virtual.ReadOnly
	r      io.ReaderAt
	size   int64
	failed atomic.Pointer[error]
}

func (f *readerFile) cause() error {
	if err := f.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// ReadAt implements sqlite3vfs.File. Behind the end of the database SQLite reads only
// where that is empty, or corrupt.
func (f *readerFile) ReadAt(p []byte, off int64) (int, error) {
	if off >= f.size || int64(len(p)) > f.size-off {
		return 0, sqlite3vfs.IOErrorShortRead
	}
	n, err := f.r.ReadAt(p, off)
	if n == len(p) {
		return n, nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = fmt.Errorf("read %d bytes at %d: %w", len(p), off, io.ErrUnexpectedEOF)
	}
	f.failed.CompareAndSwap(nil, &err)
	return 0, sqlite3vfs.IOErrorRead
}

// FileSize implements sqlite3vfs.File.
func (f *readerFile) FileSize() (int64, error) { return f.size, nil }
