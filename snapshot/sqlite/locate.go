package sqlite

import (
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/reason"
)

// Locate returns the file behind path and its symlinks, without opening it. It
// is an error that wraps reason.ErrSource if that is not a file that can be read.
func Locate(path string) (string, error) {
	real, err := filepath.EvalSymlinks(path)
	if err == nil {
		var info os.FileInfo
		if info, err = os.Stat(real); err == nil && !info.Mode().IsRegular() {
			err = errors.New("not a regular file")
		}
	}
	if err == nil {
		err = unix.Faccessat(unix.AT_FDCWD, real, unix.R_OK, unix.AT_EACCESS)
	}
	if err != nil {
		why := err
		var p *os.PathError
		if errors.As(err, &p) {
			why = p.Err // the path that the user knows is better
		}
		return "", reason.Errorf(reason.ErrSource, err, "open database %s: %v", path, why)
	}
	return real, nil
}
