package lifecycle

import "errors"

// The reasons of errors. Every error of this package that has one of them wraps
// it, and names what was tried on what. Errors of the bucket are those of package
// bucket.
var (
	// ErrFuture: Prune found a snapshot from the future, so one of the clocks is
	// wrong, and ages prove nothing.
	ErrFuture = errors.New("a snapshot lies in the future, so nothing is deleted")
	// ErrNotPinned: Unpin was asked for a snapshot that is not pinned.
	ErrNotPinned = errors.New("it is not pinned")
	// ErrNeeded: Unpin was asked for a snapshot on which another pinned one stands.
	ErrNeeded = errors.New("a pinned snapshot stands on it")
	// ErrNewest: Delete was asked for the newest snapshot that counts.
	ErrNewest = errors.New("it is the newest snapshot")
	// ErrPinned: Delete was asked for a pinned snapshot.
	ErrPinned = errors.New("it is pinned")
	// ErrBase: Delete was asked for a snapshot on which another one stands.
	ErrBase = errors.New("another snapshot stands on it")
	// ErrTooSoon: Delete was asked for a snapshot that may still be needed because
	// the newer one is too young.
	ErrTooSoon = errors.New("it has not been superseded for long enough")
	// ErrInUse: Retire found a newest snapshot that was taken or confirmed lately.
	ErrInUse = errors.New("its database was backed up lately, so it may not be gone")
	// ErrShrunk: the shrink guard keeps a snapshot from Delete.
	ErrShrunk = errors.New("the newest snapshot is suspiciously small beside it")
)
