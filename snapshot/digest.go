package snapshot

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"os"
	"path/filepath"
	"runtime"
)

const (
	// FrameSize is how many bytes of database one frame holds. It is part of
	// the format, because the digest depends on it.
	FrameSize = 4 << 20

	digestSize   = 16 // of a page digest, bytes
	digestPrefix = "lb1:"
)

type sum = [sha256.Size]byte

// pageDigests appends the digests of the pages in frame to dst.
func pageDigests(dst, frame []byte, pageSize int) []byte {
	for ; len(frame) > 0; frame = frame[min(pageSize, len(frame)):] {
		d := sha256.Sum256(frame[:min(pageSize, len(frame))])
		dst = append(dst, d[:digestSize]...)
	}
	return dst
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

func frameCount(size int64) int { return int((size + FrameSize - 1) / FrameSize) }

// frameLength returns the bytes of database in frame i.
func frameLength(size int64, i int) int {
	return int(min(FrameSize, size-int64(i)*FrameSize))
}

// A Digest is a copy's digest tree. Its leaves, the page digests, are in a
// file beside the copy, for they would need 4 MiB of memory a GiB.
type Digest struct {
	root     string
	contents []sum
	leaves   string
}

// String returns the digest of the database's content: "lb1:" and 64 hex digits.
func (d *Digest) String() string { return d.root }

// Digest reads the whole copy once and computes its digest tree.
func (c *Copy) Digest(ctx context.Context, progress func(done, total int64)) (_ *Digest, err error) {
	db, err := os.Open(c.path)
	if err != nil {
		return nil, fileError("read the copy", err)
	}
	defer db.Close()
	d := &Digest{leaves: filepath.Join(c.dir.path, "pages")}
	leaves, err := os.OpenFile(d.leaves, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fileError("spool page digests", err)
	}
	defer leaves.Close()
	spool := bufio.NewWriterSize(leaves, 1<<18)

	size, pageSize, workers := c.Header.Size(), c.Header.PageSize, runtime.GOMAXPROCS(0)
	frames := newBufferPool(workers, FrameSize)
	var done int64
	work := func(_ context.Context, i int) ([]byte, error) {
		frame := frames.get()[:frameLength(size, i)]
		defer frames.put(frame)
		if _, err := db.ReadAt(frame, int64(i)*FrameSize); err != nil {
			return nil, fileError("read the copy", err)
		}
		return pageDigests(make([]byte, 0, len(frame)/pageSize*digestSize), frame, pageSize), nil
	}
	emit := func(digests []byte) error {
		d.contents = append(d.contents, sha256.Sum256(digests))
		if progress != nil {
			done += int64(len(digests) / digestSize * pageSize)
			progress(done, size)
		}
		_, err := spool.Write(digests)
		return err
	}
	if err := inOrder(ctx, frameCount(size), workers, work, emit); err != nil {
		return nil, err
	}
	if err := spool.Flush(); err != nil {
		return nil, fileError("spool page digests", err)
	}
	d.root = databaseDigest(pageSize, c.Header.PageCount, d.contents)
	return d, nil
}
