package snapshot

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/disk"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/wal"
)

// errAnew: what has been read is not one state of the database.
var errAnew = errors.New("what has been read is not one state of the database")

// maxAhead is how many frames may have pages while the first of them still lacks
// some. SQLite's backup writes pages in order; its cache keeps a few back.
const maxAhead = 3

// A sink is where SQLite's backup writes a database that is only read: it hashes
// the pages on all cores and puts those that differ from the base into a spool.
// Without a spool it only hashes. Its methods belong to the one goroutine that runs
// the backup.
type sink struct {
	base  Base
	spool *spool // nil: nothing is kept
	most  int    // how many pages may differ
	room  int    // pages in a frame's buffer

	g       geometry       // of a database whose pages are not counted yet
	first   []byte         // the first page, which the backup writes at its end
	end     int64          // of the file that SQLite sees
	open    map[int]*batch // frames that lack pages
	next    int            // the frame that is hashed next
	err     error          // why no more is taken
	buffers *bufferPool
	frames  chan frameIn
	done    chan error

	contents []sum  // content digests; the pipeline's until done
	leaves   []byte // the page digests of the first frame
}

// A batch is a frame's pages while they come in.
type batch struct {
	content []byte
	has     []bool
	missing int
}

// frameIn is a whole frame on its way in, and frameOut what is found out about it.
type frameIn struct {
	i       int
	content []byte
}

type frameOut struct {
	frameIn
	digests []byte
	differ  []int // pages of the frame, from 0
}

// newSink starts to take a database of that many pages, or fewer. finish or abort
// must follow.
func newSink(ctx context.Context, base Base, pages int, spool *spool) *sink {
	g := geometry{KindFull, base.PageSize, 0}
	room := min(g.perFrame(), max(pages, 1)) // SQLite makes a page of an empty file
	s := &sink{base: base, spool: spool, most: mostChanges(pages), room: room, g: g, open: map[int]*batch{},
		buffers: newBufferPool(2*workers()+maxAhead, room*base.PageSize), frames: make(chan frameIn), done: make(chan error, 1)}
	go func() { s.done <- ordered(ctx, s.frames, workers(), s.hash, s.keep) }()
	return s
}

// hash computes a frame's page digests and compares them with the base's.
func (s *sink) hash(_ context.Context, in frameIn) (frameOut, error) {
	firstPage := in.i * s.g.perFrame()
	out := frameOut{frameIn: in, digests: pageDigests(nil, in.content, firstPage+1, s.g.pageSize)}
	if s.spool == nil {
		return out, nil
	}
	known := min(max(s.base.PageCount-firstPage, 0), len(out.digests)/PageDigestSize)
	old := make([]byte, known*PageDigestSize)
	if _, err := s.base.Pages.ReadAt(old, int64(firstPage*PageDigestSize)); err != nil && (err != io.EOF || known > 0) {
		return out, disk.Wrap("read the base's page digests", err)
	}
	for i := range len(out.digests) / PageDigestSize {
		number, at := firstPage+i+1, i*PageDigestSize
		same := i < known && bytes.Equal(out.digests[at:at+PageDigestSize], old[at:at+PageDigestSize])
		if (!same || number == 1) && number != wal.LockPage(s.g.pageSize) {
			out.differ = append(out.differ, i)
		}
	}
	return out, nil
}

// keep puts away what is found out about a frame. The frames come in order.
func (s *sink) keep(f frameOut) error {
	defer s.buffers.put(f.content)
	s.contents = append(s.contents, sha256.Sum256(f.digests))
	if f.i == 0 {
		s.leaves = f.digests
	}
	if s.spool == nil {
		return nil
	}
	if s.spool.pages+len(f.differ) > s.most {
		return &BaseError{"more than half of the pages differ"}
	}
	for _, i := range f.differ {
		if err := s.spool.add(f.i*s.g.perFrame()+i+1, f.content[i*s.g.pageSize:][:s.g.pageSize]); err != nil {
			return err
		}
	}
	return nil
}

