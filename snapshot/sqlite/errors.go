package sqlite

import (
	"errors"
	"fmt"
	"slices"
	"syscall"

	"github.com/mattn/go-sqlite3"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/disk"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/reason"
)

// Wrap returns err as an error of what was tried, which wraps reason.ErrNoRoom
// too if a full disk is the cause. It returns nil for nil.
func Wrap(what string, err error) error {
	switch {
	case err == nil:
		return nil
	case IsFull(err):
		return reason.Errorf(reason.ErrNoRoom, err, "%s: %v", what, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// WrapSource is Wrap for statements of Lifeboat's own on a database of a user's:
// the error also wraps reason.ErrLocked if locks are the cause, and
// reason.ErrSource if the database, or the right to read it, is.
func WrapSource(what string, err error) error {
	switch code := Code(err); {
	case err == nil, IsFull(err): // to SQLite an I/O error, such as while it makes a -shm file
		return Wrap(what, err)
	case IsLocked(err):
		return reason.Errorf(reason.ErrLocked, err, "%s: %v", what, err)
	case code == sqlite3.ErrNotADB:
		return reason.Errorf(reason.ErrSource, err, "%s: not a SQLite database, or an encrypted one", what)
	case code == sqlite3.ErrCorrupt:
		return reason.Errorf(reason.ErrSource, err, "%s: the database is corrupt: %v", what, err)
	case code == sqlite3.ErrReadonly:
		return reason.Errorf(reason.ErrSource, err, "%s: %v (a WAL database needs to be readable and its directory writable, for its -shm file)", what, err)
	case slices.Contains(sourceCodes, code), slices.Contains(unreadableCodes, ExtendedCode(err)):
		return reason.Errorf(reason.ErrSource, err, "%s: %v", what, err)
	}
	return Wrap(what, err)
}

// sourceCodes are SQLite's codes for a database that is not usable. Since the
// statements are Lifeboat's own and right, SQLITE_ERROR means that the database
// is wrong: an unknown schema format, say, or a broken FTS5 index. They have
// nothing long in them either, which SQLITE_TOOBIG would be about.
var sourceCodes = []sqlite3.ErrNo{sqlite3.ErrError, sqlite3.ErrCantOpen, sqlite3.ErrPerm, sqlite3.ErrAuth, sqlite3.ErrTooBig}

// unreadableCodes are those for a database that cannot be read off its disk.
// SQLITE_IOERR_CORRUPTFS, which the driver has no name for, is EIO and its like
// while reading. SQLITE_IOERR alone comes of some corrupt schemas.
var unreadableCodes = []sqlite3.ErrNoExtended{sqlite3.ErrIoErrRead, sqlite3.ErrIoErrShortRead, sqlite3.ErrIoErr.Extend(33), sqlite3.ErrNoExtended(sqlite3.ErrIoErr)}

// Code returns SQLite's primary result code, 0 if err has none.
func Code(err error) sqlite3.ErrNo {
	var e sqlite3.Error
	errors.As(err, &e)
	return e.Code & 0xff // a backup's step gives the extended code as the code
}

// ExtendedCode returns SQLite's extended result code, 0 if err has none.
func ExtendedCode(err error) sqlite3.ErrNoExtended {
	var e sqlite3.Error
	errors.As(err, &e)
	if e.ExtendedCode == 0 { // as of a backup's step
		return sqlite3.ErrNoExtended(e.Code)
	}
	return e.ExtendedCode
}

// Message returns SQLite's own text, "" if err has none.
func Message(err error) string {
	var e sqlite3.Error
	if !errors.As(err, &e) {
		return ""
	}
	return e.Error()
}

// HasErrno reports whether one of the system's errors caused err, directly or
// within SQLite.
func HasErrno(err error, numbers ...syscall.Errno) bool {
	var e sqlite3.Error
	errors.As(err, &e)
	return slices.ContainsFunc(numbers, func(n syscall.Errno) bool { return e.SystemErrno == n || errors.Is(err, n) })
}

// IsFull reports whether a full disk caused err, as disk.IsFull does, directly
// or within SQLite.
func IsFull(err error) bool {
	var e sqlite3.Error
	errors.As(err, &e)
	return Code(err) == sqlite3.ErrFull || disk.IsFull(err) || disk.IsFull(e.SystemErrno) || errors.Is(err, reason.ErrNoRoom)
}
