// Package wal reads and writes the write-ahead log of an SQLite database as a
// sequence of pages that one transaction has changed. The format is that of
// https://www.sqlite.org/fileformat2.html#the_write_ahead_log.
package wal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
)

const (
	// HeaderSize is what stands before the first frame, in bytes.
	HeaderSize = 32
	// FrameHeaderSize is what stands before the page of each frame, in bytes.
	FrameHeaderSize = 24

	magic    = 0x377f0682 // its checksums read little-endian words
	version  = 3007000
	sequence = 0 // of the checkpoint before it
)

// A Salt stands in the header and in every frame. SQLite ignores a frame of
// another salt, and all that follow it.
type Salt [8]byte

// LockPage returns the number of the page that SQLite never uses, because its
// file locks lie there: at 1 GiB.
func LockPage(pageSize int) int { return 1<<30/pageSize + 1 }

// checksum is SQLite's, over all that was read or written so far.
type checksum [2]uint32

func (s *checksum) add(p []byte) {
	a, b := s[0], s[1]
	for ; len(p) >= 8; p = p[8:] {
		a += binary.LittleEndian.Uint32(p) + b
		b += binary.LittleEndian.Uint32(p[4:]) + a
	}
	s[0], s[1] = a, b
}

func (s *checksum) append(to []byte) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(to, s[0]), s[1])
}

// A Sealer completes the frames of one transaction: it puts checksums into their
// headers, each of which covers all frames before it.
type Sealer struct {
	salt Salt
	sum  checksum
}

// NewSealer returns a Sealer, and the header of its WAL.
func NewSealer(pageSize int, salt Salt) (*Sealer, []byte) {
	head := binary.BigEndian.AppendUint32(make([]byte, 0, HeaderSize), magic)
	head = binary.BigEndian.AppendUint32(head, version)
	head = binary.BigEndian.AppendUint32(head, uint32(pageSize))
	head = binary.BigEndian.AppendUint32(head, sequence)
	head = append(head, salt[:]...)
	s := &Sealer{salt: salt}
	s.sum.add(head)
	return s, s.sum.append(head)
}

// Seal completes the header of the next frame, which begins with the page's
// number and has the page behind the header. pageCount is that of the database
// after the transaction in the last frame, and 0 in the others.
func (s *Sealer) Seal(frame []byte, pageCount uint32) {
	head := frame[:FrameHeaderSize]
	binary.BigEndian.PutUint32(head[4:], pageCount)
	copy(head[8:], s.salt[:])
	s.sum.add(head[:8])
	s.sum.add(frame[FrameHeaderSize:])
	s.sum.append(head[:16])
}

// A Reader reads a WAL of one transaction, from pieces that end between frames.
type Reader struct {
	pageSize  int
	pageCount uint32
	salt      Salt
	sum       checksum
	last      uint32 // number of the latest page
	begun     bool
	committed bool
}

// NewReader returns a Reader for a transaction that leaves the database with
// that many pages.
func NewReader(pageSize int, pageCount uint32) *Reader {
	return &Reader{pageSize: pageSize, pageCount: pageCount}
}

// Read calls page for each page in piece, which must be the header or what
// follows the piece before it. The error is page's, or what is wrong with
// the WAL: SQLite would ignore it, or apply less of it.
func (l *Reader) Read(piece []byte, page func(number uint32, content []byte) error) error {
	if !l.begun {
		if err := l.header(piece); err != nil {
			return err
		}
		piece = piece[HeaderSize:]
	}
	size := FrameHeaderSize + l.pageSize
	for ; len(piece) >= size; piece = piece[size:] {
		number, err := l.frame(piece[:FrameHeaderSize], piece[FrameHeaderSize:size])
		if err == nil {
			err = page(number, piece[FrameHeaderSize:size])
		}
		if err != nil {
			return err
		}
	}
	if len(piece) > 0 {
		return errors.New("it ends within a frame")
	}
	return nil
}

// Close returns an error if the transaction is not complete.
func (l *Reader) Close() error {
	if !l.committed {
		return errors.New("its transaction has no end")
	}
	return nil
}

// Pages yields the number and the content of each page in a piece that begins and
// ends between frames. It verifies nothing: for what was verified as a whole.
func Pages(piece []byte, pageSize int) iter.Seq2[uint32, []byte] {
	size := FrameHeaderSize + pageSize
	return func(yield func(uint32, []byte) bool) {
		for ; len(piece) >= size; piece = piece[size:] {
			if !yield(binary.BigEndian.Uint32(piece), piece[FrameHeaderSize:size]) {
				return
			}
		}
	}
}

func (l *Reader) header(piece []byte) error {
	if len(piece) < HeaderSize {
		return errors.New("its header is cut short")
	}
	l.begun = true
	l.salt = Salt(piece[16:24])
	l.sum.add(piece[:24])
	if binary.BigEndian.Uint32(piece) != magic || binary.BigEndian.Uint32(piece[4:]) != version ||
		binary.BigEndian.Uint32(piece[8:]) != uint32(l.pageSize) || binary.BigEndian.Uint32(piece[12:]) != sequence || !l.matches(piece[24:32]) {
		return errors.New("its header is not valid")
	}
	return nil
}

// frame checks a frame and returns the number of its page.
func (l *Reader) frame(head, content []byte) (uint32, error) {
	number, commit := binary.BigEndian.Uint32(head), binary.BigEndian.Uint32(head[4:])
	l.sum.add(head[:8])
	l.sum.add(content)
	switch {
	case Salt(head[8:16]) != l.salt || !l.matches(head[16:24]):
		return 0, fmt.Errorf("the frame of page %d is not valid", number)
	case l.committed:
		return 0, fmt.Errorf("page %d follows the end of its transaction", number)
	case number <= l.last || number > l.pageCount || int64(number) == int64(LockPage(l.pageSize)):
		return 0, fmt.Errorf("page %d is out of place", number)
	case commit != 0 && commit != l.pageCount:
		return 0, fmt.Errorf("its transaction ends with %d pages instead of %d", commit, l.pageCount)
	}
	l.last, l.committed = number, commit != 0
	return number, nil
}

func (l *Reader) matches(sum []byte) bool {
	return l.sum == checksum{binary.BigEndian.Uint32(sum), binary.BigEndian.Uint32(sum[4:])}
}
