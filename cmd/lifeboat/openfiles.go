package main

import (
	"errors"
	"syscall"

	"github.com/mattn/go-sqlite3"
	"golang.org/x/sys/unix"
)

// minOpenFiles is what a run of one database needs, its connections to the
// store included. With fewer it would end halfway and could not even clean up.
const minOpenFiles = 32

const moreOpenFiles = "raise the limit of open files: ulimit -n, LimitNOFILE= of systemd, or --ulimit nofile of the container engine"

// enoughFiles returns an error if the process may open too few files. Go has
// already raised the limit as far as it may.
func enoughFiles() error {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) == nil && limit.Cur < minOpenFiles {
		return &hinted{usage("this process may open %d files, and lifeboat needs %d", limit.Cur, minOpenFiles), moreOpenFiles}
	}
	return nil
}

// tooManyFiles tells whether the process has reached its limit of open files.
// Neither the database nor the store is to blame, whatever else err wraps.
func tooManyFiles(err error) bool {
	var sqlite sqlite3.Error
	return errors.Is(err, syscall.EMFILE) || errors.As(err, &sqlite) && sqlite.SystemErrno == syscall.EMFILE
}