// WriteAt takes a page.
func (s *sink) WriteAt(p []byte, off int64) (int, error) {
	size := int64(s.g.pageSize)
	if int64(len(p)) != size || off%size != 0 {
		return 0, fmt.Errorf("SQLite wrote %d bytes at %d, which is no page of %d bytes", len(p), off, size)
	}
	s.end = max(s.end, off+size)
	page := int(off / size)
	if page == 0 {
		s.first = append(s.first[:0], p...)
	}
	i := page / s.g.perFrame()
	switch {
	case s.err != nil, page == 0:
	case i < s.next || i >= s.next+maxAhead || page%s.g.perFrame() >= s.room:
		s.err = errAnew
	default:
		s.put(i, page%s.g.perFrame(), p)
	}
	return len(p), nil
}

// put puts a page into its frame, and hands on what is complete.
func (s *sink) put(i, page int, p []byte) {
	b := s.batch(i)
	copy(b.content[page*s.g.pageSize:], p)
	b.mark(page)
	for b := s.open[s.next]; b != nil && b.missing == 0 && s.err == nil; b = s.open[s.next] {
		s.hand(b.content)
	}
}

func (b *batch) mark(page int) {
	if !b.has[page] {
		b.has[page] = true
		b.missing--
	}
}

// batch returns the frame i, which may be new. Nothing waits for the first page,
// which comes last, nor for the one that SQLite never uses, which is zeros.
func (s *sink) batch(i int) *batch {
	if b := s.open[i]; b != nil {
		return b
	}
	n := s.g.perFrame()
	b := &batch{content: s.buffers.get()[:s.room*s.g.pageSize], has: make([]bool, n), missing: n}
	if i == 0 {
		b.mark(0)
	}
	if unused := wal.LockPage(s.g.pageSize) - 1 - i*n; unused >= 0 && unused < n {
		clear(b.content[unused*s.g.pageSize:][:s.g.pageSize])
		b.mark(unused)
	}
	s.open[i] = b
	return b
}

// hand hands the next frame to the pipeline.
func (s *sink) hand(content []byte) {
	delete(s.open, s.next)
	select {
	case s.frames <- frameIn{s.next, content}:
		s.next++
	case s.err = <-s.done:
		s.done <- s.err
	}
}

// ReadAt returns what has been written of a page that is not on its way yet, and
// otherwise zeros: a backup reads pages only to write over them, and the first
// one.
func (s *sink) ReadAt(p []byte, off int64) (int, error) {
	if off >= s.end {
		return 0, io.EOF
	}
	clear(p)
	if off < int64(len(s.first)) {
		copy(p, s.first[off:])
	}
	return len(p), nil
}

// finish hands on the last frame, and returns the digest of the database, which
// has that many pages. What differs is in the spool then.
func (s *sink) finish(pageCount int) (digest string, err error) {
	g := geometry{KindFull, s.g.pageSize, pageCount}
	for s.err == nil && s.next < g.frames() {
		b := s.batch(s.next)
		for page := g.pagesIn(s.next); page < g.perFrame(); page++ {
			b.mark(page)
		}
		if b.missing > 0 {
			s.err = errAnew
			break
		}
		s.hand(b.content[:g.length(s.next)])
	}
	if s.err == nil && (s.next > g.frames() || len(s.first) == 0) {
		s.err = errAnew
	}
	if err := s.abort(); err != nil {
		return "", err
	}
	// Nothing has waited for the first page.
	copy(s.leaves, pageDigest(1, s.first))
	s.contents[0] = sha256.Sum256(s.leaves)
	digest = databaseDigest(s.g.pageSize, pageCount, s.contents)
	if s.spool == nil {
		return digest, nil
	}
	return digest, s.spool.end(s.first)
}

// abort ends the pipeline and returns the sink's error.
func (s *sink) abort() error {
	close(s.frames)
	if err := <-s.done; s.err == nil {
		s.err = err
	}
	return s.err
}
