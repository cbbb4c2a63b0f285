package snapshot

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/disk"
)

// The files of a copy or a reading.
const (
	copyName   = "copy.db"
	pagesName  = "pages"  // the page digests: the leaves of the digest tree
	walName    = "wal"    // the pages that differ from a base
	listName   = "list"   // their numbers and digests
	leavesName = "leaves" // the page digests of a database of which there is no copy
	baseName   = "base"   // those of the base, for the process that reads
	hashesName = "hashes" // of frames, for the process that adopts the copy
)

// files are those of a complete copy, open until Close: they are never opened
// by name again. No connection of this process holds a lock on them.
type files struct{ db, pages *os.File }

// open opens the files of the complete copy.
func (c *Copy) open() error {
	dir, err := os.Open(c.place.dir)
	if err != nil {
		return disk.WrapTemp("read the copy", err)
	}
	c.files, err = openFiles(dir, os.Geteuid())
	return errors.Join(err, dir.Close())
}

// openFiles opens the copy's files in dir and refuses what is not a plain file
// of the user's: where the directory belongs to another user, a link there may
// lead to anything.
func openFiles(dir *os.File, user int) (f files, err error) {
	if f.db, err = openPlain(dir, copyName, unix.O_RDONLY, user); err != nil {
		return files{}, err
	}
	if f.pages, err = openPlain(dir, pagesName, unix.O_RDWR|unix.O_CREAT, user); err != nil {
		return files{}, errors.Join(err, f.db.Close())
	}
	return f, nil
}

func (f files) close() (err error) {
	for _, file := range []*os.File{f.db, f.pages} {
		if file != nil {
			err = errors.Join(err, file.Close())
		}
	}
	return err
}

// openPlain opens a regular file with one name, which belongs to the user.
func openPlain(dir *os.File, name string, flags, user int) (*os.File, error) {
	fd, err := unix.Openat(int(dir.Fd()), name, flags|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, disk.WrapTemp("read the copy", &os.PathError{Op: "open", Path: name, Err: err})
	}
	file := os.NewFile(uintptr(fd), name)
	var info unix.Stat_t
	if err = unix.Fstat(fd, &info); err == nil && (info.Mode&unix.S_IFMT != unix.S_IFREG || info.Nlink != 1 || int(info.Uid) != user) {
		err = fmt.Errorf("%s is not a file of user %d with one name", name, user)
	}
	if err != nil {
		return nil, errors.Join(disk.WrapTemp("read the copy", err), file.Close())
	}
	return file, nil
}

// createPlain creates a file for the user, which only that one may read.
func createPlain(dir *os.File, name string, user int) (*os.File, error) {
	fd, err := unix.Openat(int(dir.Fd()), name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, disk.WrapTemp("create a temp file", &os.PathError{Op: "create", Path: name, Err: err})
	}
	file := os.NewFile(uintptr(fd), name)
	if user != os.Geteuid() {
		err = file.Chown(user, -1)
	}
	if err != nil {
		return nil, errors.Join(disk.WrapTemp("create a temp file", err), file.Close())
	}
	return file, nil
}
