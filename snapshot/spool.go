package snapshot

import (
	"bufio"
	"encoding/binary"
	"os"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/disk"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/wal"
)

// A spool writes the pages that differ from a base to a file that is to become a
// WAL: newChanges adds its checksums. The pages come in page order, but for the first
// one, which may come again.
type spool struct {
	pages int
	file  *os.File
	out   *bufio.Writer
	frame []byte
}

// newSpool makes a spool of a file, which it empties.
func newSpool(path string, pageSize int) (*spool, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
	if err != nil {
		return nil, disk.WrapTemp("create a temp file", err)
	}
	s := &spool{file: f, out: bufio.NewWriterSize(f, 1<<20), frame: make([]byte, wal.FrameHeaderSize+pageSize)}
	s.out.Write(make([]byte, wal.HeaderSize)) // fits into the buffer
	return s, nil
}

// fill makes s.frame that of a page, without checksums.
func (s *spool) fill(number int, page []byte) {
	binary.BigEndian.PutUint32(s.frame, uint32(number))
	copy(s.frame[wal.FrameHeaderSize:], page)
}

// add takes the next page that differs.
func (s *spool) add(number int, page []byte) error {
	s.fill(number, page)
	s.pages++
	_, err := s.out.Write(s.frame)
	return disk.WrapTemp("write what has changed", err)
}

// end takes the first page once more, which must have been added first. No other
// page may follow.
func (s *spool) end(first []byte) error {
	err := s.out.Flush()
	if err == nil {
		s.fill(1, first)
		_, err = s.file.WriteAt(s.frame, wal.HeaderSize)
	}
	return disk.WrapTemp("write what has changed", err)
}

func (s *spool) Close() error { return disk.WrapTemp("write what has changed", s.file.Close()) }
