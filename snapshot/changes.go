package snapshot

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/disk"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/wal"
)

// A Base is what is known of the snapshot that a differential is to stand on.
type Base struct {
	Reference
	PageSize  int
	PageCount int
	Pages     io.ReaderAt // its page digests, PageDigestSize each, in page order
}

// NewBase returns what a differential needs that is to stand on the snapshot with
// the manifest m. pages are the snapshot's page digests, as Digest.Pages returns them.
func NewBase(m Manifest, pages io.ReaderAt) Base {
	return Base{Reference{m.ID, m.Digest, m.Hash()}, m.PageSize, m.PageCount, pages}
}

// digests yields the base's page digests.
func (b Base) digests() pageSource { return newDigestFile(b.Pages, b.PageCount, PageDigestSize) }

// changes are the pages that differ from a base, as a WAL, and what goes with them
// into the archive of a differential.
type changes struct {
	files  changesFiles
	pages  int
	frames []hashed // the archive's data frames
	header Header
	digest *Digest // of the whole database
}

// changesFiles are the files of changes.
type changesFiles struct {
	wal    *os.File // as a spool has written it; its checksums are added
	list   *os.File // page numbers and page digests, as the archive has them
	leaves *os.File // the page digests of the whole database
}

func (f changesFiles) close() (err error) {
	for _, file := range []*os.File{f.wal, f.list, f.leaves} {
		if file != nil {
			err = errors.Join(err, file.Close())
		}
	}
	return err
}

// newChanges completes the WAL and computes everything else from the pages in it
// and the base alone. Whatever has written the pages, the changes are consistent
// in themselves. The caller closes the files.
func newChanges(ctx context.Context, base Base, files changesFiles) (*changes, error) {
	c := &changes{files: files}
	if err := c.measure(base); err != nil {
		return nil, err
	}
	if err := c.seal(ctx, base); err != nil {
		return nil, err
	}
	return c, c.lay(ctx, base)
}

// measure reads how many pages there are, in the WAL and in the database.
func (c *changes) measure(base Base) error {
	info, err := c.files.wal.Stat()
	if err != nil {
		return disk.WrapTemp("read what has changed", err)
	}
	frame := int64(wal.FrameHeaderSize + base.PageSize)
	length := info.Size() - wal.HeaderSize
	if length < frame || length%frame != 0 {
		return fmt.Errorf("a WAL of %d bytes has no whole pages of %d bytes", info.Size(), base.PageSize)
	}
	head := make([]byte, sqlite.HeaderSize)
	if _, err := c.files.wal.ReadAt(head, wal.HeaderSize+wal.FrameHeaderSize); err != nil {
		return disk.WrapTemp("read what has changed", err)
	}
	if c.header, err = sqlite.ParseHeader(head); err != nil {
		return err
	}
	pages := length / frame
	switch {
	case c.header.PageSize != base.PageSize:
		return fmt.Errorf("the first page is of a database with pages of %d bytes, not %d", c.header.PageSize, base.PageSize)
	case pages > int64(c.header.PageCount), int64(c.header.PageCount-base.PageCount) > pages+1: // a WAL lacks the lock page
		return fmt.Errorf("%d pages cannot make a database of %d on a base of %d", pages, c.header.PageCount, base.PageCount)
	}
	c.pages = int(pages)
	temp := filepath.Dir(filepath.Dir(c.files.leaves.Name())) // the user knows that one's name
	return disk.CheckTemp(temp, pages*numberedSize+int64(c.header.PageCount)*PageDigestSize)
}

// mostChanges returns how many pages of a database may differ from a base.
func mostChanges(pageCount int) int { return max(pageCount/2, 1) }

func (c *changes) geometry() geometry {
	return geometry{KindDifferential, c.header.PageSize, c.pages}
}

// seal adds header and checksums to the WAL, and lists its pages. The base's digest
// is the WAL's salt.
func (c *changes) seal(ctx context.Context, base Base) error {
	salt, err := hex.DecodeString(strings.TrimPrefix(base.Digest, digestPrefix))
	if err != nil || len(salt) < len(wal.Salt{}) {
		return fmt.Errorf("the base has no valid digest: %q", base.Digest)
	}
	sealer, header := wal.NewSealer(base.PageSize, wal.Salt(salt[:len(wal.Salt{})]))
	g := c.geometry()
	contents := newBufferPool(2*workers(), g.length(0))
	type frame struct {
		i             int
		content, list []byte
	}
	work := func(_ context.Context, i int) (frame, error) {
		content := contents.get()[:g.length(i)]
		if _, err := c.files.wal.ReadAt(content, g.offset(i)); err != nil {
			return frame{}, disk.WrapTemp("read what has changed", err)
		}
		return frame{i, content, g.digests(i, content)}, nil
	}
	before := uint32(0) // the number of the page before
	emit := func(f frame) error {
		defer contents.put(f.content)
		rest := f.content
		if f.i == 0 {
			copy(f.content, header)
			rest = f.content[wal.HeaderSize:]
		}
		for size := wal.FrameHeaderSize + base.PageSize; len(rest) > 0; rest = rest[size:] {
			number := binary.BigEndian.Uint32(rest)
			if !c.follows(number, before) {
				return fmt.Errorf("page %d is out of place", number)
			}
			before = number
			commit := uint32(0)
			if f.i == g.frames()-1 && len(rest) == size {
				commit = uint32(c.header.PageCount)
			}
			sealer.Seal(rest[:size], commit)
		}
		c.frames = append(c.frames, hashed{sha256.Sum256(f.list), crc32.Checksum(f.content, castagnoli)})
		_, err := c.files.wal.WriteAt(f.content, g.offset(f.i))
		if err == nil {
			_, err = c.files.list.WriteAt(f.list, int64(f.i*g.perFrame()*numberedSize))
		}
		return disk.WrapTemp("write what has changed", err)
	}
	return inOrder(ctx, g.frames(), workers(), work, emit)
}

// follows reports whether a page may stand in the WAL behind another one, or behind
// none if that is 0: the first page comes first, and the lock page never.
func (c *changes) follows(number, before uint32) bool {
	if before == 0 {
		return number == 1
	}
	return number > before && int64(number) <= int64(c.header.PageCount) && int(number) != wal.LockPage(c.header.PageSize)
}

// lay lays the digests of the listed pages over the base's.
func (c *changes) lay(ctx context.Context, base Base) error {
	changed := newDigestFile(c.files.list, c.pages, numberedSize)
	over, err := newOverlay(base.digests(), base.PageCount, changed, base.PageSize, c.header.PageCount)
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(c.files.leaves, 1<<18)
	root, err := rootOf(ctx, over, base.PageSize, out)
	if errors.Is(err, ErrDamaged) { // no snapshot is
		err = errors.New(err.Error())
	}
	if err == nil {
		err = disk.WrapTemp("write page digests", out.Flush())
	}
	c.digest = &Digest{root: root, leaves: c.files.leaves}
	return err
}
