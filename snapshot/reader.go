package snapshot

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
)

const (
	tailSize = 64 << 10 // first read from the end, bytes

	// maxFrame bounds a data frame. zstd falls back to raw blocks, so that a
	// frame is never much larger than its content.
	maxFrame = maxContent + 1<<16
)

// An Archive is an archive that is open for reading. Its end has been read and
// found consistent; its frames are verified as they are read.
type Archive struct {
	r        io.ReaderAt
	manifest Manifest
	data     []frame // data frames
	pages    []frame // frames of page digests
	unknown  []frame // frames behind them that a later version may write

	manifestLength int // of its JSON, in bytes
}

// frame is where a frame lies in the archive, and what it must be.
type frame struct {
	offset        int64
	length        int // bytes in the archive
	content       int // what it decodes to, in bytes; 0 for skippable frames
	hash          sum // of the bytes in the archive
	contentDigest sum
}

// OpenArchive reads the end of the archive of that size in bytes in r: one read,
// or two for databases over about 3 GiB. The manifest must have the given ID,
// unless that is "". Errors wrap ErrDamaged or ErrNewerFormat, or are those of r.
func OpenArchive(ctx context.Context, r io.ReaderAt, size int64, id ID) (*Archive, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	tail, start, err := readTail(r, size)
	if err != nil {
		return nil, err
	}
	seekLength, err := seekTableSize(tail, size)
	if err != nil {
		return nil, err
	}
	if tail, start, err = extendTail(r, size, tail, start, size-seekLength); err != nil {
		return nil, err
	}
	entries, err := parseSeekTable(tail[size-seekLength-start:])
	if err != nil {
		return nil, err
	}
	frames, err := layOut(entries, size-seekLength)
	if err != nil {
		return nil, err
	}
	last := frames[len(frames)-1]
	if last.content != 0 || last.length > skippableHead+tagSize+sha256.Size+maxManifest {
		return nil, damaged("no manifest before the seek table")
	}
	if tail, start, err = extendTail(r, size, tail, start, last.offset); err != nil {
		return nil, err
	}
	payload, ok := skippablePayload(slice(tail, start, last), tagManifest)
	if !ok {
		return nil, damaged("no manifest before the seek table")
	}
	a := &Archive{r: &keptEnd{r, tail, start}, manifestLength: max(0, len(payload)-sha256.Size)}
	if a.manifest, err = decodeManifest(payload); err != nil {
		return nil, err
	}
	if id != "" && a.manifest.ID != id {
		return nil, damaged("it holds snapshot %s, not %s", a.manifest.ID, id)
	}
	return a, a.arrange(frames[:len(frames)-1], size, tail, start)
}

// A keptEnd reads what is in the end that was read first from there: the page digests
// of a small archive, for example.
type keptEnd struct {
	io.ReaderAt
	end   []byte
	start int64
}

func (k *keptEnd) ReadAt(p []byte, off int64) (int, error) {
	if off >= k.start && off-k.start+int64(len(p)) <= int64(len(k.end)) {
		return copy(p, k.end[off-k.start:]), nil
	}
	return k.ReaderAt.ReadAt(p, off)
}

func readTail(r io.ReaderAt, size int64) ([]byte, int64, error) {
	tail := make([]byte, min(size, tailSize))
	start := size - int64(len(tail))
	return tail, start, readAt(r, tail, start)
}

// extendTail makes sure that the tail begins at from or before.
func extendTail(r io.ReaderAt, size int64, tail []byte, start, from int64) ([]byte, int64, error) {
	if from >= start {
		return tail, start, nil
	}
	longer := make([]byte, size-from)
	copy(longer[start-from:], tail)
	return longer, from, readAt(r, longer[:start-from], from)
}

// slice returns frame f out of the tail, nil if the tail does not reach it.
func slice(tail []byte, start int64, f frame) []byte {
	if f.offset < start {
		return nil
	}
	return tail[f.offset-start:][:f.length]
}

// layOut gives the listed frames their places, which must fill the archive up
// to the seek table exactly.
func layOut(entries []seekEntry, end int64) ([]frame, error) {
	frames := make([]frame, len(entries))
	var offset int64
	for i, e := range entries {
		if e.content > maxContent || e.content > 0 && e.compressed > maxFrame {
			return nil, damaged("seek table: frame %d has impossible sizes", i)
		}
		frames[i] = frame{offset: offset, length: int(e.compressed), content: int(e.content)}
		offset += int64(e.compressed)
	}
	if len(frames) == 0 || offset != end {
		return nil, damaged("seek table lists %d bytes of frames, the archive has %d", offset, end)
	}
	return frames, nil
}

// arrange finds data, page digests and frame table among the frames before
// the manifest. Between the latter two may be frames that a later version
// writes and this one skips.
func (a *Archive) arrange(frames []frame, size int64, tail []byte, start int64) (err error) {
	g := a.manifest.geometry()
	n := g.frames()
	if len(frames) < n {
		return damaged("it has %d frames, the manifest needs %d", len(frames), n)
	}
	a.data = frames[:n]
	for i, f := range a.data {
		if f.content != g.length(i) {
			return damaged("frame %d has %d bytes of content instead of %d", i, f.content, g.length(i))
		}
	}
	rest := frames[n:]
	for i, f := range rest {
		if f.content != 0 {
			return damaged("frame %d is behind the end of the database", n+i)
		}
	}
	pages := g.digestFrames()
	if len(rest) < pages+1 {
		return damaged("page digests or frame table are missing")
	}
	a.pages = rest[:pages]
	for i, f := range a.pages {
		if f.length != skippableHead+tagSize+g.digestLength(i) {
			return damaged("page digests have a wrong length")
		}
	}
	a.unknown = rest[pages : len(rest)-1]
	if len(a.unknown) > maxUnknown {
		return damaged("it has %d frames of an unknown kind", len(a.unknown))
	}
	table := rest[len(rest)-1]
	if table.length != skippableHead+tagSize+n*tableEntry || table.length > maxTable {
		return damaged("frame table has a wrong length")
	}
	if tail, start, err = extendTail(a.r, size, tail, start, table.offset); err != nil {
		return err
	}
	return a.readTable(slice(tail, start, table))
}

func (a *Archive) readTable(frame []byte) error {
	payload, ok := skippablePayload(frame, tagTable)
	hash := sha256.Sum256(frame)
	if !ok || hex.EncodeToString(hash[:]) != a.manifest.FrameTable {
		return damaged("frame table does not match the manifest")
	}
	contents := make([]sum, len(a.data))
	for i := range a.data {
		entry := payload[i*tableEntry:]
		a.data[i].hash, a.data[i].contentDigest = sum(entry[:32]), sum(entry[32:64])
		contents[i] = a.data[i].contentDigest
	}
	m := &a.manifest
	if m.Kind == KindFull && databaseDigest(m.PageSize, m.PageCount, contents) != m.Digest {
		return damaged("frame table does not match the digest")
	}
	return nil
}

// Manifest returns the archive's manifest.
func (a *Archive) Manifest() Manifest { return a.manifest }

func readFull(r io.Reader, p []byte) error {
	if _, err := io.ReadFull(r, p); err != nil {
		return readError(err)
	}
	return nil
}

// readAt fills p from off. An object that ends before is a damaged one: its
// size was known.
func readAt(r io.ReaderAt, p []byte, off int64) error {
	n, err := r.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	return readError(err)
}

func readError(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return damaged("the object ends too early")
	}
	return fmt.Errorf("read the snapshot: %w", err)
}
