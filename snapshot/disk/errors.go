// Package disk does what Lifeboat's packages have in common when they work with
// files: errors of a full disk, free space, durable names, private directories.
//
// It belongs to the ground floor of Lifeboat's own packages and promises nothing
// to applications.
package disk

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/reason"
)

// Wrap returns err as an error of what was tried, which wraps reason.ErrNoRoom
// too if a full disk is the cause. It returns nil for nil.
func Wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	if IsFull(err) {
		return reason.Errorf(reason.ErrNoRoom, err, "%s: %v", what, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// IsFull reports whether a file could not grow: the disk is full, a quota is
// used up, or the file would exceed the size that this process may write.
func IsFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}
