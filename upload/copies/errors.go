package copies

import "errors"

var (
	// ErrPartly: some snapshots could not be copied, or something beside them not be
	// done. All others are at the target.
	ErrPartly = errors.New("not everything was copied")
	// ErrSame: the source and the target are one place.
	ErrSame = errors.New("the source and the target are the same place")
)

// A sourceError is of reading one object of the source.
type sourceError struct{ error }

func (e sourceError) Unwrap() error { return e.error }
