package snapshot

import (
	"context"
	"crypto/sha256"

	"github.com/klauspost/compress/zstd"
)

// rangeSize is how much is read at once, in bytes, unless one frame is larger.
const rangeSize = 8 << 20

// ExtractOptions are the options of Extract and Stream.
type ExtractOptions struct {
	// Workers is how many ranges are fetched and decoded at a time; 0 is one
	// more than there are cores, because fetching waits for the network, and at
	// most four.
	Workers int
	// Digests has the content digests computed anew and compared too. Each
	// frame's bytes are compared with their SHA-256 in any case.
	Digests bool
	// Has is how many archives of a chain, from the full one up, the target already
	// holds: their page digests are read, their data is not. Only Chain.Extract
	// heeds it.
	Has int
	// TempDir is where Stream keeps the pages of differentials; "" is os.TempDir.
	TempDir string
	// Progress is called with bytes of database written and to be written, those
	// of each archive of a chain.
	Progress func(done, total int64)
}

// within returns the options for a part of the work, before which so many of all
// bytes have been done.
func (o ExtractOptions) within(before, total int64) ExtractOptions {
	if progress := o.Progress; progress != nil {
		o.Progress = func(done, _ int64) { progress(before+done, total) }
	}
	return o
}

// extract reads, verifies and decodes all data frames. place gets each from the
// goroutine that decoded it; inTurn gets them one after the other, for which
// they have to be kept, so it reads shorter ranges.
func (a *Archive) extract(ctx context.Context, o ExtractOptions, place func(i int, content []byte) error, inTurn func(content []byte) error) error {
	if o.Workers == 0 {
		o.Workers = workers() + 1
	}
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(o.Workers), zstd.WithDecoderMaxMemory(maxContent), zstd.WithDecoderMaxWindow(maxContent))
	if err != nil {
		return err
	}
	defer decoder.Close()
	if err := a.verifyUnknown(ctx); err != nil {
		return err
	}
	spans := splitSpans(a.data, rangeSize)
	if inTurn != nil {
		spans = splitSpans(a.data, 1)
	}
	packed := newBufferPool(o.Workers, rangeSize)
	g, total := a.manifest.geometry(), a.contentSize()
	contents := newBufferPool(2*o.Workers, g.length(0))
	work := func(ctx context.Context, s int) (last []byte, err error) {
		frames := a.data[spans[s].first:spans[s].end]
		buf, err := a.readRange(packed.get(), frames)
		defer packed.put(buf)
		if err != nil {
			return nil, err
		}
		for i, f := range frames {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			contents.put(last)
			frame := buf[f.offset-frames[0].offset:][:f.length]
			if last, err = a.decode(decoder, contents.get(), frame, spans[s].first+i); err != nil {
				return nil, err
			}
			if o.Digests {
				if err := a.verifyContent(spans[s].first+i, last); err != nil {
					return nil, err
				}
			}
			if place != nil {
				if err := place(spans[s].first+i, last); err != nil {
					return nil, err
				}
			}
		}
		return last, nil
	}
	turn := 0
	emit := func(last []byte) error {
		defer contents.put(last)
		if inTurn != nil {
			if err := inTurn(last); err != nil {
				return err
			}
		}
		if o.Progress != nil {
			o.Progress(g.offset(spans[turn].end), total)
		}
		turn++
		return nil
	}
	return inOrder(ctx, len(spans), o.Workers, work, emit)
}

// readRange reads consecutive frames in one go.
func (a *Archive) readRange(buf []byte, frames []frame) ([]byte, error) {
	length := 0
	for _, f := range frames {
		length += f.length
	}
	if cap(buf) < length {
		buf = make([]byte, 0, length)
	}
	buf = buf[:length]
	return buf, readAt(a.r, buf, frames[0].offset)
}

// decode verifies and decodes the data frame i.
func (a *Archive) decode(decoder *zstd.Decoder, dst, packed []byte, i int) ([]byte, error) {
	f := a.data[i]
	if sha256.Sum256(packed) != f.hash {
		return nil, damaged("frame %d does not match its checksum", i)
	}
	var header zstd.Header
	if err := header.Decode(packed); err != nil || header.Skippable || !header.HasFCS || header.FrameContentSize != uint64(f.content) {
		return nil, damaged("frame %d has a wrong header", i)
	}
	content, err := decoder.DecodeAll(packed, dst)
	if err != nil {
		return nil, damaged("frame %d: %v", i, err)
	}
	if len(content) != f.content {
		return nil, damaged("frame %d decodes to %d bytes instead of %d", i, len(content), f.content)
	}
	return content, nil
}

// verifyContent compares the content digest of the data frame i.
func (a *Archive) verifyContent(i int, content []byte) error {
	if sha256.Sum256(a.manifest.geometry().digests(i, content)) != a.data[i].contentDigest {
		return damaged("frame %d does not match its content digest", i)
	}
	return nil
}

// verifyUnknown makes sure that what this version skips is skipped by every
// other zstd too, so that all make the same database of the archive. Small frames
// are read many at a time.
func (a *Archive) verifyUnknown(ctx context.Context) error {
	buf := make([]byte, tailSize)
	window, start := buf[:0], int64(0)
	for _, f := range a.unknown {
		if err := ctx.Err(); err != nil {
			return err
		}
		if f.length < skippableHead {
			return damaged("a frame behind the page digests is not one to be skipped")
		}
		if f.offset+skippableHead > start+int64(len(window)) {
			last := a.unknown[len(a.unknown)-1]
			start = f.offset
			window = buf[:min(tailSize, last.offset+int64(last.length)-start)]
			if err := readAt(a.r, window, start); err != nil {
				return err
			}
		}
		if !isSkippable(window[f.offset-start:][:skippableHead], f.length) {
			return damaged("a frame behind the page digests is not one to be skipped")
		}
	}
	return nil
}

// span is a run of data frames that is read at once.
type span struct{ first, end int }

// splitSpans cuts the frames into spans of up to size bytes, but at least one
// frame each.
func splitSpans(frames []frame, size int) []span {
	var spans []span
	length := 0
	for i, f := range frames {
		if i == 0 || length+f.length > size {
			spans = append(spans, span{i, i})
			length = 0
		}
		spans[len(spans)-1].end = i + 1
		length += f.length
	}
	return spans
}
