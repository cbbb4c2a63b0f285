package disk

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// ErrNotRegular is why OpenRegular opens no directory, FIFO, device or socket.
var ErrNotRegular = errors.New("not a regular file")

// OpenRegular opens an existing regular file and nothing else that took its
// name. It follows no symlink (ELOOP), and waits neither for a FIFO nor for the
// lease of another process (EWOULDBLOCK). flag is as of os.OpenFile.
func OpenRegular(path string, flag int) (*os.File, error) {
	f, err := os.OpenFile(path, flag|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("open %s: %w", path, ErrNotRegular)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
