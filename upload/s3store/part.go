package s3store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/disk"
)

const (
	mib         = 1 << 20
	minPart     = 5 * mib // S3's minimum for all parts but the last
	defaultPart = 8 * mib
	maxPart     = 5 << 30 // S3's maximum
	maxParts    = 10_000  // S3's maximum
	// Parts over spoolOver are kept in files, and parts in memory take
	// maxMemory together.
	spoolOver = 32 * mib
	maxMemory = 64 * mib
)

// partSize returns the size of the parts for content of at most maxSize bytes:
// the wanted size (8 MiB if 0), or whole MiB above it as 10,000 parts need.
func partSize(maxSize, wanted int64) (int64, error) {
	size := wanted
	if size == 0 {
		size = defaultPart
	}
	if needed := (maxSize + maxParts - 1) / maxParts; needed > size {
		size = (needed + mib - 1) / mib * mib
	}
	if size < minPart || size > maxPart {
		return 0, fmt.Errorf("parts of %d bytes for an object of up to %d bytes: S3 takes parts of 5 MiB to 5 GiB", size, maxSize)
	}
	return size, nil
}

// partsAtOnce returns how many parts of a size there may be at once: one being
// filled and the rest being uploaded.
func partsAtOnce(size int64, concurrency int) int {
	if size > spoolOver {
		return concurrency + 1
	}
	return max(2, min(concurrency+1, int(maxMemory/size)))
}

// A part holds the content of one part, in memory or in a file without a name.
type part struct {
	memory []byte
	file   *os.File // nil: in memory
	n      int64
}

// newPart returns an empty part for size bytes; hint is how many to expect.
func newPart(size, hint int64, dir string) (*part, error) {
	if size <= spoolOver {
		return &part{memory: make([]byte, 0, hint)}, nil
	}
	file, err := disk.Nameless(dir)
	if err != nil {
		return nil, disk.Wrap("spool a part", err)
	}
	return &part{file: file}, nil
}

// Write appends to the part.
func (p *part) Write(data []byte) (int, error) {
	if p.file == nil {
		p.memory = append(p.memory, data...)
		p.n += int64(len(data))
		return len(data), nil
	}
	n, err := p.file.WriteAt(data, p.n)
	p.n += int64(n)
	if err != nil {
		return n, disk.Wrap("spool a part", err)
	}
	return n, nil
}

func (p *part) reader() io.ReadSeeker {
	if p.file == nil {
		return bytes.NewReader(p.memory)
	}
	return io.NewSectionReader(p.file, 0, p.n)
}

// reset empties the part for new content.
func (p *part) reset() { p.memory, p.n = p.memory[:0], 0 }

func (p *part) close() error {
	if p.file == nil {
		return nil
	}
	return p.file.Close()
}

// A partPool hands out a bounded number of parts, used again and again.
type partPool struct {
	size  int64
	dir   string
	slots chan struct{} // one for each part in use
	idle  chan *part
}

func newPartPool(size int64, held int, dir string) *partPool {
	return &partPool{size: size, dir: dir, slots: make(chan struct{}, held), idle: make(chan *part, held)}
}

// get returns an empty part, waiting for one if all are in use.
func (p *partPool) get(ctx context.Context, hint int64) (*part, error) {
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	select {
	case part := <-p.idle:
		part.reset()
		return part, nil
	default:
		part, err := newPart(p.size, hint, p.dir)
		if err != nil {
			<-p.slots
		}
		return part, err
	}
}

func (p *partPool) put(part *part) {
	p.idle <- part
	<-p.slots
}

// close releases the parts, all of which must have been put back.
func (p *partPool) close() error {
	close(p.idle)
	var errs []error
	for part := range p.idle {
		errs = append(errs, part.close())
	}
	return errors.Join(errs...)
}
