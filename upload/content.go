package upload

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
)

// A content is what has been read of the database: a copy of it, or the pages that
// differ from the base.
type content struct {
	snapshot.Taken
	digest  *snapshot.Digest
	pages   int   // of the archive
	maxSize int64 // of the archive
	check   func(context.Context) error
	archive func(context.Context, io.Writer, snapshot.ArchiveOptions) (snapshot.Manifest, error)
	close   func() error
}

// readAs reads the database as planned. Where too much differs from the base the plan
// becomes that of a full snapshot.
func (r *run) readAs(ctx context.Context, p *plan) (*content, error) {
	if !p.full() {
		c, err := r.changes(ctx, p)
		var unfit *snapshot.BaseError
		if !errors.As(err, &unfit) {
			return c, err
		}
		r.Log.Debug("too much differs from the base for a differential", "base", p.base.ID, "reason", err)
		p.becomeFull(unfit.Error())
	}
	return r.copy(ctx)
}

// changes reads what differs from the base. The check runs with it.
func (r *run) changes(ctx context.Context, p *plan) (_ *content, err error) {
	began := time.Now()
	o := snapshot.ReadOptions{CopyOptions: r.Copy, Check: r.Check, Known: r.checked(began)}
	o.Progress = r.stage(StageRead)
	checking := false
	o.Checking = func() {
		checking = true
		r.Progress(StageCheck, 0, 0)
	}
	c, err := r.Read(ctx, r.path, p.pages.Base, o)
	if err != nil {
		return nil, err
	}
	r.took(StageRead, began)
	if checking {
		r.Progress(StageCheck, c.Header.Size(), c.Header.Size())
	}
	if reason := unfit(c.Header, p.pages.Base); reason != "" {
		return nil, errors.Join(&snapshot.BaseError{Reason: reason}, c.Close())
	}
	return &content{
		Taken: c.Taken, digest: c.Digest, pages: c.Pages(), maxSize: c.MaxArchiveSize(),
		check:   func(context.Context) error { return nil },
		archive: c.WriteArchive, close: c.Close,
	}, nil
}

// unfit returns why a database of which few pages differ from a base is stored whole,
// or "". One that has shrunk by more than half must show its weight to the shrink guard.
func unfit(h snapshot.Header, base snapshot.Base) string {
	switch {
	case h.Size() <= smallest:
		return "the database is small"
	case 2*h.PageCount < base.PageCount:
		return fmt.Sprintf("it has %d pages, the base %d", h.PageCount, base.PageCount)
	}
	return ""
}

// copy copies the database and hashes the copy. The check runs beside the upload.
func (r *run) copy(ctx context.Context) (_ *content, err error) {
	began := time.Now()
	o := r.Copy
	o.Progress = r.stage(StageCopy)
	c, err := r.Take(ctx, r.path, o)
	if err != nil {
		return nil, err
	}
	r.took(StageCopy, began)
	began = time.Now()
	digest, err := c.Digest(ctx, r.stage(StageDigest))
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	r.took(StageDigest, began)
	return &content{
		Taken: c.Taken, digest: digest, pages: c.Header.PageCount, maxSize: c.MaxArchiveSize(),
		check: func(ctx context.Context) error { return r.checkCopy(ctx, c) },
		archive: func(ctx context.Context, w io.Writer, o snapshot.ArchiveOptions) (snapshot.Manifest, error) {
			return c.WriteArchive(ctx, w, digest, o)
		},
		close: c.Close,
	}, nil
}

func (r *run) checkCopy(ctx context.Context, c *snapshot.Copy) error {
	if r.Check == snapshot.CheckNone {
		return nil
	}
	r.Progress(StageCheck, 0, 0)
	err := c.Check(ctx, r.Check)
	if err == nil {
		r.Progress(StageCheck, c.Header.Size(), c.Header.Size())
	}
	return err
}

// write returns the function that writes the archive for Put, and the archive's
// manifest to m. The check runs beside it; as the function returns only when both are
// done, nothing is visible in the bucket until the check has passed.
func (r *run) write(ctx context.Context, c *content, id snapshot.ID, m *snapshot.Manifest) func(io.Writer) error {
	return func(w io.Writer) error {
		group, ctx := errgroup.WithContext(ctx)
		group.Go(func() error {
			began := time.Now()
			defer r.step("check", began)
			return c.check(ctx)
		})
		group.Go(func() (err error) {
			*m, err = c.archive(ctx, w, snapshot.ArchiveOptions{
				ID: id, Database: r.Name, Tool: r.Tool, Check: r.Check, Level: r.Level, Progress: r.stage(StageUpload),
			})
			return err
		})
		return group.Wait()
	}
}
