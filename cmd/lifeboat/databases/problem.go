package databases

import (
	"errors"
	"fmt"
	"strings"

	"github.com/agnivade/levenshtein"
)

// A lineError is about a line of the file.
type lineError struct {
	line  int
	cause error
}

func (e *lineError) Error() string { return fmt.Sprintf("line %d: %v", e.line, e.cause) }
func (e *lineError) Unwrap() error { return e.cause }

// Problem returns an error about a line of the file.
func Problem(line int, format string, args ...any) error {
	return &lineError{line, fmt.Errorf(format, args...)}
}

func lineOf(err error) int { return err.(*lineError).line }

// InFile returns an error that names a file, and the line of each problem in it.
func InFile(path string, err error) error {
	var all []error
	if several, ok := err.(interface{ Unwrap() []error }); ok {
		all = several.Unwrap()
	} else {
		all = []error{err}
	}
	for i, err := range all {
		var at *lineError
		if errors.As(err, &at) {
			all[i] = fmt.Errorf("%s:%d: %w", path, at.line, at.cause)
		} else {
			all[i] = fmt.Errorf("%s: %w", path, err)
		}
	}
	return errors.Join(all...)
}

// didYouMean returns advice for an unknown name.
func didYouMean(name string, known []string) string {
	best, distance := "", len(name)/3+2 // further off it is no slip of the finger
	for _, k := range known {
		if d := levenshtein.ComputeDistance(strings.ToLower(strings.ReplaceAll(name, "_", "-")), k); d < distance {
			best, distance = k, d
		}
	}
	if best != "" {
		return fmt.Sprintf("did you mean %q?", best)
	}
	if len(known) > 8 {
		return "the keys are path, " + discoverKey + ", url, " + followKey + ", max-age, and the flags that lifeboat backup --help shows"
	}
	return "there are " + strings.Join(known, ", ")
}
