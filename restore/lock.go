package restore

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/reason"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite"
)

// A lock keeps two restores of one target apart. Its file is removed when the
// run ends; one that a killed run left is taken over.
type lock struct {
	file  *os.File
	steps steps
}

func takeLock(d steps, path string) (*lock, error) {
	for {
		var f *os.File
		err := d.do(stepLock, func() (err error) {
			f, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
			return err
		})
		if err != nil {
			return nil, reason.Errorf(placeError(err), err, "create a lock file beside the target: %v", err)
		}
		if err := hold(f); err != nil {
			return nil, err
		}
		// The run that had it before may have removed the file meanwhile.
		opened, err := f.Stat()
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
		if named, err := os.Lstat(path); err == nil && os.SameFile(opened, named) {
			return &lock{f, d}, nil
		}
		if err := f.Close(); err != nil {
			return nil, err
		}
	}
}

// hold locks an open lock file, or closes it and fails.
func hold(f *os.File) error {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EWOULDBLOCK):
		err = fmt.Errorf("%w (%s is locked)", ErrRestoring, f.Name())
	default:
		err = fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	return errors.Join(err, f.Close())
}

// unlocked calls f while no other restore has the lock, and makes no lock file:
// without one, no other restore is at work.
func unlocked(path string, f func() error) (err error) {
	file, err := os.OpenFile(path, os.O_RDWR|unix.O_NOFOLLOW, 0)
	if errors.Is(err, os.ErrNotExist) {
		return f()
	}
	if err != nil {
		return reason.Errorf(placeError(err), err, "open the lock file beside the target: %v", err)
	}
	if err := hold(file); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	return f()
}

// release removes the lock file while it is still locked.
func (l *lock) release() error {
	return errors.Join(l.steps.remove(stepUnlock, l.file.Name()), l.file.Close())
}

// placeError is the reason why nothing can be created beside the target.
func placeError(err error) error {
	switch {
	case sqlite.IsFull(err):
		return ErrNoRoom
	case isShortOfFiles(err):
		return nil // not for the target's sake
	}
	return ErrTarget
}
