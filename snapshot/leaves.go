package snapshot

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"io"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/disk"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/wal"
)

// A leafReader reads the page digests of an archive in page order. Those of each
// data frame must have its content digest.
type leafReader struct {
	ctx   context.Context
	a     *Archive
	g     geometry
	in    *bufio.Reader // the frame of page digests being read
	frame int           // the data frame whose page digests come next
	buf   []byte
	group []byte // what is left of the page digests of a data frame
}

func (a *Archive) leaves(ctx context.Context) *leafReader {
	g := a.manifest.geometry()
	return &leafReader{ctx: ctx, a: a, g: g, buf: make([]byte, g.perFrame()*g.entrySize())}
}

// next returns the next page digest, in a differential behind its page number.
// It is valid until the call after. The error is io.EOF after the last one.
func (l *leafReader) next() ([]byte, error) {
	if len(l.group) == 0 {
		if l.frame == len(l.a.data) {
			return nil, io.EOF
		}
		if err := l.read(); err != nil {
			return nil, err
		}
	}
	entry := l.group[:l.g.entrySize()]
	l.group = l.group[len(entry):]
	return entry, nil
}

// read reads the page digests of the next data frame.
func (l *leafReader) read() error {
	if err := l.ctx.Err(); err != nil {
		return err
	}
	if page := l.frame * l.g.perFrame(); page%maxPagesInFrame == 0 {
		if err := l.open(page / maxPagesInFrame); err != nil {
			return err
		}
	}
	group := l.buf[:l.g.pagesIn(l.frame)*l.g.entrySize()]
	if err := readFull(l.in, group); err != nil {
		return err
	}
	if sha256.Sum256(group) != l.a.data[l.frame].contentDigest {
		return damaged("page digests of frame %d do not match its content digest", l.frame)
	}
	l.group = group
	l.frame++
	return nil
}

// open begins with frame i of the page digests.
func (l *leafReader) open(i int) error {
	f := l.a.pages[i]
	l.in = bufio.NewReaderSize(io.NewSectionReader(l.a.r, f.offset, int64(f.length)), min(f.length, 4<<20))
	head := make([]byte, skippableHead+tagSize)
	if err := readFull(l.in, head); err != nil {
		return err
	}
	if !bytes.Equal(head, skippableHeader(l.g.tag(), f.length-len(head))) {
		return damaged("page digests have a wrong header")
	}
	return nil
}

// A pageSource yields the digests of all pages of a database, in page order, and
// then io.EOF.
type pageSource interface {
	next() ([]byte, error)
}

// A digestFile yields what is in a file, entry by entry.
type digestFile struct {
	in    *bufio.Reader
	left  int
	entry []byte
}

func newDigestFile(r io.ReaderAt, entries, size int) *digestFile {
	return &digestFile{bufio.NewReaderSize(io.NewSectionReader(r, 0, int64(entries)*int64(size)), 1<<18), entries, make([]byte, size)}
}

func (f *digestFile) next() ([]byte, error) {
	if f.left == 0 {
		return nil, io.EOF
	}
	f.left--
	_, err := io.ReadFull(f.in, f.entry)
	if err == io.EOF { // which is the end of what there should be
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, disk.Wrap("read page digests", err)
	}
	return f.entry, nil
}

// rootOf reads a source to its end, copies it to w, and returns the digest of a
// database with those pages.
func rootOf(ctx context.Context, s pageSource, pageSize int, w io.Writer) (string, error) {
	tree := newTree(pageSize)
	for {
		digest, err := s.next()
		if err == io.EOF {
			return tree.root(), nil
		}
		if err == nil {
			_, err = w.Write(digest)
		}
		if err == nil && tree.pages%(1<<16) == 0 {
			err = ctx.Err()
		}
		if err != nil {
			return "", err
		}
		tree.add(digest)
	}
}

// A tree computes the digest of a database from its page digests.
type tree struct {
	pageSize int
	pages    int
	group    hash.Hash
	contents []sum
}

func newTree(pageSize int) *tree { return &tree{pageSize: pageSize, group: sha256.New()} }

// add takes the next page digest.
func (t *tree) add(digest []byte) {
	t.group.Write(digest)
	if t.pages++; t.pages%(frameSize/t.pageSize) == 0 {
		t.endGroup()
	}
}

func (t *tree) endGroup() {
	t.contents = append(t.contents, sum(t.group.Sum(nil)))
	t.group.Reset()
}

// root returns the digest. No page may follow.
func (t *tree) root() string {
	if t.pages%(frameSize/t.pageSize) > 0 {
		t.endGroup()
	}
	return databaseDigest(t.pageSize, t.pages, t.contents)
}

// An overlay lays the page digests of a differential over those of its base.
type overlay struct {
	base, changed    pageSource
	basePages, pages int
	page             int // the latest
	number           int // of the next changed page, beyond the last page if there is none
	digest           []byte
	unused           []byte // the digest of the page that SQLite never uses
	lockPage         int
}

// newOverlay returns an overlay for a database of that many pages.
func newOverlay(base pageSource, basePages int, changed pageSource, pageSize, pages int) (*overlay, error) {
	o := &overlay{base: base, changed: changed, basePages: basePages, pages: pages, lockPage: wal.LockPage(pageSize)}
	o.unused = pageDigest(o.lockPage, make([]byte, pageSize))
	return o, o.advance()
}

// advance reads the next changed page.
func (o *overlay) advance() error {
	entry, err := o.changed.next()
	if err == io.EOF {
		o.number = o.pages + 1
		return nil
	}
	if err != nil {
		return err
	}
	number := int(binary.BigEndian.Uint32(entry))
	if number <= o.number || number > o.pages || number == o.lockPage {
		return damaged("page digests: page %d is out of place", number)
	}
	o.number, o.digest = number, append(o.digest[:0], entry[4:]...)
	return nil
}

func (o *overlay) next() (digest []byte, err error) {
	if o.page == o.pages {
		return nil, o.drain()
	}
	o.page++
	if o.page <= o.basePages {
		if digest, err = o.base.next(); err != nil {
			return nil, err
		}
	} else if o.page == o.lockPage {
		return o.unused, nil
	}
	if o.page == o.number {
		digest = bytes.Clone(o.digest)
		return digest, o.advance()
	}
	if digest == nil {
		return nil, damaged("page %d is missing", o.page)
	}
	return digest, nil
}

// drain reads what the base has beyond the end, so that it is verified too.
func (o *overlay) drain() error {
	for {
		if _, err := o.base.next(); err != nil {
			return err
		}
	}
}

// A rooted source compares the digest of what it has passed on with the
// manifest's.
type rooted struct {
	pageSource
	m    Manifest
	tree *tree
}

func newRooted(s pageSource, m Manifest) *rooted { return &rooted{s, m, newTree(m.PageSize)} }

func (r *rooted) next() ([]byte, error) {
	digest, err := r.pageSource.next()
	if err == io.EOF && r.tree.root() != r.m.Digest {
		return nil, damaged("page digests do not match the digest of snapshot %s", r.m.ID)
	}
	if err == nil {
		r.tree.add(digest)
	}
	return digest, err
}

// An attributed source is that of an archive, and says so in its errors.
type attributed struct {
	pageSource
	archive *Archive
}

func (s attributed) next() ([]byte, error) {
	digest, err := s.pageSource.next()
	if err != nil && err != io.EOF {
		err = ofArchive(s.archive, err)
	}
	return digest, err
}

// readAll reads a source to its end.
func readAll(s pageSource) error {
	for {
		if _, err := s.next(); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}
