package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/worker"
	"github.com/lifeboat-sqlite/lifeboat/restore"
	"github.com/lifeboat-sqlite/lifeboat/restore/extract"
	"github.com/lifeboat-sqlite/lifeboat/restore/remote"
	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/disk"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

type extractCmd struct {
	seriesFlags
	onlyFlags
	Out string `arg:"" name:"out" help:"The new file, or - for a script on stdout."`

	whichFlags
	Table        []string `sep:"none" xor:"what" placeholder:"NAME" help:"A table to extract; repeatable."`
	SQL          string   `name:"sql" xor:"what" placeholder:"SELECT" help:"A query; its result becomes the table --as."`
	All          bool     `xor:"what" help:"Everything: a copy of the database, for --sql-file."`
	Where        string   `placeholder:"EXPR" help:"Only these rows of the table, such as \"id > 7\"."`
	As           string   `placeholder:"NAME" group:"The new file" help:"Name of the table for the result of --sql."`
	WithTriggers bool     `group:"The new file" help:"The triggers of the tables too."`
	WithViews    bool     `group:"The new file" help:"The views that read only these tables too."`
	SQLFile      string   `name:"sql-file" placeholder:"FILE" help:"Statements that mask it before it gets its name."`
	Format       string   `enum:",db,sql" default:"" placeholder:"db|sql" group:"The new file" help:"A database (the default), or a script for the sqlite3 tool."`
	insideFlags

	JSON bool `name:"json" help:"Print one JSON document."`
}

const scriptFormat = "sql"

// Validate implements kong's check of flags that depend on each other.
func (e *extractCmd) Validate() error {
	script := e.Format == scriptFormat
	switch {
	case e.Out == "":
		return errors.New("<out> is empty")
	case len(e.Table) == 0 && e.SQL == "" && !e.All:
		return errors.New("what to extract is missing: --table NAME, --sql SELECT with --as NAME, or --all")
	case (e.SQL == "") != (e.As == ""):
		return errors.New("--sql and --as belong together: the query, and the name of the table for its result")
	case e.Where != "" && len(e.Table) != 1:
		return errors.New("--where chooses rows of one --table")
	case (e.WithTriggers || e.WithViews) && len(e.Table) == 0:
		return errors.New("--with-triggers and --with-views go with --table")
	case e.Out == stdoutTarget && !script:
		return errors.New("stdout takes only a script: add --format sql")
	case e.Out == stdoutTarget && e.JSON:
		return errors.New("stdout takes only the script: --json does not go with it")
	}
	return nil
}

// Run implements the command.
func (e *extractCmd) Run(ctx context.Context, c *console) error {
	stop := c.startWorkers(1)
	limited, cancel, err := e.begin(ctx)
	if err == nil {
		err = e.ended(limited, e.extract(limited, c))
		cancel()
	}
	return errors.Join(err, stop())
}

// extract checks what it can before it fetches, and then does the work.
func (e *extractCmd) extract(ctx context.Context, c *console) error {
	var mask string
	if e.SQLFile != "" {
		text, err := os.ReadFile(e.SQLFile)
		if err != nil {
			return usage("--sql-file: %w", err)
		}
		mask = string(text)
	}
	if err := e.place(c); err != nil {
		return err
	}
	identities, err := e.identities()
	if err != nil {
		return err
	}
	b, err := e.open(ctx, c, upload.Options{})
	if err != nil {
		return err
	}
	found, err := e.find(ctx, c, b)
	if err != nil {
		return e.lookedUp(err)
	}
	e.warnPlain(c, found)
	began := time.Now()
	x := &extraction{extractCmd: e, console: c, bucket: b, snapshot: found, mask: mask,
		remote:  remote.Options{Identities: identities, TempDir: e.TempDir, MaxFetch: int64(e.MaxFetch), Log: c.log, Progress: func(n int64) { c.progress("extract")(n, 0) }},
		workers: worker.Extractor{Pool: c.workers}}
	err = x.run(ctx)
	c.endProgress()
	if err != nil && !errors.Is(err, errIncomplete) && !errors.Is(err, restore.ErrLeft) {
		return withInstead(ctx, b, found, e.command(), x.explained(err))
	}
	x.document.Seconds = time.Since(began).Seconds()
	if e.Out == stdoutTarget {
		return err
	}
	return errors.Join(err, c.result(e.JSON, x.document, c.unlessQuiet(x.document.text())))
}

// place refuses an output that is there, before anything is fetched.
func (e *extractCmd) place(c *console) error {
	if e.Out == stdoutTarget {
		return fitForDatabase(c.stdout)
	}
	missing, err := restore.Missing(e.Out)
	if err == nil && !missing {
		err = &hinted{fmt.Errorf("%w: %s", restore.ErrTargetExists, e.Out), "extract makes new files only: give another name, or move that file away"}
	}
	return err
}

// An extraction is one run of the command.
type extraction struct {
	*extractCmd
	console  *console
	bucket   bucket.Bucket
	snapshot series.Snapshot
	mask     string
	remote   remote.Options
	workers  worker.Extractor

	scratch     *disk.Scratch
	journalMode string // that the new database is to have, "" for the one that it has
	document    extractDocument
}

