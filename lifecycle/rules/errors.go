package rules

import (
	"errors"
	"fmt"
	"strings"
)

// The reasons of errors. Every error of this package that has one of them wraps
// it, and names what was tried on what. Errors of the bucket are those of package
// bucket.
var (
	// ErrNoRules: Freeze and Thaw found no rule of the series or tree.
	ErrNoRules = errors.New("the bucket has no rules for this series or tree")
	// ErrTooManyRules: the bucket would have more rules than it can, so nothing
	// was written.
	ErrTooManyRules = fmt.Errorf("a bucket takes at most %d rules", maxRules)
	// ErrChangedMeanwhile: another command changed the rules of the series
	// between Propose and Apply, or they are not what was written.
	ErrChangedMeanwhile = errors.New("the bucket's lifecycle rules changed meanwhile")
)

// A LostError is why no rules were written: the bucket's lifecycle configuration
// has elements that the write would lose.
type LostError struct {
	// Lost are these elements.
	Lost []string
	// Rules are those of the series as they were to be written, enabled or
	// disabled, for an operator to put in by hand: see Render.
	Rules []Rule
}

// Error implements error.
func (e *LostError) Error() string {
	return "writing the bucket's lifecycle configuration back would lose elements of it, so nothing was written: " + strings.Join(e.Lost, ", ")
}
