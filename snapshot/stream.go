package snapshot

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/disk"
)

// Stream is Extract for a w that must be written in order. The pages of the
// differentials wait in a temp file under o.TempDir. What has been written before
// an error is verified, but not the whole database.
func (c *Chain) Stream(ctx context.Context, w io.Writer, o ExtractOptions) (err error) {
	if err := c.verifyDigests(ctx); err != nil {
		return err
	}
	p, err := c.newPatch(o.TempDir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	full, rest := c.archives[0], c.archives[1:]
	total := contentSize(c.archives)
	if err := writeAll(ctx, rest, p, o.within(0, total)); err != nil {
		return err
	}
	err = full.extract(ctx, o.within(contentSize(rest), total), nil, func(content []byte) error { return p.pass(content, w) })
	if err != nil {
		return ofArchive(full, err)
	}
	return p.end(ctx, w)
}

// A patch is a Target that lies over a database: it keeps what is written to it,
// and puts that in the place of what passes through it.
type patch struct {
	scratch  *disk.Scratch
	file     *os.File // sparse: each page at its place
	pageSize int64
	has      []uint64 // a bit for each page in file
	cut      int64    // where the database beneath ends, in bytes: behind that it counts as zeros
	size     int64    // of the result, in bytes
	at       int64    // how much of the result has passed
}

// newPatch makes one for the differentials of a chain.
func (c *Chain) newPatch(tempDir string) (_ *patch, err error) {
	p := &patch{pageSize: int64(c.Manifest().PageSize), cut: c.archives[0].manifest.Size, size: c.archives[0].manifest.Size}
	if len(c.archives) == 1 {
		return p, nil // nothing will be written to it
	}
	most, need := 0, int64(0)
	for _, a := range c.archives[1:] {
		most, need = max(most, a.manifest.PageCount), need+int64(a.manifest.Pages)*p.pageSize
	}
	p.has = make([]uint64, most/64+1)
	if p.scratch, err = disk.NewScratch(tempDir, need); err != nil {
		return nil, err
	}
	if p.file, err = createIn(p.scratch, pagesName); err != nil {
		return nil, errors.Join(err, p.scratch.Close())
	}
	return p, nil
}

func (p *patch) close() error {
	if p.scratch == nil {
		return nil
	}
	return errors.Join(p.file.Close(), p.scratch.Close())
}

// WriteAt takes a page.
func (p *patch) WriteAt(page []byte, off int64) (int, error) {
	n := off / p.pageSize
	p.has[n/64] |= 1 << (n % 64)
	return p.file.WriteAt(page, off)
}

// Truncate sets the size of the result. What is behind it is zeros from now on, in
// the file too.
func (p *patch) Truncate(size int64) error {
	p.cut, p.size = min(p.cut, size), size
	return p.file.Truncate(size)
}

func (p *patch) holds(off int64) bool {
	n := off / p.pageSize
	return n/64 < int64(len(p.has)) && p.has[n/64]&(1<<(n%64)) != 0
}

// pass patches content, which is the next of the database beneath and whole pages,
// and writes what belongs to the result to w.
func (p *patch) pass(content []byte, w io.Writer) error {
	content = content[:max(0, min(int64(len(content)), p.size-p.at))]
	if p.at+int64(len(content)) > p.cut {
		clear(content[max(0, p.cut-p.at):])
	}
	for from := int64(0); from < int64(len(content)); from += p.pageSize {
		to := from
		for to < int64(len(content)) && p.holds(p.at+to) {
			to += p.pageSize
		}
		if to == from {
			continue
		}
		if _, err := p.file.ReadAt(content[from:to], p.at+from); err != nil {
			return disk.WrapTemp("read pages of the differentials", err)
		}
		from = to
	}
	p.at += int64(len(content))
	_, err := w.Write(content)
	return disk.Wrap("write the database", err)
}

// end writes what the result has behind the end of the database beneath.
func (p *patch) end(ctx context.Context, w io.Writer) error {
	content := make([]byte, min(frameSize, p.size-p.at))
	for p.at < p.size {
		if err := ctx.Err(); err != nil {
			return err
		}
		clear(content)
		if err := p.pass(content, w); err != nil {
			return err
		}
	}
	return nil
}

// Verify verifies all that Extract does and the content digests besides, and needs
// no disk. It does not apply the differentials: that they give a database is
// verified by their page digests.
func (c *Chain) Verify(ctx context.Context, o ExtractOptions) error {
	o.Digests = true
	return c.Extract(ctx, nowhere{}, o)
}

// nowhere is a Target that keeps nothing.
type nowhere struct{}

func (nowhere) WriteAt(p []byte, _ int64) (int, error) { return len(p), nil }
func (nowhere) Truncate(int64) error                   { return nil }

// WritePages writes the page digests of the database to w, PageDigestSize each, in
// page order, and verifies that they give its digest. NewBase makes a base of them.
func (c *Chain) WritePages(ctx context.Context, w io.Writer) error {
	source, err := c.digests(ctx)
	if err == nil {
		_, err = rootOf(ctx, source, c.Manifest().PageSize, w)
	}
	return err
}
