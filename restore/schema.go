package restore

import (
	"encoding/binary"
	"errors"
	"io"
	"os"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/disk"
)

// A pageReader returns a page of a database, nil if it cannot be read.
type pageReader func(number uint32) []byte

// endless reports whether the schema's pages are no tree: one is reached in two ways.
// SQLite would visit that page, and all below it, each time. 24 KiB are enough to keep
// it busy for years, and that while it opens the database, when nothing can interrupt
// it. Source: https://www.sqlite.org/fileformat2.html#b_tree_pages
func (page pageReader) endless() bool {
	const schema = 1
	seen := map[uint32]bool{schema: true}
	for queue := []uint32{schema}; len(queue) > 0; queue = queue[1:] {
		head := 0
		if queue[0] == schema {
			head = 100 // the database's own header
		}
		for _, child := range children(page(queue[0]), head) {
			if seen[child] {
				return true
			}
			seen[child] = true
			queue = append(queue, child)
		}
	}
	return false
}

// children returns the pages below an interior page of a table's b-tree, whose
// own header begins at head.
func children(page []byte, head int) (numbers []uint32) {
	const interiorTable, headSize = 5, 12
	if len(page) < head+headSize || page[head] != interiorTable {
		return nil
	}
	for i := range int(binary.BigEndian.Uint16(page[head+3:])) {
		at := head + headSize + 2*i
		if at+2 > len(page) {
			return numbers
		}
		cell := int(binary.BigEndian.Uint16(page[at:]))
		if cell+4 > len(page) {
			return numbers
		}
		numbers = append(numbers, binary.BigEndian.Uint32(page[cell:]))
	}
	return append(numbers, binary.BigEndian.Uint32(page[head+8:]))
}

// endlessSchema is endless for a main file with the WAL beside it.
func (t target) endlessSchema(main *os.File, pageSize int) (bool, error) {
	page, wal, err := t.pages(main, pageSize)
	if err != nil {
		return false, err
	}
	endless := page.endless()
	if wal != nil {
		err = wal.Close()
	}
	return endless, err
}

// pages reads the pages of a main file as its WAL, if it has one, leaves them.
// Its reader works until the WAL, nil if there is none, is closed.
func (t target) pages(main *os.File, pageSize int) (pageReader, *os.File, error) {
	read := func(f *os.File, offset int64) []byte {
		b := make([]byte, pageSize)
		if n, err := f.ReadAt(b, offset); n < pageSize && !errors.Is(err, io.EOF) {
			return nil
		}
		return b
	}
	wal, err := disk.OpenRegular(t.path+"-wal", os.O_RDONLY)
	if isAbsent(err) {
		wal, err = nil, nil
	}
	if err != nil {
		return nil, nil, openRefused(t.path+"-wal", err)
	}
	var newer map[uint32]int64
	if wal != nil {
		newer = committed(wal, pageSize)
	}
	return func(number uint32) []byte {
		if offset, ok := newer[number]; ok {
			return read(wal, offset)
		}
		return read(main, (int64(number)-1)*int64(pageSize))
	}, wal, nil
}

// committed returns where in a WAL the last content of each page is. Source:
// https://www.sqlite.org/fileformat2.html#the_write_ahead_log
func committed(wal io.ReaderAt, pageSize int) map[uint32]int64 {
	const headSize, frameHeadSize = 32, 24
	last := map[uint32]int64{}
	var head [headSize]byte
	if _, err := wal.ReadAt(head[:], 0); err != nil {
		return last
	}
	pending := map[uint32]int64{}
	var frame [frameHeadSize]byte
	for at := int64(headSize); ; at += frameHeadSize + int64(pageSize) {
		_, err := wal.ReadAt(frame[:], at)
		if err != nil || [8]byte(frame[8:16]) != [8]byte(head[16:24]) { // its salts
			return last
		}
		pending[binary.BigEndian.Uint32(frame[:])] = at + frameHeadSize
		if isCommit := binary.BigEndian.Uint32(frame[4:]) != 0; isCommit {
			for number, offset := range pending {
				last[number] = offset
			}
			clear(pending)
		}
	}
}
