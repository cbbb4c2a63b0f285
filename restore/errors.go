package restore

import (
	"errors"
	"syscall"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite"
)

// The reasons that a caller may want to tell apart. Every error of this
// package that has one of them wraps it; the text says what was tried on what.
// A damaged snapshot is
// snapshot.ErrDamaged or snapshot.ErrNewerFormat; what goes wrong with the
// bucket has the errors of package upload.
var (
	// ErrNoSnapshot: nothing in the series is what was asked for.
	ErrNoSnapshot = errors.New("no such snapshot")
	// ErrAmbiguous: a prefix of more than one snapshot ID.
	ErrAmbiguous = errors.New("ambiguous snapshot ID")
	// ErrTargetExists: the target is there and was not to be replaced.
	ErrTargetExists = errors.New("the target exists")
	// ErrTargetOpen: another process, or this one, has the target open.
	ErrTargetOpen = errors.New("the target is open")
	// ErrUncertain: here the kernel does not tell whether the target is open,
	// and nobody said with AssumeClosed that it is not.
	ErrUncertain = errors.New("cannot tell whether the target is open")
	// ErrLocked: the live target stayed locked for as long as Wait allowed.
	ErrLocked = snapshot.ErrLocked
	// ErrRestoring: another restore is at work on the same target.
	ErrRestoring = errors.New("another restore is at work on this target")
	// ErrNoRoom: the target's disk is full, or would have become so.
	ErrNoRoom = snapshot.ErrNoRoom
	// ErrCannotSwap: the target cannot be replaced by a rename: a mount point,
	// a file with other hard links, one whose owner cannot be kept. Live may
	// still be possible.
	ErrCannotSwap = errors.New("the target cannot be swapped")
	// ErrCannotLive: the target cannot take this snapshot while it is open.
	ErrCannotLive = errors.New("the target cannot be written live")
	// ErrLeft: all that was asked for is done, and only something that was
	// needed on the way, such as a lock file, could not be removed. The result is
	// valid.
	ErrLeft = errors.New("it is done, but something could not be cleared away")
	// ErrTarget: the target's place is not usable: its directory is missing or
	// not writable, or it is not a regular file.
	ErrTarget = errors.New("the target is not usable")
)

// What a drill can find, beside a damaged snapshot.
var (
	// ErrCheck: the frames are right, but SQLite finds the database in them
	// corrupt, or no database at all.
	ErrCheck = errors.New("the restored database failed its check")
	// ErrQuery: a query did not give one true number.
	ErrQuery = errors.New("a query is not true")
	// ErrNotRecorded: Record could not set its tag.
	ErrNotRecorded = errors.New("the drill succeeded, but that could not be recorded")
)

// isShortOfFiles reports whether this process, or the machine, may open no more files.
func isShortOfFiles(err error) bool { return sqlite.HasErrno(err, syscall.EMFILE, syscall.ENFILE) }
