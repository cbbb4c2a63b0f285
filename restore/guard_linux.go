package restore

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/disk"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/reason"
)

// A guard keeps all other processes from opening the old database file. Its write
// lease is granted only while no process has the file open, in any PID namespace. A
// later open waits until the guard is released, and shows at once in check. Source:
// fcntl(2), F_SETLEASE.
type guard struct {
	file   *os.File
	leased bool
}

// The bytes that SQLite locks, PENDING to the end of SHARED.
// Source: https://www.sqlite.org/src/file/src/os.h, "PENDING_BYTE".
const lockStart, lockLength = 0x40000000, 512

// lease takes a guard on the file at path, which this process must not have open:
// closing the guard drops all POSIX locks that the process has on it. Where the file
// system or the rights allow no lease, the guard takes the locks of SQLite's
// EXCLUSIVE state instead. They stop later connections, but do not show idle ones.
//
// A process that was forked a moment ago has its parent's files, this program's own
// too, until it runs a program itself. So an open file is looked at again, for a second.
func lease(path string) (g *guard, err error) {
	for wait := 10 * time.Millisecond; ; wait *= 2 {
		g, err = leaseNow(path)
		if !errors.Is(err, ErrTargetOpen) || wait > longestFork {
			return g, err
		}
		time.Sleep(wait)
	}
}

// longestFork is the last wait of lease; all together take nearly twice as long.
const longestFork = 640 * time.Millisecond

func leaseNow(path string) (_ *guard, err error) {
	f, err := disk.OpenRegular(path, os.O_RDONLY)
	if err != nil {
		return nil, openRefused(path, err)
	}
	g := &guard{file: f}
	fd := f.Fd()
	_, err = unix.FcntlInt(fd, unix.F_SETLEASE, unix.F_WRLCK)
	switch {
	case err == nil:
		g.leased = true
		return g, nil
	case errors.Is(err, unix.EAGAIN):
		closed := f.Close() // before the look at who has it open
		return nil, errors.Join(openError(path), closed)
	}
	// A write lock needs a descriptor that can write.
	if err := f.Close(); err != nil {
		return nil, err
	}
	if g.file, err = disk.OpenRegular(path, os.O_RDWR); err != nil {
		return nil, openRefused(path, err)
	}
	all := unix.Flock_t{Type: unix.F_WRLCK, Start: lockStart, Len: lockLength}
	err = unix.FcntlFlock(g.file.Fd(), unix.F_OFD_SETLK, &all)
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
		closed := g.file.Close()
		return nil, errors.Join(openError(path), closed)
	}
	return g, nil // a file system without locks: detection is partial anyway
}

// check fails if another process has opened the file since, or if path is another
// file by now.
func (g *guard) check(path string) error {
	opened, err := g.file.Stat()
	if err != nil {
		return err
	}
	named, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if !os.SameFile(opened, named) {
		return reason.Errorf(ErrTargetOpen, nil, "%s was replaced by another program meanwhile", path)
	}
	return g.unopened(path)
}

// unopened fails if another process has opened the file since, by any of its names.
// path is its name in the error.
func (g *guard) unopened(path string) error {
	if !g.leased {
		return nil
	}
	lease, err := unix.FcntlInt(g.file.Fd(), unix.F_GETLEASE, 0)
	if err != nil {
		return fmt.Errorf("look at the lease on %s: %w", path, err)
	}
	if lease != unix.F_WRLCK {
		return reason.Errorf(ErrTargetOpen, nil, "%s was opened by another process at the last moment", path)
	}
	return nil
}

// release also ends the lease: closing the file does so only when a process that was
// forked meanwhile has closed it, too.
func (g *guard) release() (err error) {
	if g.leased {
		_, err = unix.FcntlInt(g.file.Fd(), unix.F_SETLEASE, unix.F_UNLCK)
	}
	return errors.Join(err, g.file.Close())
}
