package snapshot

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/disk"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite"
)

// PageDigestSize is the size of a page digest, in bytes.
const PageDigestSize = 16

const (
	// frameSize is how many bytes of database one frame holds. It is part of
	// the format, because the digest depends on it.
	frameSize = 4 << 20

	digestPrefix = "lb1:"
)

type sum = [sha256.Size]byte

// pageDigests appends the digests of the pages in content to dst. The first of
// them has that number, from 1.
func pageDigests(dst, content []byte, first, pageSize int) []byte {
	for number := first; len(content) > 0; number++ {
		page := content[:min(pageSize, len(content))]
		content = content[len(page):]
		dst = append(dst, pageDigest(number, page)...)
	}
	return dst
}

// pageDigest returns the digest of the page with that number. In the first page
// it takes for zeros what changes though the content does not: the change
// counter, the schema cookie, and the change counter and version of the SQLite
// that wrote it last (https://www.sqlite.org/fileformat2.html#the_database_header).
// The backup API sets all of them.
func pageDigest(number int, page []byte) []byte {
	if number != 1 || len(page) < sqlite.HeaderSize {
		d := sha256.Sum256(page)
		return d[:PageDigestSize]
	}
	var head [sqlite.HeaderSize]byte
	copy(head[:], page)
	clear(head[24:28])
	clear(head[40:44])
	clear(head[92:100])
	h := sha256.New()
	h.Write(head[:])
	h.Write(page[len(head):])
	return h.Sum(nil)[:PageDigestSize]
}

// databaseDigest is the root of the digest tree.
func databaseDigest(pageSize, pageCount int, contents []sum) string {
	h := sha256.New()
	var head [8]byte
	binary.BigEndian.PutUint32(head[:4], uint32(pageSize))
	binary.BigEndian.PutUint32(head[4:], uint32(pageCount))
	h.Write(head[:])
	for i := range contents {
		h.Write(contents[i][:])
	}
	return digestPrefix + hex.EncodeToString(h.Sum(nil))
}

func frameCount(size int64) int { return int((size + frameSize - 1) / frameSize) }

// frameLength returns the bytes of database in frame i.
func frameLength(size int64, i int) int {
	return int(min(frameSize, size-int64(i)*frameSize))
}

// A Digest is a copy's digest tree. Its leaves, the page digests, are in a
// file beside the copy, for they would need 4 MiB of memory a GiB.
type Digest struct {
	root   string
	frames []hashed
	leaves io.ReaderAt
}

// Pages returns the page digests, PageDigestSize each, in page order. They can be
// read until the copy or the reading is closed.
func (d *Digest) Pages() io.ReaderAt { return d.leaves }

// String returns the digest of the database's content: "lb1:" and 64 hex digits.
func (d *Digest) String() string { return d.root }

