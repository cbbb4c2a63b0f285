package worker

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
)

// An identity is whose rights a worker has.
type identity struct {
	user, group int
	changed     bool // another's than the program's
}

// ownerOf returns whose rights the worker has that reads the database at path,
// which is behind all symlinks: its owner's and its group's where the program is
// root, else the program's own. A database that its owner cannot reach, because
// a directory of root's is closed (as those of container engines are around
// volumes), is read with root's rights, too: its owner cannot have had a hand in
// what leads there.
func ownerOf(path string) (identity, error) {
	own := ownIdentity()
	var info unix.Stat_t
	if err := unix.Stat(path, &info); err != nil {
		return own, &failed{fmt.Sprintf("open database %s: %v", path, err), []error{snapshot.ErrSource, err}}
	}
	if own.user != 0 || info.Uid == 0 || !mayChange() {
		return own, nil
	}
	owner := identity{int(info.Uid), int(info.Gid), true}
	absolute, err := filepath.Abs(path)
	if err != nil {
		return own, err
	}
	closed := firstClosed(filepath.Dir(absolute), owner)
	if closed != "" && unix.Stat(closed, &info) == nil && info.Uid == 0 {
		return own, nil
	}
	return owner, nil
}

// firstClosed returns the first directory on the way into dir that a user may
// not enter, by its mode; "" if there is none.
func firstClosed(dir string, who identity) string {
	for i, r := range dir + "/" {
		if r != '/' {
			continue
		}
		at := dir[:max(i, 1)]
		var info unix.Stat_t
		if unix.Stat(at, &info) != nil || !mayEnter(info, who) {
			return at
		}
	}
	return ""
}

func mayEnter(info unix.Stat_t, who identity) bool {
	switch {
	case int(info.Uid) == who.user:
		return info.Mode&unix.S_IXUSR != 0
	case int(info.Gid) == who.group:
		return info.Mode&unix.S_IXGRP != 0
	}
	return info.Mode&unix.S_IXOTH != 0
}

// What root needs to start a worker as another user, to read what it leaves,
// and to end it. In a container root may have less.
const needed = 1<<unix.CAP_CHOWN | 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_KILL | 1<<unix.CAP_SETGID | 1<<unix.CAP_SETUID

// mayChange reports whether this process has these rights.
func mayChange() bool {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return false
	}
	_, after, found := strings.Cut(string(text), "\nCapEff:")
	var effective uint64
	if _, err := fmt.Sscanf(strings.TrimSpace(after), "%x", &effective); !found || err != nil {
		return false
	}
	return effective&needed == needed
}

// attributes say how the worker is started. It has a process group of its own:
// the terminal's signals are the program's to answer.
func (i identity) attributes() *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Setpgid: true}
	if i.changed {
		a.Credential = &syscall.Credential{Uid: uint32(i.user), Gid: uint32(i.group), Groups: []uint32{}}
	}
	return a
}

// allocated returns how many bytes a file takes on the disk.
func allocated(info os.FileInfo) int64 {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return s.Blocks * 512
	}
	return info.Size()
}
