package snapshot

import (
	"context"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sync/errgroup"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/wal"
)

// A PageReader reads the pages of a chain's database in any order, frame by frame:
// each from the newest archive that holds it.
type PageReader struct {
	archives []*Archive
	sets     []*pageSet // what the differentials hold: sets[i] is of archives[i+1]
	decoder  *zstd.Decoder
	packed   *bufferPool
	contents *bufferPool
}

// A Place is where a page is: a data frame of one of the archives, of which the full
// one is 0.
type Place struct{ Archive, Frame int }

// PageReader returns one that keeps the buffers of that many reads at a time. It reads
// the page numbers of all differentials at once. Errors are *ArchiveError. The reader
// must be closed.
func (c *Chain) PageReader(ctx context.Context, reads int) (*PageReader, error) {
	r := &PageReader{archives: c.archives, sets: make([]*pageSet, len(c.archives)-1)}
	group, ctx := errgroup.WithContext(ctx)
	largest := 0
	for i, a := range c.archives {
		largest = max(largest, a.manifest.geometry().length(0))
		if i == 0 {
			continue
		}
		group.Go(func() (err error) {
			m := &a.manifest
			r.sets[i-1], err = newPageSet(a.leaves(ctx), m.PageSize, m.PageCount, c.archives[i-1].manifest.PageCount)
			return ofArchive(a, err)
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(reads), zstd.WithDecoderMaxMemory(maxContent), zstd.WithDecoderMaxWindow(maxContent))
	if err != nil {
		return nil, err
	}
	r.decoder, r.packed, r.contents = decoder, newBufferPool(reads, 0), newBufferPool(reads, largest)
	return r, nil
}

// Close releases what decoding needs. No Read may be under way.
func (r *PageReader) Close() { r.decoder.Close() }

// Find returns where the page with that number is, from 1. It reports false for a
// page that is in no archive and full of zeros: the one that SQLite never uses.
func (r *PageReader) Find(page int) (Place, bool) {
	for i := len(r.sets) - 1; i >= 0; i-- {
		if set := r.sets[i]; set.has(page) {
			return Place{i + 1, set.rank(page) / r.archives[i+1].manifest.geometry().perFrame()}, true
		}
		if page > r.archives[i].manifest.PageCount {
			return Place{}, false
		}
	}
	return Place{0, (page - 1) / r.archives[0].manifest.geometry().perFrame()}, true
}

// Frames returns how many data frames the archive i has.
func (r *PageReader) Frames(i int) int { return len(r.archives[i].data) }

// Archives returns how many archives there are.
func (r *PageReader) Archives() int { return len(r.archives) }

// Size returns how many bytes of the archive a frame takes.
func (r *PageReader) Size(p Place) int { return r.archives[p.Archive].data[p.Frame].length }

// Read reads, verifies and decodes a frame, and calls put with the pages in it that
// are of the database, in runs, and where they lie there. Other frames hold the newer
// content of the rest. The errors are put's, or an *ArchiveError.
func (r *PageReader) Read(p Place, put func(off int64, pages []byte) error) error {
	content := r.contents.get()
	defer func() { r.contents.put(content) }()
	decoded, err := r.decode(p, content)
	if err != nil {
		return ofArchive(r.archives[p.Archive], err)
	}
	content = decoded
	if p.Archive == 0 {
		return r.putFull(p, content, put)
	}
	return r.putDifferential(p, content, put)
}

func (r *PageReader) decode(p Place, dst []byte) ([]byte, error) {
	a := r.archives[p.Archive]
	packed, err := a.readRange(r.packed.get(), a.data[p.Frame:p.Frame+1])
	defer func() { r.packed.put(packed) }()
	if err != nil {
		return nil, err
	}
	return a.decode(r.decoder, dst, packed, p.Frame)
}

// putFull puts the pages of a full one's frame that no differential has replaced.
func (r *PageReader) putFull(p Place, content []byte, put func(off int64, pages []byte) error) error {
	size, start := r.pageSize(), r.archives[0].manifest.geometry().offset(p.Frame)
	from := 0 // of the run, in content
	for at := 0; at <= len(content); at += size {
		number := int(start+int64(at))/size + 1
		if at < len(content) && number <= r.Pages() {
			if place, found := r.Find(number); found && place == p {
				continue
			}
		}
		if from < at {
			if err := put(start+int64(from), content[from:at]); err != nil {
				return err
			}
		}
		from = at + size
	}
	return nil
}

// putDifferential puts the pages of a differential's frame that no later one has
// replaced. They must be those that its page digests list.
func (r *PageReader) putDifferential(p Place, content []byte, put func(off int64, pages []byte) error) error {
	a, set := r.archives[p.Archive], r.sets[p.Archive-1]
	g := a.manifest.geometry()
	if p.Frame == 0 {
		content = content[wal.HeaderSize:]
	}
	rank := p.Frame * g.perFrame()
	for number, page := range wal.Pages(content, g.pageSize) {
		if !set.has(int(number)) || set.rank(int(number)) != rank {
			return ofArchive(a, damaged("its WAL: page %d is out of place", number))
		}
		rank++
		if place, _ := r.Find(int(number)); place != p || int(number) > r.Pages() {
			continue
		}
		if err := put(int64(number-1)*int64(g.pageSize), page); err != nil {
			return err
		}
	}
	return nil
}

// Pages returns how many pages the database has.
func (r *PageReader) Pages() int { return r.archives[len(r.archives)-1].manifest.PageCount }

func (r *PageReader) pageSize() int { return r.archives[0].manifest.PageSize }
