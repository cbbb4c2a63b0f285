package restore

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/lifeboat-sqlite/lifeboat/restore/fetch"
	"github.com/lifeboat-sqlite/lifeboat/restore/untrusted"
	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// The reasons of errors. Every error of this package that has one of them wraps it,
// and names what was tried on what. A damaged snapshot is snapshot.ErrDamaged or
// snapshot.ErrNewerFormat. Errors of the bucket are those of package bucket.
var (
	// ErrNoSnapshot: the series has no snapshot that matches the Selector.
	ErrNoSnapshot = errors.New("no such snapshot")
	// ErrGone: an object of the snapshot's chain is not, or no longer, in the bucket.
	ErrGone = fetch.ErrGone
	// ErrAmbiguous: Selector.Which begins more than one ID.
	ErrAmbiguous = errors.New("ambiguous snapshot ID")
	// ErrTargetExists: the target is there and was not to be replaced.
	ErrTargetExists = errors.New("the target exists")
	// ErrTargetOpen: another process, or this one, has the target open.
	ErrTargetOpen = errors.New("the target is open")
	// ErrUncertain: the kernel cannot tell whether the target is open, and
	// AssumeClosed is not set.
	ErrUncertain = errors.New("cannot tell whether the target is open")
	// ErrLocked: the live target stayed locked for as long as Wait allowed.
	ErrLocked = snapshot.ErrLocked
	// ErrRestoring: another restore is at work on the same target.
	ErrRestoring = errors.New("another restore is at work on this target")
	// ErrNoRoom: the target's disk is full, or too small for the restore.
	ErrNoRoom = snapshot.ErrNoRoom
	// ErrCannotSwap: the target cannot be replaced by a rename: a mount point,
	// a file with other hard links, one whose owner cannot be kept. Live may
	// still be possible.
	ErrCannotSwap = errors.New("the target cannot be swapped")
	// ErrCannotLive: the target cannot take this snapshot while it is open.
	ErrCannotLive = errors.New("the target cannot be written live")
	// ErrLeft: the work is done and the result valid, but a file that was needed
	// on the way, such as a lock file, could not be removed.
	ErrLeft = errors.New("it is done, but something could not be cleared away")
	// ErrTarget: the target's place is not usable: its directory is missing or
	// not writable, or it is not a regular file.
	ErrTarget = errors.New("the target is not usable")
)

// The reasons of a failed drill, beside a damaged snapshot.
var (
	// ErrCheck: the frames are right, but SQLite finds their content corrupt, or
	// no database.
	ErrCheck = untrusted.ErrCheck
	// ErrQuery: a query did not give one true number.
	ErrQuery = errors.New("a query is not true")
)

// A NoneCountsError is an ErrNoSnapshot: there are snapshots that match the Selector, but
// all of them are implausible or broken.
type NoneCountsError struct {
	// URL is where they are.
	URL bucket.URL
	// Last is the last of those whose chain is whole, or of all where none is.
	Last series.Snapshot
	// Whole: all that Last stands on is there, so it can be restored by its ID.
	Whole bool
	// Others is how many there are beside Last.
	Others int
}

// Error implements error.
func (e *NoneCountsError) Error() string {
	which := fmt.Sprintf("%s has only %s", e.URL, e.Last.ID)
	if e.Others > 0 {
		which = fmt.Sprintf("%s has %d that do not count, such as %s", e.URL, e.Others+1, e.Last.ID)
	}
	return fmt.Sprintf("%v: %s, which is %s: %s", ErrNoSnapshot, which, fault(e.Last), e.Last.Why())
}

// Unwrap returns ErrNoSnapshot.
func (e *NoneCountsError) Unwrap() error { return ErrNoSnapshot }

// isShortOfFiles reports whether this process, or the machine, may open no more files.
func isShortOfFiles(err error) bool { return sqlite.HasErrno(err, syscall.EMFILE, syscall.ENFILE) }
