package cache

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// writers are those who may write a database, and so its cache.
type writers struct {
	users []uint32 // root, this user, and the database's owner
	group int64    // the database's, if it may write; else -1
	dir   string   // of the database: absolute, without symlinks
}

// writersOf returns the writers of the database at path. One that is not there, or
// "", has none but root and this user.
func writersOf(path string) (writers, error) {
	top, err := os.Lstat("/")
	if err != nil {
		return writers{}, err
	}
	// The owner of the top is trusted: in a user namespace it need not be root.
	w := writers{users: []uint32{0, uint32(os.Geteuid()), stat(top).Uid}, group: -1}
	if path == "" {
		return w, nil
	}
	path, err = filepath.Abs(path)
	if err == nil {
		path, err = filepath.EvalSymlinks(path)
	}
	if errors.Is(err, os.ErrNotExist) {
		return w, nil
	}
	if err != nil {
		return writers{}, err
	}
	info, err := os.Lstat(path)
	if err != nil {
		return writers{}, err
	}
	w.dir = filepath.Dir(path)
	w.users = append(w.users, stat(info).Uid)
	if info.Mode()&groupWrites != 0 {
		w.group = int64(stat(info).Gid)
	}
	return w, nil
}

const (
	groupWrites = 0o020
	othersWrite = 0o002
)

func stat(info os.FileInfo) *syscall.Stat_t { return info.Sys().(*syscall.Stat_t) }

// checkAbove returns an error unless only writers can rename the directory dir, or
// one above it. dir is absolute and without symlinks. In a directory that the
// database is below of too, others can take the database away as well.
func (w writers) checkAbove(dir string) error {
	for {
		info, err := os.Lstat(dir)
		if err != nil {
			return err
		}
		if !w.below(dir) {
			if owner := stat(info).Uid; !slices.Contains(w.users, owner) {
				return fmt.Errorf("%w: %s belongs to user %d", ErrUnsafe, dir, owner)
			}
			if info.Mode()&os.ModeSticky == 0 {
				if err := w.checkMode(dir, info); err != nil {
					return err
				}
			}
		}
		if dir == filepath.Dir(dir) {
			return nil
		}
		dir = filepath.Dir(dir)
	}
}

// below reports whether the database is in dir or below it.
func (w writers) below(dir string) bool {
	return w.dir == dir || strings.HasPrefix(w.dir, strings.TrimSuffix(dir, "/")+"/")
}

// checkOwn returns an error unless the file or directory is this user's and only
// writers may write to it.
func (w writers) checkOwn(name string, info os.FileInfo) error {
	if owner := stat(info).Uid; int(owner) != os.Geteuid() {
		return fmt.Errorf("%w: %s belongs to user %d", ErrUnsafe, name, owner)
	}
	return w.checkMode(name, info)
}

// checkMode is checkOwn whoever the owner is.
func (w writers) checkMode(name string, info os.FileInfo) error {
	group := stat(info).Gid
	switch mode := info.Mode(); {
	case mode&othersWrite != 0:
		return fmt.Errorf("%w: all users may write to %s", ErrUnsafe, name)
	case mode&groupWrites != 0 && int64(group) != w.group:
		return fmt.Errorf("%w: group %d may write to %s, and not to the database", ErrUnsafe, group, name)
	}
	return nil
}
