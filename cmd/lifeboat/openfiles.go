package main

import (
	"golang.org/x/sys/unix"
)

// minOpenFiles is what a run of one database needs, its connections to the
// store included. With fewer it would end halfway and could not even clean up.
const minOpenFiles = 32

// enoughFiles returns an error if the process may open too few files. Go has
// already raised the limit as far as it may.
func enoughFiles() error {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) == nil && limit.Cur < minOpenFiles {
		return &hinted{usage("this process may open %d files, and lifeboat needs %d", limit.Cur, minOpenFiles), moreOpenFiles}
	}
	return nil
}
