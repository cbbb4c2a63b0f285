package disk

import (
	"errors"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// RenameNew renames a file to a name that is not taken, or fails with
// os.ErrExist. Where the file system knows no such rename it links and unlinks:
// a death in between leaves both names. It fails if there are no hard links
// either.
func RenameNew(from, to string) error {
	err := unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
		err = linkNew(from, to)
	}
	return Wrap("rename "+from+" to "+filepath.Base(to), err)
}
