package snapshot

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/mattn/go-sqlite3"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/check"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/disk"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/reason"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite"
)

// A Method is a way to copy a database.
type Method string

// The methods. Source: https://www.sqlite.org/backup.html and
// https://www.sqlite.org/lang_vacuum.html#vacuuminto
const (
	// MethodBackup copies page for page with SQLite's online backup API.
	MethodBackup Method = "backup"
	// MethodVacuum lets VACUUM INTO write a compact copy: no free pages, less
	// to ship, but more work, and other page digests at every run.
	MethodVacuum Method = "vacuum"
)

// NoWait as a time to wait for locks means: fail at the first one.
const NoWait = sqlite.NoWait

// CopyOptions has how Take copies. The zero value is usable.
type CopyOptions struct {
	// TempDir holds the copy while it is needed; "" is os.TempDir.
	TempDir string
	// Method is MethodBackup if empty.
	Method Method
	// MaxRate limits the copy, in bytes a second; 0 is no limit. MethodVacuum
	// knows no limit and refuses one.
	MaxRate int64
	// Wait is how long to wait for other connections' locks, from the opening
	// of the database on, before ErrLocked; 0 is 30 seconds, NoWait no time.
	Wait time.Duration
	// Progress is called now and then with bytes copied and to be copied.
	Progress func(done, total int64)
	// Log receives what is worth knowing; nil discards it.
	Log *slog.Logger
}

// A Header is the part of a database's first page that Lifeboat needs.
type Header = sqlite.Header

// A Copy is a consistent copy of a database at one point in time, in a temp
// file that only this process uses. Close removes it.
type Copy struct {
	Taken

	source  string // for messages
	path    string
	place   place
	early   []hashed // frames that were hashed while the copy was made
	files            // of the complete copy
	adopted *Adoption
}

const (
	stepSize    = 4 << 20 // bytes copied in one step, between two looks at ctx
	maxRestarts = 5       // then a rollback-journal database is read in one transaction
)

// Take copies the live database at path into a temp file, while applications
// read and write it. A WAL database is copied under one read transaction: no
// writer waits, but a checkpoint that waits for it makes them wait, and the WAL
// grows; both are logged as warnings. A database with a rollback journal is
// copied in steps between which writers may write; after a few restarts it is
// copied under one read transaction, during which writers get SQLITE_BUSY.
//
// The database's content and settings are not changed. Errors wrap ErrSource,
// ErrLocked, ErrNoRoom or ErrTempDir where one of them is the reason. A process
// that has connections to the database of its own may call it: it opens the file
// through SQLite only, since anything else would cost the process its locks.
func Take(ctx context.Context, path string, o CopyOptions) (*Copy, error) {
	return takeIn(ctx, path, o, newPlace)
}

// A place is the directory of a copy. remove removes it with all that is in it.
type place struct {
	dir    string
	remove func() error
}

func newPlace(parent string, need int64) (place, error) {
	s, err := disk.NewScratch(parent, need)
	if err != nil {
		return place{}, err
	}
	return place{s.Path(), s.Close}, nil
}

func (o CopyOptions) withDefaults() CopyOptions {
	o.Wait = sqlite.WaitTime(o.Wait)
	o.Log = cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	if o.Progress == nil {
		o.Progress = func(int64, int64) {}
	}
	if o.Method == "" {
		o.Method = MethodBackup
	}
	return o
}

// takeIn makes the copy in the place that find returns for it.
func takeIn(ctx context.Context, path string, o CopyOptions, find func(parent string, need int64) (place, error)) (_ *Copy, err error) {
	o = o.withDefaults()
	src, err := openSource(ctx, path, o.Wait)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, src.Close()) }()

	size, err := src.Int(ctx, "PRAGMA page_count")
	if err != nil {
		return nil, err
	}
	pageSize, err := src.Int(ctx, "PRAGMA page_size")
	if err != nil {
		return nil, err
	}
	size *= pageSize
	if err := src.BoundCache(ctx, sqlite.CopyCache); err != nil {
		return nil, err
	}

	place, err := find(o.TempDir, size+size/pageSize*PageDigestSize)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, place.remove())
		}
	}()
	c := &Copy{Taken: Taken{Method: o.Method}, source: path, path: filepath.Join(place.dir, copyName), place: place}
	switch o.Method {
	case MethodBackup:
		err = c.backup(ctx, src, int(pageSize), o)
	case MethodVacuum:
		err = c.vacuum(ctx, src, size, o)
	default:
		err = fmt.Errorf("copy %s: unknown method %q", path, o.Method)
	}
	if err != nil {
		return nil, c.writeError(err)
	}
	if c.Tables, err = c.tables(ctx); err != nil {
		return nil, err
	}
	if err := c.open(); err != nil {
		return nil, err
	}
	if err := c.readHeader(); err != nil {
		return nil, errors.Join(err, c.files.close())
	}
	return c, nil
}

// writeError gives an error of writing the reason ErrTempDir: only the copy is
// written. It returns other errors unchanged.
func (c *Copy) writeError(err error) error {
	switch sqlite.ExtendedCode(err) {
	case sqlite3.ErrIoErrWrite, sqlite3.ErrIoErrFsync, sqlite3.ErrIoErrTruncate:
		return reason.Errorf(ErrTempDir, err, "%v (while writing to the temp directory %s)", err, filepath.Dir(c.place.dir))
	}
	return err
}

// A CheckLevel is how thoroughly SQLite checks a database.
type CheckLevel = check.Level

// The levels. Source: https://www.sqlite.org/pragma.html#pragma_integrity_check
const (
	CheckNone  = check.None
	CheckQuick = check.Quick // PRAGMA quick_check
	CheckFull  = check.Full  // PRAGMA integrity_check
)

// Check lets SQLite check the copy. A copy that is not sound is an error that
// wraps ErrSource and has SQLite's first findings. Where SQLite lacks something to
// check a table with, and finds nothing wrong with the others, the error wraps
// ErrUncheckable.
func (c *Copy) Check(ctx context.Context, level CheckLevel) error {
	if c.adopted != nil {
		return c.adopted.Check(ctx, copyName, level)
	}
	return check.File(ctx, c.path, c.source, level)
}

// Close removes the copy.
func (c *Copy) Close() error {
	err := c.files.close()
	if c.adopted != nil {
		return errors.Join(err, c.adopted.Close())
	}
	return errors.Join(err, c.place.remove())
}

// readHeader sets Header and JournalMode by the first page of the finished copy.
func (c *Copy) readHeader() error {
	info, err := c.db.Stat()
	if err != nil {
		return err
	}
	var page [sqlite.HeaderSize]byte
	if _, err := c.db.ReadAt(page[:], 0); err != nil {
		return fmt.Errorf("read the copy of %s: %w", c.source, err)
	}
	c.Header, err = sqlite.ParseHeader(page[:])
	if err != nil {
		return fmt.Errorf("read the copy of %s: %w", c.source, err)
	}
	if c.Header.Size() != info.Size() {
		return fmt.Errorf("copy of %s has %d bytes, by its header %d", c.source, info.Size(), c.Header.Size())
	}
	if c.JournalMode == "" {
		c.JournalMode = c.Header.JournalMode()
	}
	return nil
}
