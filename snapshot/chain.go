package snapshot

import (
	"context"
	"io"
	"iter"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/disk"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/wal"
)

// A Chain is a snapshot and all that it stands on: a full one, and the
// differentials above it.
type Chain struct{ archives []*Archive }

// NewChain returns the chain of the archives, of which the first is the full one
// and each of the others stands on the one before. Errors wrap ErrDamaged.
func NewChain(archives ...*Archive) (*Chain, error) {
	if len(archives) == 0 || archives[0].manifest.Kind != KindFull {
		return nil, damaged("the chain does not begin with a full snapshot")
	}
	for i, a := range archives[1:] {
		if err := a.manifest.standsOn(archives[i].manifest); err != nil {
			return nil, ofArchive(archives[i], err)
		}
	}
	return &Chain{archives}, nil
}

// standsOn returns an error if base is not the base of the differential m.
func (m Manifest) standsOn(base Manifest) error {
	switch {
	case m.Kind != KindDifferential:
		return damaged("snapshot %s is a full one and stands on nothing", m.ID)
	case m.Base != Reference{base.ID, base.Digest, base.Hash()}:
		return damaged("snapshot %s stands on %s with digest %s, not on %s with digest %s, or on another archive of it", m.ID, m.Base.ID, m.Base.Digest, base.ID, base.Digest)
	case m.PageSize != base.PageSize:
		return damaged("snapshot %s has pages of %d bytes, its base of %d", m.ID, m.PageSize, base.PageSize)
	}
	return nil
}

// Manifest returns the manifest of the snapshot at the top.
func (c *Chain) Manifest() Manifest { return c.top().manifest }

func (c *Chain) top() *Archive { return c.archives[len(c.archives)-1] }

// A Target is where Extract writes a database: an empty file. Truncate is called after
// each archive, which ends what that one has written.
type Target interface {
	io.WriterAt
	Truncate(size int64) error
}

// PeakSize returns how large w becomes while Extract writes to it, in bytes: a base
// can be larger than what stands on it.
func (c *Chain) PeakSize() int64 {
	var size int64
	for _, a := range c.archives {
		size = max(size, a.manifest.Size)
	}
	return size
}

// Extract writes the database to w, from the full snapshot up, and verifies all
// of each archive and the digest of the result. The errors about one archive are an
// *ArchiveError. If it returns an error, which
// wraps ErrDamaged or is that of w or of an archive's reader, w has got rubbish.
func (c *Chain) Extract(ctx context.Context, w Target, o ExtractOptions) error {
	if err := c.verifyDigests(ctx); err != nil {
		return err
	}
	return writeAll(ctx, c.archives[o.Has:], w, o)
}

// writeAll writes one archive after the other to w.
func writeAll(ctx context.Context, archives []*Archive, w Target, o ExtractOptions) error {
	total, before := contentSize(archives), int64(0)
	for _, a := range archives {
		if err := a.writeTo(ctx, w, o.within(before, total)); err != nil {
			return ofArchive(a, err)
		}
		if err := w.Truncate(a.manifest.Size); err != nil {
			return disk.Wrap("set the database's length", err)
		}
		before += a.contentSize()
	}
	return nil
}

// verifyDigests compares the page digests of each archive, laid over those of
// its base, with its digest.
func (c *Chain) verifyDigests(ctx context.Context) error {
	source, err := c.digests(ctx)
	if err != nil {
		return err
	}
	return readAll(source)
}

// digests yields the page digests of the database, and verifies those of each
// archive in the chain.
func (c *Chain) digests(ctx context.Context) (pageSource, error) {
	full := c.archives[0]
	var source pageSource = attributed{newRooted(full.leaves(ctx), full.manifest), full}
	for i, a := range c.archives[1:] {
		over, err := newOverlay(source, c.archives[i].manifest.PageCount, a.leaves(ctx), a.manifest.PageSize, a.manifest.PageCount)
		if err != nil {
			return nil, ofArchive(a, err)
		}
		source = attributed{newRooted(over, a.manifest), a}
	}
	return source, nil
}

// Digests yields the page digests of the database, PageDigestSize each, in page order.
// Each is valid until the next one. Whether they are the snapshot's is known at the
// end: an error, which then wraps ErrDamaged, is the last that it yields.
func (c *Chain) Digests(ctx context.Context) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		source, err := c.digests(ctx)
		for err == nil {
			var digest []byte
			if digest, err = source.next(); err == nil && !yield(digest, nil) {
				return
			}
		}
		if err != io.EOF {
			yield(nil, err)
		}
	}
}

func contentSize(archives []*Archive) int64 {
	var size int64
	for _, a := range archives {
		size += a.contentSize()
	}
	return size
}

// writeTo writes what the archive holds over what its base has left in w.
func (a *Archive) writeTo(ctx context.Context, w io.WriterAt, o ExtractOptions) error {
	if a.manifest.Kind == KindFull {
		return a.extract(ctx, o, func(i int, content []byte) error {
			_, err := w.WriteAt(content, int64(i)*frameSize)
			return disk.Wrap("write the database", err)
		}, nil)
	}
	pageSize := int64(a.manifest.PageSize)
	log := wal.NewReader(a.manifest.PageSize, uint32(a.manifest.PageCount))
	var writing error
	err := a.extract(ctx, o, nil, func(content []byte) error {
		err := log.Read(content, func(number uint32, page []byte) error {
			_, writing = w.WriteAt(page, int64(number-1)*pageSize)
			return writing
		})
		if err != nil && writing == nil {
			return damaged("its WAL: %v", err)
		}
		return disk.Wrap("write the database", err)
	})
	if err != nil {
		return err
	}
	if err := log.Close(); err != nil {
		return damaged("its WAL: %v", err)
	}
	return nil
}

// contentSize returns how many bytes the archive's data frames decode to.
func (a *Archive) contentSize() int64 {
	g := a.manifest.geometry()
	return g.offset(g.frames())
}
