package upload

import (
	"errors"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

// The reasons for which Backup refuses or half fails, beside those of a bucket
// and of package snapshot.
var (
	// ErrOtherDatabase: the newest snapshot of the series is of a database
	// with another name, or with nothing in common with this one. Beside
	// ErrIncomplete: one came into the series during the backup.
	ErrOtherDatabase = errors.New("the series belongs to another database")
	// ErrNested: the prefix of a new series is inside another series, or has one inside.
	ErrNested = errors.New("no series can be inside another one")
	// ErrClock: this machine's clock and the store's differ by more than five
	// minutes.
	ErrClock = errors.New("this machine's clock is wrong")
	// ErrIncomplete: the snapshot is safe in the bucket, but something beside
	// it could not be done.
	ErrIncomplete = errors.New("the snapshot is safe, but not everything was done")
	// ErrNotEncrypted: the store did not confirm the server-side encryption that it
	// was asked for. The snapshot is there.
	ErrNotEncrypted = errors.New("the store did not confirm the encryption that it was asked for")
	// ErrPlaintext: the newest snapshot of the series is encrypted, and this
	// backup would not be.
	ErrPlaintext = errors.New("the series is encrypted, and this snapshot would not be")
)

// A lostError is bucket.ErrUnreachable where its cause is bucket.ErrNotFound, and in
// all else its cause. It has no Unwrap, by which errors.Is would find ErrNotFound.
type lostError struct{ cause error }

func (e lostError) Error() string { return e.cause.Error() }

// Is is for errors.Is.
func (e lostError) Is(target error) bool {
	return target == bucket.ErrUnreachable || target != bucket.ErrNotFound && errors.Is(e.cause, target)
}

// As is for errors.As.
func (e lostError) As(target any) bool { return errors.As(e.cause, target) }
