package btree

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/wal"
)

// ErrCorrupt: the pages are not those of a sound database.
var ErrCorrupt = errors.New("the database is corrupt")

func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrCorrupt, fmt.Sprintf(format, args...))
}

// An Encoding is how a database stores its texts.
type Encoding byte

// The encodings, as the database header numbers them.
const (
	UTF8    Encoding = 1
	UTF16LE Encoding = 2
	UTF16BE Encoding = 3
)

// A File is a database file that does not change. Its methods may be used by one
// goroutine at a time.
type File struct {
	PageSize  int // bytes
	PageCount int
	Encoding  Encoding

	r          io.ReaderAt
	usable     int // bytes of a page
	autoVacuum bool
	trunk      int // first page of the list of free pages
	free       int // number of free pages
}

// Open reads the header of a database that has size bytes. The error is r's, or wraps
// ErrCorrupt.
func Open(r io.ReaderAt, size int64) (*File, error) {
	head := make([]byte, sqlite.HeaderSize)
	if err := readAt(r, head, 0); err != nil {
		return nil, err
	}
	h, err := sqlite.ParseHeader(head)
	if err != nil {
		return nil, corrupt("%v", err)
	}
	f := &File{
		PageSize: h.PageSize, PageCount: int(size / int64(h.PageSize)), Encoding: Encoding(binary.BigEndian.Uint32(head[56:])),
		r: r, usable: h.PageSize - int(head[20]), autoVacuum: binary.BigEndian.Uint32(head[52:]) != 0,
		trunk: int(binary.BigEndian.Uint32(head[32:])), free: int(binary.BigEndian.Uint32(head[36:])),
	}
	if f.Encoding == 0 { // of a database without a table
		f.Encoding = UTF8
	}
	const leastUsable = 480
	if f.usable < leastUsable || f.Encoding > UTF16BE {
		return nil, corrupt("the database header is not valid")
	}
	return f, nil
}

func readAt(r io.ReaderAt, p []byte, offset int64) error {
	n, err := r.ReadAt(p, offset)
	switch {
	case n == len(p):
		return nil
	case errors.Is(err, io.EOF):
		return corrupt("the file ends before byte %d", offset+int64(len(p)))
	}
	return err
}

// Read reads a page into p, which has the page's size.
func (f *File) Read(number int, p []byte) error {
	if number < 1 || number > f.PageCount {
		return corrupt("there is no page %d", number)
	}
	return readAt(f.r, p, int64(number-1)*int64(f.PageSize))
}

// Special reports whether a page is neither part of a b-tree nor free, by its number:
// one that maps pages to their parents, or the one that holds SQLite's locks.
func (f *File) Special(number int) bool {
	if number == wal.LockPage(f.PageSize) {
		return true
	}
	if !f.autoVacuum || number < 2 {
		return false
	}
	group := f.usable/5 + 1
	mapPage := (number-2)/group*group + 2
	if mapPage == wal.LockPage(f.PageSize) {
		mapPage++
	}
	return number == mapPage
}

// Free calls f with the number of each free page.
func (f *File) Free(each func(number int)) error {
	page := make([]byte, f.PageSize)
	left := f.free
	for trunk := f.trunk; trunk != 0; left-- {
		if left <= 0 {
			return corrupt("the list of free pages is longer than it should be")
		}
		if err := f.Read(trunk, page); err != nil {
			return err
		}
		each(trunk)
		leaves := int(binary.BigEndian.Uint32(page[4:]))
		if leaves > f.usable/4-2 || leaves >= left {
			return corrupt("page %d has %d free pages", trunk, leaves)
		}
		left -= leaves
		for i := range leaves {
			each(int(binary.BigEndian.Uint32(page[8+4*i:])))
		}
		trunk = int(binary.BigEndian.Uint32(page))
	}
	return nil
}

// Next returns where the chain of overflow pages goes on behind a page, if it is one:
// 0 at its end.
func Next(page []byte) int { return int(binary.BigEndian.Uint32(page)) }
