package snapshot

import (
	"encoding/binary"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/wal"
)

const (
	// numberedSize is a page number (big-endian) and a page digest, in bytes.
	numberedSize = 4 + PageDigestSize

	// maxContent bounds what a data frame decodes to, in bytes: 4 MiB of pages,
	// which are those of a WAL in a differential.
	maxContent = wal.HeaderSize + frameSize/512*(wal.FrameHeaderSize+512)
)

// A geometry is how the pages of an archive are dealt out to its data frames.
type geometry struct {
	kind     Kind
	pageSize int
	pages    int // in the archive
}

func (m *Manifest) geometry() geometry {
	pages := m.PageCount
	if m.Kind == KindDifferential {
		pages = m.Pages
	}
	return geometry{m.Kind, m.PageSize, pages}
}

// perFrame returns how many pages a data frame holds, but for the last one.
func (g geometry) perFrame() int { return frameSize / g.pageSize }

func (g geometry) frames() int { return (g.pages + g.perFrame() - 1) / g.perFrame() }

// pagesIn returns how many pages data frame i holds.
func (g geometry) pagesIn(i int) int { return min(g.perFrame(), g.pages-i*g.perFrame()) }

// offset returns where the content of data frame i begins in the content of all.
func (g geometry) offset(i int) int64 {
	pages := int64(min(g.pages, i*g.perFrame()))
	if g.kind == KindFull {
		return pages * int64(g.pageSize)
	}
	if i == 0 {
		return 0
	}
	return wal.HeaderSize + pages*int64(wal.FrameHeaderSize+g.pageSize)
}

// length returns what data frame i decodes to, in bytes.
func (g geometry) length(i int) int { return int(g.offset(i+1) - g.offset(i)) }

// entrySize returns what stands for each page among the page digests, in bytes.
func (g geometry) entrySize() int {
	if g.kind == KindFull {
		return PageDigestSize
	}
	return numberedSize
}

// tag returns what the frames of page digests begin with.
func (g geometry) tag() string {
	if g.kind == KindFull {
		return tagPages
	}
	return tagChanged
}

// digestFrames returns how many frames of page digests there are.
func (g geometry) digestFrames() int { return (g.pages + maxPagesInFrame - 1) / maxPagesInFrame }

// digestLength returns the bytes of page digests in frame i of them.
func (g geometry) digestLength(i int) int {
	return min(maxPagesInFrame, g.pages-i*maxPagesInFrame) * g.entrySize()
}

// digests returns the page digests of the content of data frame i, as they stand
// in an archive.
func (g geometry) digests(i int, content []byte) []byte {
	if g.kind == KindFull {
		return pageDigests(nil, content, i*g.perFrame()+1, g.pageSize)
	}
	if i == 0 {
		content = content[wal.HeaderSize:]
	}
	var digests []byte
	for number, page := range wal.Pages(content, g.pageSize) {
		digests = appendNumbered(digests, number, pageDigest(int(number), page))
	}
	return digests
}

// appendNumbered appends a page's number and digest to dst.
func appendNumbered(dst []byte, number uint32, digest []byte) []byte {
	return append(binary.BigEndian.AppendUint32(dst, number), digest...)
}

// maxArchiveSize returns how large an archive can become whose pages cannot be
// compressed at all, in bytes.
func (g geometry) maxArchiveSize() int64 {
	const perFrame = 64 + maxContent/(128<<10)*3 + tableEntry + seekEntrySize // zstd: 3 bytes a block of 128 KiB, a header, a checksum
	frames, pages := int64(g.frames()), int64(g.pages)
	return g.offset(g.frames()) + frames*perFrame + pages*int64(g.entrySize()) + (pages/maxPagesInFrame+4)*64 + maxManifest + 1<<10
}
