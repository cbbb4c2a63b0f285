package snapshot

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/disk"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/wal"
)

// A spool keeps the pages that differ from a base in temp files: a WAL, and page
// numbers and page digests as the archive has them. The pages come in page order,
// but for the first one, which may come again.
type spool struct {
	scratch  *disk.Scratch
	pageSize int
	pages    int
	wal      *os.File
	leaves   *os.File
	out      *bufio.Writer // to wal
	list     *bufio.Writer // to leaves
	frame    []byte
}

// newSpool makes a spool under tempDir for a number of pages.
func newSpool(tempDir string, pageSize, pages int) (_ *spool, err error) {
	g := geometry{KindDifferential, pageSize, pages}
	scratch, err := disk.NewScratch(tempDir, g.offset(g.frames())+int64(pages)*numberedSize)
	if err != nil {
		return nil, err
	}
	s := &spool{scratch: scratch, pageSize: pageSize, frame: make([]byte, wal.FrameHeaderSize+pageSize)}
	if s.wal, err = createIn(scratch, walName); err == nil {
		s.leaves, err = createIn(scratch, pagesName)
	}
	if err == nil {
		s.out, s.list = bufio.NewWriterSize(s.wal, 1<<20), bufio.NewWriterSize(s.leaves, 1<<18)
		_, err = s.out.Write(make([]byte, wal.HeaderSize))
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func createIn(scratch *disk.Scratch, name string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(scratch.Path(), name), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	return f, disk.WrapTemp("create a temp file", err)
}

// fill makes s.frame that of a page, without checksums.
func (s *spool) fill(number int, page []byte) {
	binary.BigEndian.PutUint32(s.frame, uint32(number))
	copy(s.frame[wal.FrameHeaderSize:], page)
}

// add takes the next page that differs.
func (s *spool) add(number int, page, digest []byte) error {
	s.fill(number, page)
	s.pages++
	_, err := s.out.Write(s.frame)
	if err == nil {
		_, err = s.list.Write(appendNumbered(nil, uint32(number), digest))
	}
	return disk.WrapTemp("write what has changed", err)
}

// setFirst takes the first page once more, which must have been added first.
func (s *spool) setFirst(page, digest []byte) error {
	if err := s.flush(); err != nil {
		return err
	}
	s.fill(1, page)
	_, err := s.wal.WriteAt(s.frame, wal.HeaderSize)
	if err == nil {
		_, err = s.leaves.WriteAt(appendNumbered(nil, 1, digest), 0)
	}
	return disk.WrapTemp("write what has changed", err)
}

func (s *spool) flush() error {
	return disk.WrapTemp("write what has changed", errors.Join(s.out.Flush(), s.list.Flush()))
}

// geometry returns that of the archive of what is in the spool.
func (s *spool) geometry() geometry { return geometry{KindDifferential, s.pageSize, s.pages} }

// seal makes a WAL of what is in the spool, which leaves the database with that
// many pages, and returns the archive's data frames. The base's digest is its
// salt.
func (s *spool) seal(baseDigest string, pageCount int) ([]hashed, error) {
	if err := s.flush(); err != nil {
		return nil, err
	}
	salt, err := hex.DecodeString(strings.TrimPrefix(baseDigest, digestPrefix))
	if err != nil || len(salt) < len(wal.Salt{}) {
		return nil, fmt.Errorf("the base has no valid digest: %q", baseDigest)
	}
	sealer, header := wal.NewSealer(s.pageSize, wal.Salt(salt[:len(wal.Salt{})]))
	g := s.geometry()
	buf, leaves := make([]byte, g.length(0)), make([]byte, g.perFrame()*numberedSize)
	frames := make([]hashed, g.frames())
	for i := range frames {
		content, list := buf[:g.length(i)], leaves[:g.pagesIn(i)*numberedSize]
		if _, err := s.wal.ReadAt(content, g.offset(i)); err != nil {
			return nil, disk.WrapTemp("read what has changed", err)
		}
		if _, err := s.leaves.ReadAt(list, int64(i*g.perFrame()*numberedSize)); err != nil {
			return nil, disk.WrapTemp("read what has changed", err)
		}
		rest := content
		if i == 0 {
			copy(content, header)
			rest = content[wal.HeaderSize:]
		}
		for size := len(s.frame); len(rest) > 0; rest = rest[size:] {
			last := uint32(0)
			if i == len(frames)-1 && len(rest) == size {
				last = uint32(pageCount)
			}
			sealer.Seal(rest[:size], last)
		}
		if _, err := s.wal.WriteAt(content, g.offset(i)); err != nil {
			return nil, disk.WrapTemp("write what has changed", err)
		}
		frames[i] = hashed{sha256.Sum256(list), crc32.Checksum(content, castagnoli)}
	}
	return frames, nil
}

// Close removes the temp files.
func (s *spool) Close() (err error) {
	for _, f := range []*os.File{s.wal, s.leaves} {
		if f != nil {
			err = errors.Join(err, f.Close())
		}
	}
	return errors.Join(err, s.scratch.Close())
}