// A hashed frame is one whose page digests have been written to the file of
// leaves.
type hashed struct {
	content  sum    // content digest
	checksum uint32 // of the bytes that were hashed
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// readStep is how much of a frame is read at once, in bytes: so little that
// what is hashed next is still in the processor's own cache. Every page size
// divides it.
const readStep = 256 << 10

// hashFrame reads frame i of the copy, which is length bytes long, and writes
// its page digests to leaves. buf is its own to use, and has room for readStep.
func hashFrame(db io.ReaderAt, leaves io.WriterAt, buf []byte, i, length, pageSize int) (hashed, error) {
	var h hashed
	digests := make([]byte, 0, length/pageSize*PageDigestSize)
	for done := 0; done < length; done += readStep {
		step := buf[:min(readStep, length-done)]
		if _, err := db.ReadAt(step, int64(i)*frameSize+int64(done)); err != nil {
			return hashed{}, disk.Wrap("read the copy", err)
		}
		h.checksum = crc32.Update(h.checksum, castagnoli, step)
		digests = pageDigests(digests, step, (i*frameSize+done)/pageSize+1, pageSize)
	}
	h.content = sha256.Sum256(digests)
	if _, err := leaves.WriteAt(digests, int64(i)*int64(frameSize/pageSize*PageDigestSize)); err != nil {
		return hashed{}, disk.Wrap("spool page digests", err)
	}
	return h, nil
}

// Digest computes the copy's digest tree. What was hashed while the copy was
// being made is not read again: WriteArchive, which reads it anyway, refuses
// frames that are not those that were hashed. progress, which may be nil, is
// called with bytes hashed and to be hashed.
func (c *Copy) Digest(ctx context.Context, progress func(done, total int64)) (*Digest, error) {
	d := &Digest{leaves: c.pages}
	size, pageSize, workers := c.Header.Size(), c.Header.PageSize, workers()
	steps := newBufferPool(workers, readStep)
	work := func(_ context.Context, i int) (hashed, error) {
		// SQLite writes the first page once more when the copy is complete.
		if i > 0 && i < len(c.early) && frameLength(size, i) == frameSize {
			return c.early[i], nil
		}
		buf := steps.get()[:readStep]
		defer steps.put(buf)
		return hashFrame(c.db, c.pages, buf, i, frameLength(size, i), pageSize)
	}
	emit := func(h hashed) error {
		d.frames = append(d.frames, h)
		if progress != nil {
			progress(min(size, int64(len(d.frames))*frameSize), size)
		}
		return nil
	}
	if err := inOrder(ctx, frameCount(size), workers, work, emit); err != nil {
		return nil, err
	}
	contents := make([]sum, len(d.frames))
	for i, h := range d.frames {
		contents[i] = h.content
	}
	d.root = databaseDigest(pageSize, c.Header.PageCount, contents)
	return d, nil
}

// A follower hashes a copy while SQLite writes it, on a core that would be
// idle. SQLite writes the pages in order and keeps the last few in its cache;
// a frame is read once the copy is further ahead than that. A copy that starts
// again overwrites pages that look right but are old: then the follower stops, and
// leaves everything to Digest. It also stops once the copy is complete: Digest then
// hashes the rest on all cores.
type follower struct {
	mu     sync.Mutex
	ready  int64 // bytes at the start of the copy that are in the file
	lost   bool  // the copy has begun anew
	over   bool  // the copy is complete
	frames []hashed
	wake   chan struct{}
	stop   func() ([]hashed, error)
}

// follow starts a follower of the copy. Its stop must be called.
func (c *Copy) follow(pageSize int) (*follower, error) {
	db, err := os.Open(c.path)
	if err != nil {
		return nil, disk.Wrap("read the copy", err)
	}
	leaves, err := os.OpenFile(filepath.Join(c.place.dir, pagesName), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, errors.Join(disk.Wrap("spool page digests", err), db.Close())
	}
	f := &follower{wake: make(chan struct{}, 1)}
	gone := make(chan error, 1)
	go func() {
		f.run(db, leaves, pageSize)
		gone <- errors.Join(db.Close(), leaves.Close())
	}()
	f.stop = func() ([]hashed, error) {
		f.mu.Lock()
		f.over = true
		f.mu.Unlock()
		close(f.wake)
		err := <-gone
		if f.lost {
			f.frames = nil
		}
		return f.frames, err
	}
	return f, nil
}

// lose notes that the copy has begun anew.
func (f *follower) lose() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lost = true
}

// copied notes how many bytes SQLite has copied, and wakes the follower.
func (f *follower) copied(bytes int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ready = bytes - followLag
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

func (f *follower) run(db io.ReaderAt, leaves io.WriterAt, pageSize int) {
	buf := make([]byte, readStep)
	for range f.wake {
		for {
			f.mu.Lock()
			i := len(f.frames)
			wait := f.lost || f.over || f.ready < int64(i+1)*frameSize
			f.mu.Unlock()
			if wait {
				break
			}
			h, err := hashFrame(db, leaves, buf, i, frameSize, pageSize)
			if err != nil {
				break // Digest hashes the frame again, and returns the error if there still is one
			}
			f.mu.Lock()
			f.frames = append(f.frames, h)
			f.mu.Unlock()
		}
	}
}
