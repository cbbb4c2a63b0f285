package disk

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/reason"
)

// A Scratch is a private directory (0700) for the files of one run. If the
// process is killed, a later NewScratch on the same parent removes it: a lock in
// it lives as long as the process.
type Scratch struct {
	path string
	lock *os.File
}

const scratchPrefix = "lifeboat-backup-"

// unlockedAge is when a directory without a lock is no longer one that a run is
// about to lock.
const unlockedAge = time.Hour

// NewScratch makes a Scratch under parent ("" is os.TempDir), after it has
// removed what killed runs left there. Unless need bytes are free, the error
// wraps reason.ErrNoRoom; other errors wrap reason.ErrTempDir.
func NewScratch(parent string, need int64) (_ *Scratch, err error) {
	if parent == "" {
		parent = os.TempDir()
	}
	sweep(parent)
	if err := CheckTemp(parent, need); err != nil {
		return nil, err
	}
	path, err := os.MkdirTemp(parent, scratchPrefix+"*")
	if err != nil {
		return nil, WrapTemp("make a temp directory", err)
	}
	d := &Scratch{path: path}
	// The lock gets its name only once it is held, or a sweeper could take it.
	fresh := filepath.Join(path, "lock.new")
	d.lock, err = os.OpenFile(fresh, os.O_CREATE|os.O_RDWR|os.O_EXCL, 0o600)
	if err == nil {
		err = unix.Flock(int(d.lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	}
	if err == nil {
		err = os.Rename(fresh, filepath.Join(path, "lock"))
	}
	if err != nil {
		return nil, errors.Join(WrapTemp("lock the temp directory", err), d.Close())
	}
	return d, nil
}

// CheckTemp fails with the errors of NewScratch unless need bytes are free in
// the temp directory dir.
func CheckTemp(dir string, need int64) error {
	free, err := Free(dir)
	if err != nil {
		return WrapTemp("use the temp directory", err)
	}
	if need += 1 << 20; free < need {
		return reason.Errorf(reason.ErrNoRoom, nil, "the copy needs %d MiB in the temp directory %s, which has %d MiB free", need>>20, dir, free>>20)
	}
	return nil
}

// WrapTemp is Wrap for what was tried in the temp directory: an error wraps
// reason.ErrTempDir unless it wraps reason.ErrNoRoom.
func WrapTemp(what string, err error) error {
	if err = Wrap(what, err); err == nil || errors.Is(err, reason.ErrNoRoom) {
		return err
	}
	return reason.Errorf(reason.ErrTempDir, err, "%v", err)
}

// Path returns the directory.
func (s *Scratch) Path() string { return s.path }

// Close removes the directory with all that is in it.
func (s *Scratch) Close() error {
	err := removeLocked(s.path)
	if s.lock != nil {
		s.lock.Close()
	}
	if err != nil {
		return fmt.Errorf("remove the temp directory: %w", err)
	}
	return nil
}

// removeLocked removes a temp directory, its lock last: as long as anything is in
// it, a later run must be able to tell that it is over.
func removeLocked(path string) error {
	entries, err := os.ReadDir(path)
	for _, entry := range entries {
		if entry.Name() != "lock" {
			err = errors.Join(err, os.RemoveAll(filepath.Join(path, entry.Name())))
		}
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.RemoveAll(path)
}

// sweep removes what killed runs of this user left in parent. What cannot be
// removed is left alone: it is not this run's task.
func sweep(parent string) {
	entries, _ := os.ReadDir(parent)
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), scratchPrefix) {
			sweepOne(filepath.Join(parent, entry.Name()))
		}
	}
}

// sweepOne removes a directory that NewScratch made for a run of this user that
// is over. Any user can put something of that name into a shared directory, so
// nothing in it is opened unless the directory is this user's, and no open waits:
// one of a file under another process's lease takes 45 s.
func sweepOne(path string) {
	const flags = unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_CLOEXEC
	dir, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|flags, 0)
	if err != nil {
		return
	}
	defer unix.Close(dir)
	if !ours(dir, unix.S_IFDIR) {
		return
	}
	lock, err := unix.Openat(dir, "lock", unix.O_RDWR|flags, 0)
	if errors.Is(err, unix.ENOENT) && olderThan(dir, unlockedAge) {
		// Killed before the lock had its name, or after it had lost it: there is
		// nothing else in it then, and if there is, it stays.
		unix.Unlinkat(dir, "lock.new", 0)
		unix.Rmdir(path)
	}
	if err != nil {
		return
	}
	defer unix.Close(lock)
	if ours(lock, unix.S_IFREG) && unix.Flock(lock, unix.LOCK_EX|unix.LOCK_NB) == nil {
		removeLocked(path)
	}
}

func olderThan(fd int, age time.Duration) bool {
	var info unix.Stat_t
	return unix.Fstat(fd, &info) == nil && time.Since(time.Unix(info.Mtim.Unix())) > age
}

// ours tells whether an open file is this user's and of this kind.
func ours(fd int, kind uint32) bool {
	var info unix.Stat_t
	return unix.Fstat(fd, &info) == nil && int(info.Uid) == os.Geteuid() && uint32(info.Mode)&unix.S_IFMT == kind
}
