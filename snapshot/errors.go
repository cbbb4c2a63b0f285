package snapshot

import (
	"errors"
	"fmt"

	"github.com/mattn/go-sqlite3"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/disk"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/reason"
)

// The reasons that a caller may want to tell apart. Every error of this
// package that has one of them wraps it; the text says what was tried on what.
var (
	// ErrSource: the database is missing, unreadable, not a SQLite database
	// (or an encrypted one), corrupt, or failed its check.
	ErrSource = reason.ErrSource
	// ErrCutShort: the main file was cut short beside a -wal or -journal that
	// SQLite would delete or replay. Of a backup it is ErrSource, too.
	ErrCutShort = reason.ErrCutShort
	// ErrUncheckable: the schema uses a function, collation or tokenizer that only
	// the application registers, so that SQLite cannot check the database here.
	ErrUncheckable = errors.New("the database cannot be checked without its application")
	// ErrCannotVacuum: the same keeps VACUUM from copying the database.
	ErrCannotVacuum = errors.New("the database cannot be compacted without its application")
	// ErrLocked: other connections kept the database locked for as long as
	// the caller was willing to wait.
	ErrLocked = reason.ErrLocked
	// ErrNoRoom: a disk is full, or would have become so.
	ErrNoRoom = reason.ErrNoRoom
	// ErrTempDir: the copy cannot be kept in the temp directory.
	ErrTempDir = reason.ErrTempDir
	// ErrDamaged: an archive is not what its writer wrote.
	ErrDamaged = errors.New("snapshot damaged")
	// ErrNewerFormat: an archive was written by a later version of Lifeboat.
	ErrNewerFormat = errors.New("snapshot has a newer format")
)

// sqliteError says what SQLite was asked to do on which file and gives the
// error its reason.
func sqliteError(what, path string, err error) error {
	if err == nil {
		return nil
	}
	var e sqlite3.Error
	errors.As(err, &e)
	text := fmt.Sprintf("%s %s: %v", what, path, err)
	if disk.IsFull(e.SystemErrno) { // to SQLite an I/O error, such as while it makes a -shm file
		return reason.Errorf(ErrNoRoom, err, "%s", text)
	}
	switch extended(e) {
	case sqlite3.ErrIoErrRead, sqlite3.ErrIoErrShortRead, errIoErrCorruptFS:
		return reason.Errorf(ErrSource, err, "%s", text)
	}
	switch errorCode(err) {
	case sqlite3.ErrError:
		// The statements are ours and right. What is wrong is in the database: a
		// schema format that SQLite does not know, say, or a broken FTS5 index.
		return reason.Errorf(ErrSource, err, "%s", text)
	case sqlite3.ErrBusy, sqlite3.ErrLocked, sqlite3.ErrProtocol:
		return reason.Errorf(ErrLocked, err, "%s", text)
	case sqlite3.ErrNotADB:
		return reason.Errorf(ErrSource, err, "%s %s: not a SQLite database, or an encrypted one", what, path)
	case sqlite3.ErrCorrupt:
		return reason.Errorf(ErrSource, err, "%s %s: the database is corrupt: %v", what, path, err)
	case sqlite3.ErrCantOpen, sqlite3.ErrPerm, sqlite3.ErrAuth:
		return reason.Errorf(ErrSource, err, "%s", text)
	case sqlite3.ErrReadonly:
		return reason.Errorf(ErrSource, err, "%s (a WAL database needs to be readable and its directory writable, for its -shm file)", text)
	case sqlite3.ErrFull:
		return reason.Errorf(ErrNoRoom, err, "%s", text)
	case sqlite3.ErrTooBig: // our own statements have nothing long in them
		return reason.Errorf(ErrSource, err, "%s", text)
	}
	return disk.Wrap(what+" "+path, err)
}

// errIoErrCorruptFS is SQLite's code for EIO and its like while reading
// (SQLITE_IOERR_CORRUPTFS), which the driver has no name for.
var errIoErrCorruptFS = sqlite3.ErrIoErr.Extend(33)

// extended returns the extended code, which a backup's step gives as the code.
func extended(e sqlite3.Error) sqlite3.ErrNoExtended {
	if e.ExtendedCode == 0 {
		return sqlite3.ErrNoExtended(e.Code)
	}
	return e.ExtendedCode
}

// errorCode returns SQLite's primary result code, 0 if err has none.
func errorCode(err error) sqlite3.ErrNo {
	var e sqlite3.Error
	errors.As(err, &e)
	return e.Code & 0xff // a backup's step gives the extended code as the code
}

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrDamaged}, args...)...)
}
