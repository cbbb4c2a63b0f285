package snapshot

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A tempDir is a directory (0700) of one run. A lock in it lives as long as
// the process, so that a later run can tell what a killed one left behind.
type tempDir struct {
	path     string
	lock     *os.File
	borrowed bool // from a process that removes it itself
}

const tempPrefix = "lifeboat-backup-"

// unlockedAge is when a directory without a lock is no longer one that a run is
// about to lock.
const unlockedAge = time.Hour

// newTempDir makes one under parent, after sweeping what killed runs left and
// making sure that need bytes are free.
func newTempDir(parent string, need int64) (_ *tempDir, err error) {
	if parent == "" {
		parent = os.TempDir()
	}
	sweep(parent)
	if err := checkRoom(parent, need); err != nil {
		return nil, err
	}
	path, err := os.MkdirTemp(parent, tempPrefix+"*")
	if err != nil {
		return nil, tempDirError("make a temp directory", err)
	}
	d := &tempDir{path: path}
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
		return nil, errors.Join(fileError("lock the temp directory", err), d.remove())
	}
	return d, nil
}

// checkRoom fails unless need bytes are free in a temp directory.
func checkRoom(dir string, need int64) error {
	free, err := freeSpace(dir)
	if err != nil {
		return tempDirError("look at the temp directory "+dir, err)
	}
	if need += 1 << 20; free < uint64(need) {
		return &reasonError{fmt.Sprintf("the copy needs %d MiB in the temp directory %s, which has %d MiB free", need>>20, dir, free>>20), ErrNoRoom, nil}
	}
	return nil
}

// tempDirError says what failed about the temp directory, which may also be
// full.
func tempDirError(what string, err error) error {
	if err = fileError(what, err); errors.Is(err, ErrNoRoom) {
		return err
	}
	return &reasonError{err.Error(), ErrTempDir, err}
}

func (d *tempDir) remove() error {
	if d.borrowed {
		return nil
	}
	err := removeLocked(d.path)
	if d.lock != nil {
		d.lock.Close()
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
		if strings.HasPrefix(entry.Name(), tempPrefix) {
			sweepOne(filepath.Join(parent, entry.Name()))
		}
	}
}

// sweepOne removes a directory that newTempDir made for a run of this user that
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

// freeSpace returns the bytes that this user may still write where path is.
func freeSpace(path string) (uint64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(path, &s); err != nil {
		return 0, err
	}
	return s.Bavail * uint64(s.Bsize), nil
}

func sameDevice(a, b string) bool {
	var x, y unix.Stat_t
	return unix.Stat(a, &x) == nil && unix.Stat(b, &y) == nil && x.Dev == y.Dev
}
