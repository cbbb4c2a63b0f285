package virtual

import (
	"errors"
	"io"
	"os"
	"sync/atomic"

	"github.com/psanford/sqlite3vfs"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/disk"
)

// A temp is a temp file of SQLite's, such as for sorting what does not fit into
// memory. It has no name, and is made when something is written to it.
type temp struct {
	Private
	file *os.File
}

// tempFailure is the latest error of a temp file. SQLite does not say which
// connection a temp file belongs to.
var tempFailure atomic.Pointer[error]

// TempFailure returns the latest error of SQLite's temp files, nil if there was none.
// It wraps reason.ErrNoRoom or reason.ErrTempDir.
func TempFailure() error {
	if err := tempFailure.Load(); err != nil {
		return *err
	}
	return nil
}

// tempDir returns the directory for temp files, from the variables that SQLite itself
// goes by.
func tempDir() string {
	if dir := os.Getenv("SQLITE_TMPDIR"); dir != "" {
		return dir
	}
	return os.TempDir()
}

// failed remembers what went wrong, and returns what SQLite learns of it.
func failed(what string, err error, code error) error {
	err = disk.WrapTemp(what, err)
	tempFailure.Store(&err)
	return code
}

func (t *temp) ReadAt(p []byte, off int64) (int, error) {
	if t.file == nil {
		return 0, sqlite3vfs.IOErrorShortRead
	}
	n, err := t.file.ReadAt(p, off)
	switch {
	case n == len(p):
		return n, nil
	case errors.Is(err, io.EOF):
		return n, sqlite3vfs.IOErrorShortRead
	}
	return n, failed("read a temp file of SQLite's", err, sqlite3vfs.IOErrorRead)
}

func (t *temp) WriteAt(p []byte, off int64) (int, error) {
	if t.file == nil {
		file, err := disk.Nameless(tempDir())
		if err != nil {
			return 0, failed("make a temp file for SQLite", err, sqlite3vfs.IOErrorWrite)
		}
		t.file = file
	}
	n, err := t.file.WriteAt(p, off)
	if err != nil {
		return n, failed("write a temp file of SQLite's", err, sqlite3vfs.IOErrorWrite)
	}
	return n, nil
}

func (t *temp) Truncate(size int64) error {
	if t.file == nil {
		return nil
	}
	if err := t.file.Truncate(size); err != nil {
		return failed("cut a temp file of SQLite's", err, sqlite3vfs.IOErrorWrite)
	}
	return nil
}

func (t *temp) FileSize() (int64, error) {
	if t.file == nil {
		return 0, nil
	}
	info, err := t.file.Stat()
	if err != nil {
		return 0, failed("look at a temp file of SQLite's", err, sqlite3vfs.IOErrorRead)
	}
	return info.Size(), nil
}

func (t *temp) Close() error {
	if t.file == nil {
		return nil
	}
	return t.file.Close()
}
