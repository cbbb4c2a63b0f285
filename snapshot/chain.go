package snapshot

import (
	"context"
	"fmt"
	"io"

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
			return nil, err
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

// A Target is where Extract writes a database: an empty file.
type Target interface {
	io.WriterAt
	Truncate(size int64) error
}

// Extract writes the database to w, from the full snapshot up, and verifies all
// of each archive and the digest of the result. If it returns an error, which
// wraps ErrDamaged or is that of w or of an archive's reader, w has got rubbish.
func (c *Chain) Extract(ctx context.Context, w Target, o ExtractOptions) error {
	if err := c.verifyDigests(ctx); err != nil {
		return err
	}
	progress := o.Progress
	total, before := c.contentSize(), int64(0)
	for _, a := range c.archives {
		if progress != nil {
			o.Progress = func(done, _ int64) { progress(before+done, total) }
		}
		if err := a.writeTo(ctx, w, o); err != nil {
			return fmt.Errorf("snapshot %s: %w", a.manifest.ID, err)
		}
		before += a.contentSize()
	}
	return disk.Wrap("set the database's length", w.Truncate(c.Manifest().Size))
}

// verifyDigests compares the page digests of each archive, laid over those of
// its base, with its digest.
func (c *Chain) verifyDigests(ctx context.Context) error {
	full := c.archives[0]
	var source pageSource = newRooted(full.leaves(ctx), full.manifest)
	for i, a := range c.archives[1:] {
		over, err := newOverlay(source, c.archives[i].manifest.PageCount, a.leaves(ctx))
		if err != nil {
			return err
		}
		source = newRooted(over, a.manifest)
	}
	return readAll(source)
}

func (c *Chain) contentSize() int64 {
	var size int64
	for _, a := range c.archives {
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
