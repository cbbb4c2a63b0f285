package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"os"

	"filippo.io/age"

	"github.com/lifeboat-sqlite/lifeboat/restore/fetch"
	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/disk"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// Options are the options of Open.
type Options struct {
	// Identities decrypt encrypted objects.
	Identities []age.Identity
	// TempDir is for the file with the pages that were fetched, which can become as
	// large as the database; "" is os.TempDir.
	TempDir string
	// MaxFetch is how many bytes may be fetched from the bucket; 0 sets no bound.
	MaxFetch int64
	// Log receives warnings; nil discards them.
	Log *slog.Logger
	// Progress is called with the bytes fetched so far, by one goroutine at a time.
	Progress func(fetched int64)
}

// A Database is the database of a snapshot that stays in the bucket. Any number of
// goroutines may use it at once.
type Database struct {
	ctx    context.Context
	cancel context.CancelFunc
	meter  *meter
	opener *fetch.Opener
	chain  *fetch.Chain
	frames *frames
	file   *os.File // sparse: each page at its place
}

// Open opens a snapshot. Of its objects it reads the ends: the errors are those of
// fetch.Opener, or wrap ErrMaxFetch, or snapshot.ErrNoRoom or snapshot.ErrTempDir for
// the temp file. When ctx is done, all reads fail. The database must be closed.
func Open(ctx context.Context, b bucket.Bucket, s series.Snapshot, o Options) (_ *Database, err error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	d := &Database{meter: newMeter(o.MaxFetch, o.Progress)}
	d.ctx, d.cancel = context.WithCancel(ctx)
	d.opener = &fetch.Opener{Bucket: &metered{b, d.meter}, Identities: o.Identities, Log: o.Log}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.Close())
		}
	}()
	if d.chain, err = d.opener.Open(d.ctx, s); err != nil {
		return nil, err
	}
	pages, err := d.chain.PageReader(d.ctx, fetchesAtOnce)
	if err != nil {
		return nil, fmt.Errorf("open snapshot %s: %w", s.ID, err)
	}
	dir := o.TempDir
	if dir == "" {
		dir = os.TempDir()
	}
	if d.file, err = disk.Nameless(dir); err != nil {
		pages.Close()
		return nil, disk.WrapTemp("make a temp file for pages of the snapshot", err)
	}
	d.frames = newFrames(d.ctx, pages, d.meter, d.keep, o.Log)
	return d, nil
}

// keep writes verified pages to the temp file.
func (d *Database) keep(off int64, pages []byte) error {
	_, err := d.file.WriteAt(pages, off)
	return disk.WrapTemp("keep pages of the snapshot", err)
}

// Close ends all fetches and removes the temp file. A read that is under way fails.
func (d *Database) Close() error {
	d.cancel()
	if d.frames != nil {
		d.frames.close()
	}
	err := d.opener.Close()
	if d.file != nil {
		err = errors.Join(err, disk.WrapTemp("remove the pages of the snapshot", d.file.Close()))
	}
	return err
}

// ReadAt implements io.ReaderAt. It fetches what is not there yet. Its errors are a
// *snapshot.ArchiveError for what the snapshot lacks or has damaged, or wrap
// ErrMaxFetch, snapshot.ErrNoRoom or snapshot.ErrTempDir, or what ended the context.
func (d *Database) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("read the snapshot at a negative offset %d", off)
	}
	n := int(max(0, min(int64(len(p)), d.Size()-off)))
	if n > 0 {
		size := int64(d.Manifest().PageSize)
		if err := d.frames.need(int(off/size)+1, int((off+int64(n)-1)/size)+1); err != nil {
			return 0, fmt.Errorf("read snapshot %s: %w", d.Manifest().ID, err)
		}
		got, err := d.file.ReadAt(p[:n], off)
		// The file ends with the last page that was fetched. What is missing is the page
		// that SQLite never uses.
		if clear(p[got:n]); err != nil && err != io.EOF {
			return got, disk.WrapTemp("read pages of the snapshot", err)
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Available returns how many bytes from off on, up to most, can be read without a
// fetch.
func (d *Database) Available(off int64, most int) int {
	if off < 0 || off >= d.Size() {
		return 0
	}
	size := int64(d.Manifest().PageSize)
	end := min(off+int64(most), d.Size())
	first := int(off/size) + 1
	there := d.frames.there(first, int((end-1)/size)+1)
	return int(max(0, min(end, int64(first-1+there)*size)-off))
}

// Size returns the database's size in bytes.
func (d *Database) Size() int64 { return d.Manifest().Size }

// Manifest returns the snapshot's manifest.
func (d *Database) Manifest() snapshot.Manifest { return d.chain.Manifest() }

// Bytes returns the size of all objects of the snapshot's chain.
func (d *Database) Bytes() int64 { return d.chain.Bytes() }

// Digests yields the page digests of the database, as snapshot.Chain.Digests does. It
// fetches no pages.
func (d *Database) Digests(ctx context.Context) iter.Seq2[[]byte, error] {
	return d.chain.Digests(ctx)
}

// Prefetch fetches all that is not there yet, in parallel.
func (d *Database) Prefetch(ctx context.Context) error {
	return d.frames.fetchAll(ctx, d.frames.all())
}

// PrefetchPages fetches the pages with these numbers, from 1, in parallel.
func (d *Database) PrefetchPages(ctx context.Context, pages iter.Seq[int]) error {
	return d.frames.fetchAll(ctx, d.frames.of(pages))
}

// Stats are what was fetched from the bucket.
type Stats struct {
	Bytes, Requests int64
	Frames          int // data frames that were verified and decoded
}

// Fetched returns what was fetched so far.
func (d *Database) Fetched() Stats {
	s := Stats{Bytes: d.meter.bytes.Load(), Requests: d.meter.requests.Load()}
	s.Frames = d.frames.fetched()
	return s
}
