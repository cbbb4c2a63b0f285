package snapshot

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"
)

// withUnknown returns an archive with n frames of a later version, each with a
// payload of that size.
func withUnknown(t *testing.T, n, payload int) []byte {
	t.Helper()
	b := seedArchive(t, 3, 4096)
	size, err := seekTableSize(b, int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	entries, err := parseSeekTable(b[len(b)-int(size):])
	if err != nil {
		t.Fatal(err)
	}
	frames, err := layOut(entries, int64(len(b))-size)
	if err != nil {
		t.Fatal(err)
	}
	last := len(frames) - 1
	body := bytes.Clone(b[:frames[last-1].offset])
	list := appendSeekTable(nil, entries[:last-1])
	list = bytes.Clone(list[skippableHead : len(list)-seekFootSize])
	frame := append(skippableHeader("next", payload), make([]byte, payload)...)
	for range n {
		body = append(body, frame...)
		list = binary.LittleEndian.AppendUint64(list, uint64(len(frame)))
	}
	manifest := b[frames[last].offset:][:frames[last].length][skippableHead+tagSize+len(sum{}):]
	return craft(body, list, manifest)
}

// A countingReader counts reads, each of which is a request to a store.
type countingReader struct {
	io.ReaderAt
	reads int
}

func (r *countingReader) ReadAt(p []byte, off int64) (int, error) {
	r.reads++
	return r.ReaderAt.ReadAt(p, off)
}

// Frames of a later version cost few reads, however many there are; too many
// are refused before anything but the end is read.
func TestUnknownFramesCostFewReads(t *testing.T) {
	for _, c := range []struct{ frames, payload, reads int }{
		{0, 0, 10}, {1, 0, 11}, {maxUnknown, 3, 11}, {maxUnknown, 500, 20}, {3, 1 << 20, 15},
		{maxUnknown + 1, 0, 5}, {20_000, 3, 5},
	} {
		b := withUnknown(t, c.frames, c.payload)
		r := &countingReader{ReaderAt: bytes.NewReader(b)}
		a, err := OpenArchive(t.Context(), r, int64(len(b)), "")
		if err == nil {
			err = (&Chain{[]*Archive{a}}).Stream(t.Context(), io.Discard, ExtractOptions{})
		}
		if tooMany := c.frames > maxUnknown; tooMany != errors.Is(err, ErrDamaged) || !tooMany && err != nil {
			t.Errorf("%d frames: %v", c.frames, err)
		}
		if r.reads > c.reads {
			t.Errorf("%d frames of %d bytes: %d reads, want no more than %d", c.frames, c.payload, r.reads, c.reads)
		}
	}
}
