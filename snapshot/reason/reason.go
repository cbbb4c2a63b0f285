// Package reason has the type of errors with a reason, and the reasons that more
// than one of Lifeboat's packages uses.
//
// It belongs to the ground floor of Lifeboat's own packages and promises nothing
// to applications: they find the reasons in packages snapshot, upload and
// restore, such as snapshot.ErrNoRoom.
package reason

import (
	"errors"
	"fmt"
)

// The reasons that packages share. Package snapshot documents them.
var (
	ErrSource      = errors.New("the source database is not usable")
	ErrCutShort    = errors.New("the main file was cut short")
	ErrUncheckable = errors.New("the database cannot be checked without its application")
	ErrLocked      = errors.New("the database stayed locked")
	ErrNoRoom      = errors.New("no room")
	ErrTempDir     = errors.New("the temp directory is not usable")
)

// An Error wraps a reason and a cause. Its text is its own, and includes theirs
// where that helps.
type Error struct {
	Text   string
	Reason error // nil if there is none
	Cause  error // nil if the reason is all there is
}

// Errorf returns an *Error with the formatted text. why is its reason; both why
// and cause may be nil.
func Errorf(why, cause error, format string, args ...any) error {
	return &Error{Text: fmt.Sprintf(format, args...), Reason: why, Cause: cause}
}

// Error returns the text.
func (e *Error) Error() string { return e.Text }

// Unwrap returns the reason and the cause, as far as there are any.
func (e *Error) Unwrap() []error {
	var wrapped []error
	for _, err := range []error{e.Reason, e.Cause} {
		if err != nil {
			wrapped = append(wrapped, err)
		}
	}
	return wrapped
}
