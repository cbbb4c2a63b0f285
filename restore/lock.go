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
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, errors.Join(fmt.Errorf("%w (%s is locked)", ErrRestoring, path), f.Close())
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
		}
		// The run that had it before may have removed the file meanwhile.
		held, err := f.Stat()
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
		if named, err := os.Lstat(path); err == nil && os.SameFile(held, named) {
			return &lock{f, d}, nil
		}
		if err := f.Close(); err != nil {
			return nil, err
		}
	}
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
