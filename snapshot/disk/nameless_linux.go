package disk

import (
	"os"

	"golang.org/x/sys/unix"
)

// Nameless opens a temp file in a directory that never has a name, so that it
// goes with the process, however that ends. Where the file system has no such
// files it has one for a moment.
func Nameless(dir string) (*os.File, error) {
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_EXCL|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return unnamed(dir)
	}
	return os.NewFile(uintptr(fd), dir+"/(nameless)"), nil
}
