package reason

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"
)

func TestError(t *testing.T) {
	cause := fmt.Errorf("open: %w", fs.ErrPermission)
	err := fmt.Errorf("backup: %w", Errorf(ErrTempDir, cause, "make %s: %v", "a directory", cause))
	if got, want := err.Error(), "backup: make a directory: open: permission denied"; got != want {
		t.Errorf("text %q, want %q", got, want)
	}
	for _, wrapped := range []error{ErrTempDir, cause, fs.ErrPermission} {
		if !errors.Is(err, wrapped) {
			t.Errorf("%v does not wrap %v", err, wrapped)
		}
	}
	if errors.Is(err, ErrNoRoom) {
		t.Errorf("%v wraps %v", err, ErrNoRoom)
	}
}

func TestErrorWithoutReasonOrCause(t *testing.T) {
	for _, err := range []error{
		Errorf(nil, fs.ErrNotExist, "no file"), Errorf(fs.ErrNotExist, nil, "no file"),
	} {
		if wrapped := err.(*Error).Unwrap(); len(wrapped) != 1 || wrapped[0] != fs.ErrNotExist {
			t.Errorf("%v wraps %v", err, wrapped)
		}
	}
}
