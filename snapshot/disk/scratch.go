package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/reason"
)

// A Scratch is a private directory (0700) for the files of one run. If the
// process is killed, a later NewScratch on the same parent removes it: a lock in
// it lives as long as the process. It is made and removed by its descriptor, so
// that nothing moved into its place is taken for it.
type Scratch struct {
	parent, root *os.Root
	name         string // in parent
	lock         *os.File
}

const (
	scratchPrefix = "lifeboat-backup-"
	lockName      = "lock"
	freshLockName = "lock.new"
)

// unlockedAge is when a directory without a lock is no longer one that a run is
// about to lock.
const unlockedAge = time.Hour

// NewScratch makes a Scratch under parent ("" is os.TempDir), after it has
// removed what killed runs left there. Unless need bytes are free, the error
// wraps reason.ErrNoRoom; a need of 0 is not known yet, and not looked at. Other
// errors wrap reason.ErrTempDir. One is that this process is root, and another
// user could move the directory away: SQLite opens the files in it by name.
func NewScratch(parent string, need int64) (_ *Scratch, err error) {
	at, err := openTemp(parent)
	if err != nil {
		return nil, WrapTemp("use the temp directory", err)
	}
	sweep(at)
	if need > 0 {
		err = CheckTemp(at.Name(), need)
	}
	if err != nil {
		return nil, errors.Join(err, at.Close())
	}
	s, err := makeScratch(at)
	if err != nil {
		return nil, errors.Join(WrapTemp("make a temp directory", err), at.Close())
	}
	if err := s.takeLock(); err != nil {
		return nil, errors.Join(WrapTemp("lock the temp directory", err), s.Close())
	}
	return s, nil
}

// openTemp opens the temp directory under its real name.
func openTemp(path string) (*os.Root, error) {
	if path == "" {
		path = os.TempDir()
	}
	path, err := filepath.Abs(path)
	if err == nil {
		path, err = filepath.EvalSymlinks(path)
	}
	if err == nil && os.Geteuid() == 0 {
		err = checkNames(path)
	}
	if err != nil {
		return nil, err
	}
	return os.OpenRoot(path)
}

// makeScratch makes a directory in parent that has no lock yet.
func makeScratch(parent *os.Root) (*Scratch, error) {
	path, err := os.MkdirTemp(parent.Name(), scratchPrefix+"*")
	if err != nil {
		return nil, err
	}
	s := &Scratch{parent: parent, name: filepath.Base(path)}
	if s.root, err = openOwn(parent, s.name); err != nil {
		return nil, errors.Join(err, parent.Remove(s.name))
	}
	return s, nil
}

// takeLock makes the lock, which gets its name only once it is held, or a sweeper
// could take it.
func (s *Scratch) takeLock() (err error) {
	s.lock, err = s.root.OpenFile(freshLockName, os.O_CREATE|os.O_RDWR|os.O_EXCL, 0o600)
	if err == nil {
		err = unix.Flock(int(s.lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	}
	if err == nil {
		err = s.root.Rename(freshLockName, lockName)
	}
	return err
}

// CheckTemp fails with the errors of NewScratch unless need bytes are free in
// the temp directory dir.
func CheckTemp(dir string, need int64) error {
	free, err := Free(dir)
	if err != nil {
		return WrapTemp("use the temp directory", err)
	}
	if need += 1 << 20; free < need {
		return reason.Errorf(reason.ErrNoRoom, nil, "the database needs %d MiB in the temp directory %s, which has %d MiB free", need>>20, dir, free>>20)
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

// Path returns the directory, absolute and without symlinks.
func (s *Scratch) Path() string { return s.root.Name() }

// Root returns the directory by its descriptor, which Close closes.
func (s *Scratch) Root() *os.Root { return s.root }

// Close removes the directory with all that is in it.
func (s *Scratch) Close() error {
	err := removeLocked(s.parent, s.name, s.root)
	if s.lock != nil {
		err = errors.Join(err, s.lock.Close())
	}
	if err = errors.Join(err, s.root.Close(), s.parent.Close()); err != nil {
		return fmt.Errorf("remove the temp directory: %w", err)
	}
	return nil
}

// removeLocked removes a temp directory, its lock last: as long as the directory
// holds anything, a later run must find by the lock that its owner has ended.
func removeLocked(parent *os.Root, name string, root *os.Root) error {
	entries, err := fs.ReadDir(root.FS(), ".")
	for _, entry := range entries {
		if entry.Name() != lockName {
			err = errors.Join(err, root.RemoveAll(entry.Name()))
		}
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := root.RemoveAll(lockName); err != nil {
		return err
	}
	return removeEmpty(parent, name, root)
}

// removeEmpty removes the name of an empty directory, and nothing that was moved
// there. That it is gone already is no error.
func removeEmpty(parent *os.Root, name string, root *os.Root) error {
	now, err := parent.Lstat(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	was, err := root.Stat(".")
	if err != nil {
		return err
	}
	if !os.SameFile(now, was) {
		return fmt.Errorf("%s is another file than the one that was made", root.Name())
	}
	return parent.Remove(name)
}

// sweep removes what killed runs of this user left in parent. What cannot be
// removed is left alone: it is not this run's task.
func sweep(parent *os.Root) {
	entries, _ := fs.ReadDir(parent.FS(), ".")
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), scratchPrefix) {
			sweepOne(parent, entry.Name())
		}
	}
}

// sweepOne removes a directory that NewScratch made for a run of this user that
// is over. Any user can put something of that name into a shared directory, so
// nothing in it is opened unless the directory is this user's, and no open waits:
// one of a file under another process's lease takes 45 s.
func sweepOne(parent *os.Root, name string) {
	root, err := openOwn(parent, name)
	if err != nil {
		return
	}
	defer root.Close() // only removed from
	lock, err := root.OpenFile(lockName, os.O_RDWR|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, os.ErrNotExist) && olderThan(root, unlockedAge) {
		// Killed before the lock had its name, or after it had lost it: there is
		// nothing else in it then, and if there is, it stays.
		_ = root.Remove(freshLockName)
		_ = removeEmpty(parent, name, root)
	}
	if err != nil {
		return
	}
	defer lock.Close() // never written to
	info, err := lock.Stat()
	if err == nil && info.Mode().IsRegular() && ours(info) && unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
		_ = removeLocked(parent, name, root)
	}
}

// openOwn opens a directory of this user's. It follows no symlink.
func openOwn(parent *os.Root, name string) (*os.Root, error) {
	named, err := parent.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !named.IsDir() || !ours(named) {
		return nil, fmt.Errorf("%s is no directory of this user's", name)
	}
	root, err := parent.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	opened, err := root.Stat(".")
	if err == nil && !os.SameFile(named, opened) {
		err = fmt.Errorf("%s was replaced meanwhile", name)
	}
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return root, nil
}

func olderThan(root *os.Root, age time.Duration) bool {
	info, err := root.Stat(".")
	return err == nil && time.Since(info.ModTime()) > age
}

// ours reports whether a file is this user's.
func ours(info os.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Geteuid()
}
