package sqlite

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/disk"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/reason"
)

// minPageSize is the least that a SQLite database has, in bytes.
const minPageSize = 512

// CutShort returns an error that wraps reason.ErrSource and reason.ErrCutShort if SQLite must
// not open the database at path, which is behind all symlinks: its main file was
// cut short while a -wal or -journal with content stands beside it. SQLite
// deletes both beside a main file of 0 or 1 bytes, and replays a journal into
// any other, whether or not the result is a database.
//
// A cut at the end of a page goes unseen: SQLite itself makes such cuts beside a
// journal. CutShort opens no file but the journal, so that this process's own
// connections to the database keep their locks.
func CutShort(path string) error {
	journal := readJournalHead(path + "-journal") // first: a commit between may shorten the main file
	size, err := Size(path)
	if err != nil {
		return fmt.Errorf("look at %s: %w", path, err)
	}
	if size < 0 {
		return nil
	}
	for _, suffix := range []string{"-wal", "-journal"} {
		beside, err := Size(path + suffix)
		if err != nil {
			return fmt.Errorf("look beside %s: %w", path, err)
		}
		cut := size < minPageSize || suffix == "-journal" && journal.tornBelow(size)
		if beside > 0 && cut {
			return reason.Errorf(reason.ErrSource, reason.ErrCutShort, "open database %s: the file was cut short, to %d bytes, and SQLite would delete or replay %s, which has %d", path, size, filepath.Base(path)+suffix, beside)
		}
	}
	return nil
}

// A journalHead is the size of the database before a transaction, from the header
// of its rollback journal; zeros if there is no journal to roll back. Source:
// https://www.sqlite.org/fileformat2.html#the_rollback_journal
type journalHead struct{ pages, pageSize int64 }

// tornBelow reports whether a main file of that size ends within a page that it had
// before the transaction. SQLite shortens a database only by whole pages.
func (h journalHead) tornBelow(size int64) bool {
	return h.pageSize > 0 && size < h.pages*h.pageSize && size%h.pageSize != 0
}

// readJournalHead leaves a journal that cannot be read to SQLite's own error.
func readJournalHead(path string) (h journalHead) {
	f, err := disk.OpenRegular(path, os.O_RDONLY) // SQLite follows no symlink there either
	if err != nil {
		return h
	}
	defer f.Close() // only read from
	var b [28]byte
	if _, err := io.ReadFull(f, b[:]); err == nil && string(b[:8]) == "\xd9\xd5\x05\xf9\x20\xa1\x63\xd7" {
		h.pages, h.pageSize = int64(binary.BigEndian.Uint32(b[16:])), int64(binary.BigEndian.Uint32(b[24:]))
	}
	return h
}

// Size returns the size of a file beside a database in bytes, -1 if there is none.
func Size(path string) (int64, error) {
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ENAMETOOLONG) {
		return -1, nil
	}
	if err != nil {
		return -1, err
	}
	return info.Size(), nil
}
