package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/worker"
	"github.com/lifeboat-sqlite/lifeboat/restore/diff"
	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/disk"
)

// openDatabase reads the database that is the newer side, as a backup does: in one state,
// and without a change to it. Only what differs from the snapshot is kept, or, if that is
// most of it, a copy.
func (x *comparing) openDatabase(ctx context.Context, o *diffOutput) (err error) {
	known, err := x.spoolDigests(ctx)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, known.Close())
		}
	}()
	x.digests = diff.DigestsIn(known, x.from.Manifest().PageCount)
	reader := worker.Reader{Pool: x.console.workers, Limit: x.limit()}
	how := snapshot.CopyOptions{TempDir: x.TempDir, Wait: x.Wait.or(snapshot.NoWait), Progress: x.console.progress("read"), Log: x.console.log}
	x.to.name = "database " + x.DB
	reading, err := reader.Read(ctx, x.DB, snapshot.NewBase(x.from.Manifest(), known), snapshot.ReadOptions{CopyOptions: how, Check: snapshot.CheckNone})
	if errors.As(err, new(*snapshot.BaseError)) {
		return x.openCopy(ctx, reader, how, known, o)
	}
	if err != nil {
		return err
	}
	o.taken(reading.TakenAt)
	x.to.close = func() error { return errors.Join(reading.Close(), known.Close()) }
	x.to.digest = reading.Digest.String()
	if x.to.Pages, err = reading.Content(); err != nil {
		return errors.Join(err, reading.Close())
	}
	x.hold(reading.Header, reading.Digest)
	return nil
}

// openCopy copies the database.
func (x *comparing) openCopy(ctx context.Context, reader worker.Reader, how snapshot.CopyOptions, known io.Closer, o *diffOutput) error {
	c, err := reader.Take(ctx, x.DB, how)
	if err != nil {
		return err
	}
	digest, err := c.Digest(ctx, nil)
	if err != nil {
		return errors.Join(err, c.Close())
	}
	o.taken(c.TakenAt)
	x.to.close = func() error { return errors.Join(c.Close(), known.Close()) }
	x.to.digest = digest.String()
	x.to.Pages = c.Content()
	x.hold(c.Header, digest)
	return nil
}

// hold sets what the newer side has by its header and digest.
func (x *comparing) hold(h snapshot.Header, digest *snapshot.Digest) {
	x.to.Size, x.to.pages = h.Size(), h.PageCount
	x.to.digests = diff.DigestsIn(digest.Pages(), h.PageCount)
	x.to.chained = true // what is at hand costs nothing to read
}

// spoolDigests returns a file with the page digests of the snapshot.
func (x *comparing) spoolDigests(ctx context.Context) (_ *os.File, err error) {
	dir := x.TempDir
	if dir == "" {
		dir = os.TempDir()
	}
	f, err := disk.Nameless(dir)
	if err != nil {
		return nil, disk.WrapTemp("keep page digests", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	out := bufio.NewWriterSize(f, 1<<18)
	for digest, err := range x.from.Digests(ctx) {
		if err != nil {
			return nil, err
		}
		if _, err := out.Write(digest); err != nil {
			return nil, disk.WrapTemp("keep page digests", err)
		}
	}
	return f, disk.WrapTemp("keep page digests", out.Flush())
}
