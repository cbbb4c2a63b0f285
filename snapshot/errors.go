package snapshot

import (
	"errors"
	"fmt"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/reason"
)

// The reasons of errors. An error of this package wraps each reason that it has;
// its text names what was tried on what.
var (
	// ErrSource: the database is missing, unreadable, not a SQLite database
	// (or an encrypted one), corrupt, or failed its check.
	ErrSource = reason.ErrSource
	// ErrCutShort: the main file was cut short beside a -wal or -journal that
	// SQLite would delete or replay. Of a backup it is ErrSource, too.
	ErrCutShort = reason.ErrCutShort
	// ErrUncheckable: the schema uses a function, collation or tokenizer that only
	// the application registers, so that SQLite cannot check the database here.
	ErrUncheckable = reason.ErrUncheckable
	// ErrCannotVacuum: the same keeps VACUUM from copying the database.
	ErrCannotVacuum = errors.New("the database cannot be compacted without its application")
	// ErrLocked: other connections kept the database locked for as long as
	// the caller was willing to wait.
	ErrLocked = reason.ErrLocked
	// ErrNoRoom: a disk is full, or would have become full.
	ErrNoRoom = reason.ErrNoRoom
	// ErrTempDir: the copy cannot be kept in the temp directory.
	ErrTempDir = reason.ErrTempDir
	// ErrDamaged: an archive differs from what its writer wrote.
	ErrDamaged = errors.New("snapshot damaged")
	// ErrNewerFormat: an archive was written by a later version of Lifeboat.
	ErrNewerFormat = errors.New("snapshot has a newer format")
)

// An ArchiveError is an error about one of the archives of a chain.
type ArchiveError struct {
	ID  ID // of the snapshot
	Err error
}

func (e *ArchiveError) Error() string { return fmt.Sprintf("snapshot %s: %v", e.ID, e.Err) }
func (e *ArchiveError) Unwrap() error { return e.Err }

// ofArchive returns err as an ArchiveError, unless it is one already.
func ofArchive(a *Archive, err error) error {
	var known *ArchiveError
	if err == nil || errors.As(err, &known) {
		return err
	}
	return &ArchiveError{a.manifest.ID, err}
}

// A BaseError is why a database cannot be a differential on a base, so that a
// copy of it is needed.
type BaseError struct{ Reason string }

func (e *BaseError) Error() string { return "no differential on this base: " + e.Reason }

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrDamaged}, args...)...)
}