// run makes the new file in a private directory, step by step, and brings it to its
// place in the end.
func (x *extraction) run(ctx context.Context) (err error) {
	x.document = extractDocument{URL: x.URL.String(), Snapshot: string(x.snapshot.ID), Target: x.Out, Format: "db", All: x.All}
	if x.scratch, err = disk.NewScratch(x.TempDir, 0); err != nil {
		return err
	}
	defer func() {
		if left := x.scratch.Close(); left != nil && err == nil {
			err = fmt.Errorf("%w: %w", restore.ErrLeft, left)
		}
	}()
	build := x.tables
	if x.All {
		build = x.whole
	}
	path := filepath.Join(x.scratch.Path(), "extracted.db")
	if err := build(ctx, path); err != nil {
		return err
	}
	if x.SQLFile != "" {
		masked := filepath.Join(x.scratch.Path(), "masked.db")
		m, err := x.workers.Mask(ctx, path, masked, x.mask)
		if err == nil {
			err = x.scratch.Root().Remove(filepath.Base(path))
		}
		if err != nil {
			return err
		}
		x.document.Masking, path = &m, masked
	}
	if x.Format == scriptFormat {
		script := filepath.Join(x.scratch.Path(), "script.sql")
		if err := x.workers.Script(ctx, path, script); err != nil {
			return err
		}
		x.document.Format, path, x.journalMode = scriptFormat, script, ""
	}
	return x.deliver(ctx, path)
}

// tables extracts tables from the snapshot as it lies in the bucket.
func (x *extraction) tables(ctx context.Context, path string) (err error) {
	d, err := remote.Open(ctx, x.bucket, x.snapshot, x.remote)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	x.journalMode = d.Manifest().JournalMode
	r := extract.Request{Tables: x.Table, Where: x.Where, Query: x.SQL, As: x.As, Triggers: x.WithTriggers, Views: x.WithViews}
	x.document.Report, err = x.workers.Copy(ctx, "snapshot "+string(x.snapshot.ID), worker.Source{ReaderAt: d, Size: d.Size()}, path, r)
	x.document.Fetched = d.Fetched().Bytes
	return err
}

// whole restores the database, page for page.
func (x *extraction) whole(ctx context.Context, path string) error {
	x.document.Report = extract.NewReport()
	for _, part := range x.snapshot.Chain() {
		x.document.Fetched += part.Object.Size
	}
	if x.MaxFetch > 0 && x.document.Fetched > int64(x.MaxFetch) {
		return fmt.Errorf("%w: all of the snapshot is %s", remote.ErrMaxFetch, terminal.Size(x.document.Fetched))
	}
	_, err := restore.Restore(ctx, x.bucket, x.snapshot, path, restore.Options{Identities: x.remote.Identities, Progress: x.console.progress("extract"), Log: x.console.log})
	if err != nil {
		return err
	}
	keys, err := worker.Examiner{Pool: x.console.workers}.Check(ctx, path, snapshot.CheckQuick)
	if errors.Is(err, snapshot.ErrUncheckable) { // here, and no reason against a copy
		return nil
	}
	if err == nil && keys.Violations > 0 {
		x.console.log.Warn("foreign keys are violated, as they were when the snapshot was taken", "snapshot", x.snapshot.ID, "rows", keys.Violations)
	}
	return err
}

// deliver brings the finished file to its place, or to stdout.
func (x *extraction) deliver(ctx context.Context, path string) (err error) {
	f, err := x.scratch.Root().Open(filepath.Base(path))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if x.Out == stdoutTarget {
		if _, err := io.Copy(&outlet{File: x.console.stdout}, f); err != nil {
			return err
		}
		return x.incomplete()
	}
	finished := restore.Finished{File: f, ID: x.snapshot.ID, JournalMode: x.journalMode}
	result, err := restore.PlaceNew(ctx, x.Out, finished, restore.Options{AsOwner: true, Log: x.console.log})
	if err != nil && !errors.Is(err, restore.ErrLeft) {
		return err
	}
	x.document.Target, x.document.Size = result.Target, result.Size
	return errors.Join(err, x.incomplete())
}

// errIncomplete: the new database lacks a part of what was asked for.
var errIncomplete = errors.New("the new database lacks something")

// incomplete returns an error that names what was asked for and left out, or nil.
func (x *extraction) incomplete() error {
	var names []string
	for _, o := range x.document.leftOut() {
		if o.Asked {
			names = append(names, fmt.Sprintf("%s %s (%s)", o.Kind, o.Name, o.Why))
		}
	}
	if len(names) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %s", errIncomplete, strings.Join(names, ", "))
}

// explained adds the hints that only this command has.
func (x *extraction) explained(err error) error {
	switch {
	case errors.Is(err, extract.ErrMissing) && len(x.Table) > 0:
		return &hinted{err, "--sql takes rows without the schema, for example --sql 'SELECT a COLLATE BINARY AS a, b FROM ...' --as NAME"}
	case errors.Is(err, restore.ErrTargetExists):
		return &hinted{err, "extract makes new files only: give another name, or move that file away"}
	}
	return err
}

// command returns this command without the choice of the snapshot.
func (e *extractCmd) command() string {
	words := []string{"lifeboat extract", terminal.Quote(e.URL.String()), terminal.Quote(e.Out)}
	add := func(name, value string) {
		if value != "" {
			words = append(words, name, terminal.Quote(value))
		}
	}
	for _, table := range e.Table {
		add("--table", table)
	}
	for _, f := range [][2]string{{"--where", e.Where}, {"--sql", e.SQL}, {"--as", e.As}, {"--sql-file", e.SQLFile}, {"--format", e.Format}} {
		add(f[0], f[1])
	}
	for _, flag := range []struct {
		given bool
		name  string
	}{{e.All, "--all"}, {e.WithTriggers, "--with-triggers"}, {e.WithViews, "--with-views"}, {e.JSON, "--json"}} {
		if flag.given {
			words = append(words, flag.name)
		}
	}
	for _, path := range e.AgeIdentity {
		add("--age-identity", path)
	}
	return strings.Join(words, " ")
}
