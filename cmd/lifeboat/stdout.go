package main

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"github.com/lifeboat-sqlite/lifeboat/restore"
)

// fitForDatabase returns an error if stdout is no place for a database.
func fitForDatabase(stdout *os.File) error {
	switch {
	case term.IsTerminal(int(stdout.Fd())):
		return usage("stdout is a terminal: redirect it to a file or a pipe")
	case wasClosed(stdout):
		return usage("stdout is closed: redirect it to a file or a pipe")
	}
	return nil
}

// wasClosed reports whether a standard stream was closed when the program
// started. Go's runtime opens /dev/null in its place, for reading and writing,
// while a shell's >/dev/null is for writing alone.
func wasClosed(f *os.File) bool {
	var here, null unix.Stat_t
	if unix.Fstat(int(f.Fd()), &here) != nil || unix.Stat(os.DevNull, &null) != nil {
		return true
	}
	flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFL, 0)
	return err != nil || here.Mode == null.Mode && here.Rdev == null.Rdev && flags&unix.O_ACCMODE == unix.O_RDWR
}

// An outlet is stdout as the target of a restore. Its errors wrap
// restore.ErrTarget: the store and the snapshot are not to blame, and a second
// try would end the same way.
type outlet struct {
	*os.File
	written bool // anything was
}

// Write implements io.Writer.
func (o *outlet) Write(p []byte) (int, error) {
	n, err := o.File.Write(p)
	o.written = o.written || n > 0
	if err != nil {
		return n, &hinted{fmt.Errorf("%w: %w", restore.ErrTarget, err), "stdout is full, or its reader has gone; what was written is not the whole database"}
	}
	return n, nil
}
