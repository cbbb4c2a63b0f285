package snapshot

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"iter"
)

// A Proof takes the bytes of an archive in order, as they pass on their way to another
// place, and proves that they are those that its writer wrote: each frame by the
// SHA-256 that the frame table has of it, and the tables by the manifest that was read
// when the archive was opened. It decodes nothing.
type Proof struct {
	next  func() (piece, bool)
	stop  func()
	now   piece
	seen  int // bytes of now
	hash  hash.Hash
	ended bool
	err   error
}

// A piece is a part of an archive that has a hash of its own.
type piece struct {
	what   string // for messages
	length int
	want   sum
	free   bool // there is no hash: a frame that a later version writes and this one skips
}

// Proof returns a Proof of the archive. Its Close must be called.
func (a *Archive) Proof() *Proof {
	p := &Proof{hash: sha256.New()}
	p.next, p.stop = iter.Pull(a.pieces())
	p.advance()
	return p
}

// pieces yields all of the archive, from the first byte to the last.
func (a *Archive) pieces() iter.Seq[piece] {
	return func(yield func(piece) bool) {
		for i, f := range a.data {
			if !yield(piece{what: fmt.Sprintf("frame %d", i), length: f.length, want: f.hash}) {
				return
			}
		}
		if !a.digestPieces(yield) {
			return
		}
		for _, f := range a.unknown {
			if !yield(piece{what: "a frame behind the page digests", length: f.length, free: true}) {
				return
			}
		}
		for _, end := range a.tailPieces() {
			if !yield(end) {
				return
			}
		}
	}
}

// digestPieces yields the frames of page digests: the header of each, and the page
// digests of each data frame, of which that has the hash.
func (a *Archive) digestPieces(yield func(piece) bool) bool {
	g := a.manifest.geometry()
	for i, f := range a.data {
		if page := i * g.perFrame(); page%maxPagesInFrame == 0 {
			n := g.digestLength(page / maxPagesInFrame)
			if !yield(exactly("page digests", skippableHeader(g.tag(), n))) {
				return false
			}
		}
		if !yield(piece{what: fmt.Sprintf("page digests of frame %d", i), length: g.pagesIn(i) * g.entrySize(), want: f.contentDigest}) {
			return false
		}
	}
	return true
}

// tailPieces are the frame table, the manifest and the seek table.
func (a *Archive) tailPieces() []piece {
	text := sumIn(a.manifest.hash)
	head := append(skippableHeader(tagManifest, sha256.Size+a.manifestLength), text[:]...)
	return []piece{
		{what: "frame table", length: skippableHead + tagSize + len(a.data)*tableEntry, want: sumIn(a.manifest.FrameTable)},
		exactly("manifest", head),
		{what: "manifest", length: a.manifestLength, want: text},
		exactly("seek table", appendSeekTable(nil, a.entries())),
	}
}

// sumIn returns a hash that a manifest has in hexadecimal: one that is not valid was
// refused when it was read.
func sumIn(text string) (s sum) {
	if decoded, err := hex.DecodeString(text); err == nil {
		copy(s[:], decoded)
	}
	return s
}

// exactly is a piece whose bytes are known.
func exactly(what string, content []byte) piece {
	return piece{what: what, length: len(content), want: sha256.Sum256(content)}
}

// entries returns the seek table, which lists all frames before it.
func (a *Archive) entries() []seekEntry {
	var entries []seekEntry
	for _, frames := range [][]frame{a.data, a.pages, a.unknown} {
		for _, f := range frames {
			entries = append(entries, seekEntry{uint32(f.length), uint32(f.content)})
		}
	}
	return append(entries,
		seekEntry{uint32(skippableHead + tagSize + len(a.data)*tableEntry), 0},
		seekEntry{uint32(skippableHead + tagSize + sha256.Size + a.manifestLength), 0})
}

// Write implements io.Writer. The error wraps ErrDamaged from the end of the first
// piece on that is not as it was written.
func (p *Proof) Write(b []byte) (int, error) {
	written := 0
	for p.err == nil && len(b) > 0 {
		if p.ended {
			p.err = damaged("the object is longer than its archive")
			break
		}
		part := b[:min(len(b), p.now.length-p.seen)]
		if !p.now.free {
			p.hash.Write(part)
		}
		written, p.seen, b = written+len(part), p.seen+len(part), b[len(part):]
		if p.seen == p.now.length {
			p.err = p.check()
			p.advance()
		}
	}
	return written, p.err
}

// check compares the piece that has passed.
func (p *Proof) check() error {
	if !p.now.free && sum(p.hash.Sum(nil)) != p.now.want {
		return damaged("%s does not match its checksum", p.now.what)
	}
	return nil
}

// advance goes on to the next piece.
func (p *Proof) advance() {
	var more bool
	p.now, more = p.next()
	p.seen, p.ended = 0, !more
	p.hash.Reset()
}

// Close returns nil if all of the archive has passed as it was written, and else an
// error that wraps ErrDamaged.
func (p *Proof) Close() error {
	p.stop()
	if p.err == nil && !p.ended {
		p.err = damaged("the object ends too early")
	}
	err := p.err
	if err == nil {
		p.err = errors.New("the proof has ended")
	}
	return err
}
