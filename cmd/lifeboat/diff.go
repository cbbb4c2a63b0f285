package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/moments"
	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/worker"
	"github.com/lifeboat-sqlite/lifeboat/restore"
	"github.com/lifeboat-sqlite/lifeboat/restore/diff"
	"github.com/lifeboat-sqlite/lifeboat/restore/diff/btree"
	"github.com/lifeboat-sqlite/lifeboat/restore/remote"
	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/reason"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

type diffCmd struct {
	seriesFlags
	onlyFlags
	DB string `arg:"" optional:"" name:"db" help:"A live database, or a file, to compare a snapshot with. It is not changed."`

	From    point    `placeholder:"SNAPSHOT" group:"What to compare" help:"The older side: latest, an ID, its start, or a time as --at takes it. Default: the snapshot before --to; with a database, the newest."`
	To      point    `placeholder:"SNAPSHOT" group:"What to compare" help:"The newer side, in the same words. Default: the newest."`
	Table   []string `sep:"none" placeholder:"NAME" group:"What to compare" help:"Only this table, or virtual table; repeatable."`
	Summary bool     `xor:"rows" help:"Only tables whose pages differ, and the schema: counts no rows."`
	Rows    bool     `xor:"rows" help:"Show the rows that differ, with their values."`
	MaxRows rowCount `default:"100" placeholder:"100" help:"Show at most N rows of each table, 0: all."`
	Wait    duration `default:"30s" placeholder:"30s" group:"Limits" help:"How long to wait for locks of the database."`
	insideFlags

	JSON bool `name:"json" help:"Print one JSON document."`
}

// A point names a snapshot as --snapshot does, or as --at does.
type point struct{ whichFlags }

// UnmarshalText implements encoding.TextUnmarshaler.
func (p *point) UnmarshalText(text []byte) error {
	if t, err := moments.Parse(string(text), time.Now()); err == nil {
		p.At = moment{t}
		return nil
	}
	return p.Snapshot.UnmarshalText(text)
}

func (p point) given() bool { return p.Snapshot != "" || !p.At.IsZero() }

// errDiffers: the comparison is done, and has found something. It has its exit code, but
// is no failure.
var errDiffers = errors.New("the databases differ")

// Validate implements kong's check of flags that depend on each other.
func (d *diffCmd) Validate() error {
	if d.DB != "" && d.To.given() {
		return errors.New("the database is the newer side: it does not go with --to")
	}
	return nil
}

// Run implements the command.
func (d *diffCmd) Run(ctx context.Context, c *console) error {
	stop := c.startWorkers(2) // one keeps what it has read of a database, the other reads schemas
	limited, cancel, err := d.begin(ctx)
	if err == nil {
		err = d.ended(limited, d.compare(limited, c))
		cancel()
	}
	stopped := stop()
	if stopped != nil && err == errDiffers { // which prints no error
		return stopped
	}
	return errors.Join(err, stopped)
}

// A comparing is one run of the command.
type comparing struct {
	*diffCmd
	console *console
	bucket  bucket.Bucket
	from    *remote.Database
	digests diff.Digests // of from
	to      side
	fetched func() int64
}

// A side is the newer side.
type side struct {
	diff.Side
	name    string
	digest  string
	digests diff.Digests
	pages   int
	chained bool // the snapshot is a differential
	close   func() error
}

func (d *diffCmd) compare(ctx context.Context, c *console) (err error) {
	b, err := d.open(ctx, c, upload.Options{})
	if err != nil {
		return err
	}
	from, to, err := d.find(ctx, c, b)
	if err != nil {
		return d.lookedUp(err)
	}
	began := time.Now()
	o := newDiffOutput(c, d, from, to)
	x := &comparing{diffCmd: d, console: c, bucket: b}
	result, err := x.run(ctx, from, to, o)
	err = d.instead(ctx, b, from, to, err)
	c.endProgress()
	if printing := o.end(result, x.bytes(), time.Since(began), err); err == nil && printing != nil {
		return printing
	}
	if err == nil && !result.Same {
		return errDiffers
	}
	return err
}

// instead adds to the error of a snapshot that is damaged which one to take instead.
func (d *diffCmd) instead(ctx context.Context, b bucket.Bucket, from, to series.Snapshot, err error) error {
	which, flag := from, " --from"
	var about *snapshot.ArchiveError
	isOf := func(s series.Snapshot) bool {
		return slices.ContainsFunc(s.Chain(), func(part series.Snapshot) bool { return part.ID == about.ID })
	}
	if errors.As(err, &about) && d.DB == "" && isOf(to) && !isOf(from) {
		which, flag = to, " --to"
	}
	return withInsteadBy(ctx, b, which, "lifeboat diff "+terminal.Quote(d.URL.String())+flag, err)
}

// find returns the snapshots of both sides, of which the newer one is the zero value if
// a database is compared.
func (d *diffCmd) find(ctx context.Context, c *console, b bucket.Bucket) (from, to series.Snapshot, err error) {
	if d.DB != "" {
		from, err = d.From.find(ctx, c, b)
		return from, to, err
	}
	if to, err = d.To.find(ctx, c, b); err != nil {
		return from, to, err
	}
	if !d.From.given() {
		d.From.Before = choice(to.ID)
	}
	from, err = d.From.find(ctx, c, b)
	if err == nil && from.ID == to.ID {
		err = &hinted{usage("both sides are snapshot %s", to.ID), "name another one with --from or --to, or a database to compare it with"}
	}
	return from, to, err
}

