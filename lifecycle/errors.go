package lifecycle

import (
	"errors"
	"fmt"
	"strings"
)

// The reasons that a caller may want to tell apart. Every error of this
// package that has one of them wraps it; the text says what was tried on what.
// What goes wrong with the bucket has the errors of package upload.
var (
	// ErrNoRules: Freeze and Thaw found nothing to switch.
	ErrNoRules = errors.New("the bucket has no rules for this series")
	// ErrTooManyRules: no rules are written beyond what a bucket takes.
	ErrTooManyRules = fmt.Errorf("a bucket takes at most %d rules", maxRules)
	// ErrChangedMeanwhile: another command changed the rules of the series
	// between Propose and Apply, or they are not what was written.
	ErrChangedMeanwhile = errors.New("the bucket's lifecycle rules changed meanwhile")
	// ErrFuture: Prune found a snapshot that lies in the future, so one of the
	// clocks is wrong, and ages prove nothing.
	ErrFuture = errors.New("a snapshot lies in the future, so nothing is deleted")
	// ErrNotPinned: there is nothing for Unpin to give back.
	ErrNotPinned = errors.New("it is not pinned")
)

// A LostError refuses to write rules, because the bucket's lifecycle
// configuration holds what would be lost on the way. Nothing was written.
type LostError struct {
	// Lost are the elements that cannot be carried over.
	Lost []string
	// Rules are those of the series as they were to be written, enabled or
	// disabled, for an operator to put in: see Render.
	Rules []Rule
}

// Error implements error.
func (e *LostError) Error() string {
	return "the bucket's lifecycle configuration holds what would be lost by writing it back, so nothing was written: " + strings.Join(e.Lost, ", ")
}
