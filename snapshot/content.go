package snapshot

import (
	"encoding/binary"
	"fmt"
	"io"
	"slices"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/disk"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/wal"
)

// Content returns the copy, a database file of Header.Size bytes. It can be read until
// the copy is closed.
func (c *Copy) Content() io.ReaderAt { return c.files.db }

// Content returns the pages that differ from the base, and the first one, each where it
// is in the database file. Reading another page is an error. They can be read until the
// reading is closed.
func (r *Reading) Content() (io.ReaderAt, error) {
	list := make([]byte, r.pages*numberedSize)
	if _, err := r.files.list.ReadAt(list, 0); err != nil {
		return nil, disk.WrapTemp("read the list of pages that differ", err)
	}
	p := &changedPages{pageSize: int64(r.Header.PageSize), log: r.files.wal, numbers: make([]uint32, 0, r.pages)}
	for ; len(list) > 0; list = list[numberedSize:] {
		p.numbers = append(p.numbers, binary.BigEndian.Uint32(list))
	}
	return p, nil
}

// changedPages are the pages in a WAL with one transaction.
type changedPages struct {
	pageSize int64
	log      io.ReaderAt
	numbers  []uint32 // in order
}

// ReadAt implements io.ReaderAt.
func (p *changedPages) ReadAt(b []byte, offset int64) (n int, err error) {
	for n < len(b) {
		page, start := offset/p.pageSize+1, offset%p.pageSize
		i, found := slices.BinarySearch(p.numbers, uint32(page))
		if !found {
			return n, fmt.Errorf("page %d is not among those that differ", page)
		}
		piece := b[n:min(int64(len(b)), int64(n)+p.pageSize-start)]
		at := wal.HeaderSize + int64(i)*(wal.FrameHeaderSize+p.pageSize) + wal.FrameHeaderSize + start
		if _, err := p.log.ReadAt(piece, at); err != nil {
			return n, disk.WrapTemp("read what has changed", err)
		}
		n, offset = n+len(piece), offset+int64(len(piece))
	}
	return n, nil
}
