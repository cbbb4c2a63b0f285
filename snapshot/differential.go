package snapshot

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/disk"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/wal"
)

// A Base is what is known of the snapshot that a differential is to stand on.
type Base struct {
	Reference
	PageSize  int
	PageCount int
	Pages     io.ReaderAt // its page digests: 16 bytes a page, in page order
}

// A differ finds the pages of a copy that differ from a base.
type differ struct {
	own, base     *bufio.Reader
	pages         int
	basePages     int
	lockPage      int
	digest, other [digestSize]byte
}

func newDiffer(d *Digest, pages int, base Base) *differ {
	read := func(r io.ReaderAt, pages int) *bufio.Reader {
		return bufio.NewReaderSize(io.NewSectionReader(r, 0, int64(pages)*digestSize), 1<<18)
	}
	return &differ{own: read(d.leaves, pages), base: read(base.Pages, base.PageCount), pages: pages, basePages: base.PageCount,
		lockPage: wal.LockPage(base.PageSize)}
}

// each calls found with the number and the digest of each page that a
// differential holds: of those that differ, and of the first one. The one that
// SQLite never uses is left out.
func (d *differ) each(ctx context.Context, found func(number int, digest []byte) error) error {
	for number := 1; number <= d.pages; number++ {
		if number%(1<<16) == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if _, err := io.ReadFull(d.own, d.digest[:]); err != nil {
			return disk.Wrap("read page digests", err)
		}
		same := false
		if number <= d.basePages {
			if _, err := io.ReadFull(d.base, d.other[:]); err != nil {
				return disk.Wrap("read the base's page digests", err)
			}
			same = bytes.Equal(d.digest[:], d.other[:])
		}
		if same && number != 1 || number == d.lockPage {
			continue
		}
		if err := found(number, d.digest[:]); err != nil {
			return err
		}
	}
	return nil
}

// CountChanges returns how many pages of the copy with that digest a
// differential on the base would hold.
func (c *Copy) CountChanges(ctx context.Context, d *Digest, base Base) (int, error) {
	if base.PageSize != c.Header.PageSize {
		return 0, fmt.Errorf("compare %s with snapshot %s: their page sizes are %d and %d", c.source, base.ID, c.Header.PageSize, base.PageSize)
	}
	n := 0
	err := newDiffer(d, c.Header.PageCount, base).each(ctx, func(int, []byte) error { n++; return nil })
	return n, err
}

// Changes are the pages of a database that differ from a base, as a WAL in a
// temp file. Close removes it.
type Changes struct {
	taken  *Taken
	source string // for messages
	digest *Digest
	base   Reference
	spool  *spool
	frames []hashed // the archive's data frames
}

// Changes collects the pages of the copy that differ from the base's, n of them
// as CountChanges has counted, in a temp directory under tempDir. Errors wrap
// ErrNoRoom or ErrTempDir, or are those of CountChanges.
func (c *Copy) Changes(ctx context.Context, d *Digest, base Base, n int, tempDir string) (_ *Changes, err error) {
	spool, err := newSpool(tempDir, c.Header.PageSize, n)
	if err != nil {
		return nil, err
	}
	frames, err := c.collect(ctx, d, base, spool)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("collect what has changed in %s: %w", c.source, err), spool.Close())
	}
	return &Changes{&c.Taken, c.source, d, base.Reference, spool, frames}, nil
}

// collect puts into the spool what differs from the base.
func (c *Copy) collect(ctx context.Context, d *Digest, base Base, spool *spool) ([]hashed, error) {
	page := make([]byte, c.Header.PageSize)
	err := newDiffer(d, c.Header.PageCount, base).each(ctx, func(number int, digest []byte) error {
		if _, err := c.db.ReadAt(page, int64(number-1)*int64(len(page))); err != nil {
			return disk.Wrap("read the copy", err)
		}
		if !bytes.Equal(pageDigest(number, page), digest) {
			return fmt.Errorf("page %d of the copy is not what was hashed", number)
		}
		return spool.add(number, page, digest)
	})
	if err != nil {
		return nil, err
	}
	return spool.seal(base.Digest, c.Header.PageCount)
}

// Pages returns how many pages differ.
func (ch *Changes) Pages() int { return ch.spool.pages }

// MaxArchiveSize returns how large the archive can become, in bytes.
func (ch *Changes) MaxArchiveSize() int64 { return ch.spool.geometry().maxArchiveSize() }

// WriteArchive compresses the changes on all cores and writes the archive of the
// differential to w. Errors are those of w, or wrap ErrSource, ErrNoRoom or what
// ended ctx.
func (ch *Changes) WriteArchive(ctx context.Context, w io.Writer, o ArchiveOptions) (Manifest, error) {
	m := ch.taken.manifest(ch.digest, &o)
	m.Kind, m.Format = KindDifferential, formats[KindDifferential]
	m.Base, m.Pages = ch.base, ch.spool.pages
	return m, writeArchive(ctx, w, &m, content{ch.source, ch.spool.wal, ch.spool.leaves, ch.frames, false}, o)
}

// Close removes the temp files.
func (ch *Changes) Close() error { return ch.spool.Close() }