// openSnapshot opens one side that is a snapshot.
func (x *comparing) openSnapshot(ctx context.Context, s series.Snapshot, progress func(int64)) (*remote.Database, error) {
	identities, err := x.identities()
	if err != nil {
		return nil, err
	}
	x.warnPlain(x.console, s)
	return remote.Open(ctx, x.bucket, s, remote.Options{Identities: identities, TempDir: x.TempDir, MaxFetch: int64(x.MaxFetch), Log: x.console.log, Progress: progress})
}

// progress returns one that shows how much is fetched for both sides.
func (x *comparing) progress() (of func(side int) func(fetched int64)) {
	var fetched [2]atomic.Int64
	show := x.console.progress("fetch")
	return func(side int) func(int64) {
		return func(n int64) {
			fetched[side].Store(n)
			show(fetched[0].Load()+fetched[1].Load(), 0)
		}
	}
}

// bytes returns how much was fetched.
func (x *comparing) bytes() int64 {
	if x.fetched == nil {
		return 0
	}
	return x.fetched()
}

// run compares both sides. Its result is nil only after an error.
func (x *comparing) run(ctx context.Context, from, to series.Snapshot, o *diffOutput) (_ *diff.Result, err error) {
	progress := x.progress()
	if x.from, err = x.openSnapshot(ctx, from, progress(0)); err != nil {
		return nil, err
	}
	x.digests = x.from.Digests(ctx)
	x.fetched = func() int64 { return x.from.Fetched().Bytes }
	defer func() { err = errors.Join(err, x.from.Close()) }()
	if x.DB != "" {
		err = x.openDatabase(ctx, o)
	} else {
		err = x.openNewer(ctx, to, progress(1))
	}
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, x.to.close()) }()
	m := x.from.Manifest()
	if x.to.digest == m.Digest && len(x.Table) == 0 { // whether there is such a table, the schemas say
		return &diff.Result{Same: true}, nil
	}
	differs := diff.AllPages(max(m.PageCount, x.to.pages))
	if x.to.Size/int64(max(x.to.pages, 1)) == int64(m.PageSize) {
		if differs, err = diff.Differing(x.digests, x.to.digests, max(m.PageCount, x.to.pages)); err != nil {
			return nil, err
		}
		x.to.Pages = diff.Overlay(x.from, x.to.Pages, m.PageSize, differs)
	}
	old := diff.Side{Pages: x.from, Size: x.from.Size(), Prefetch: x.from.PrefetchPages}
	if err := x.schemas(ctx, &old, from.ID); err != nil {
		return nil, err
	}
	options := diff.Options{
		Tables: x.Table, Summary: x.Summary, MaxRows: int(x.MaxRows), MaxValue: o.maxValue(),
		FromOld: m.Kind == snapshot.KindDifferential && !x.to.chained,
	}
	if x.MaxRows == 0 {
		options.MaxRows = -1
	}
	if x.Rows {
		options.Rows = o.row
	}
	result, err := diff.Compare(ctx, old, x.to.Side, differs, options)
	return result, x.explained(from.ID, err)
}

// openNewer opens the newer side, a snapshot.
func (x *comparing) openNewer(ctx context.Context, to series.Snapshot, progress func(int64)) error {
	db, err := x.openSnapshot(ctx, to, progress)
	if err != nil {
		return err
	}
	older := x.fetched
	x.fetched = func() int64 { return older() + db.Fetched().Bytes }
	m := db.Manifest()
	x.to = side{
		Side: diff.Side{Pages: db, Size: db.Size(), Prefetch: db.PrefetchPages}, name: "snapshot " + string(to.ID),
		digest: m.Digest, digests: db.Digests(ctx), pages: m.PageCount, chained: m.Kind == snapshot.KindDifferential, close: db.Close,
	}
	return nil
}

// schemas has SQLite read both schemas.
func (x *comparing) schemas(ctx context.Context, old *diff.Side, from snapshot.ID) error {
	inside := worker.Inside{
		Pool: x.console.workers, Names: []string{"snapshot " + string(from), x.to.name}, Limit: x.limit(),
		Sources: []worker.Source{{ReaderAt: old.Pages, Size: old.Size}, {ReaderAt: x.to.Pages, Size: x.to.Size}},
	}
	schemas, err := inside.Schemas(ctx)
	if err != nil {
		return fmt.Errorf("read the schemas of %s: %w", strings.Join(inside.Names, " and "), err)
	}
	old.Schema, x.to.Schema = schemas[0], schemas[1]
	return nil
}

// explained gives an error about the content of one side its reason.
func (x *comparing) explained(from snapshot.ID, err error) error {
	if errors.Is(err, diff.ErrNoTable) {
		return &hinted{usage("%w on either side", err), "--summary without --table lists the tables that differ"}
	}
	var about *diff.SideError
	if !errors.As(err, &about) || !errors.Is(err, btree.ErrCorrupt) {
		return err
	}
	switch {
	case !about.After:
		return reason.Errorf(restore.ErrCheck, err, "snapshot %s: %v", from, err)
	case x.DB != "":
		return reason.Errorf(snapshot.ErrSource, err, "%s: %v", x.DB, err)
	}
	return reason.Errorf(restore.ErrCheck, err, "%s: %v", x.to.name, err)
}
