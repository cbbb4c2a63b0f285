package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"github.com/alecthomas/kong"
	"golang.org/x/term"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/databases"
	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/reports"
	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/cache"
)

// manyDocument is what backup --json prints when a configuration names the
// databases.
type manyDocument struct {
	Config  string          `json:"config"`
	Backups []entryDocument `json:"backups"` // in the order of the configuration
}

// entryDocument is the result of one database. Without a snapshot that is safe it
// has no fields of backupDocument.
type entryDocument struct {
	Path string `json:"path"`
	URL  string `json:"url,omitempty"` // absent if the template makes none
	*backupDocument
	Error string `json:"error,omitempty"`
	Exit  int    `json:"exit"` // what the backup of this one alone would exit with
}

// Run implements the command.
func (b *backupCmd) Run(ctx context.Context, c *console, k *kong.Context) error {
	if b.URL == (bucketURL{}) {
		return b.backupMany(ctx, c, k.Args)
	}
	if b.Config != "" && b.Config != os.Getenv(envPrefix+"_CONFIG") {
		return usage("--config names databases, and so does the command line: choose")
	}
	if b.DryRun {
		return b.previewOne(ctx, c)
	}
	stop := c.startWorkers(1)
	d, text, err := b.backup(ctx, c)
	err = errors.Join(err, stop())
	if d == nil {
		return err
	}
	if printing := c.result(b.JSON, d, c.fit(c.unlessQuiet(text))); printing != nil {
		return errors.Join(err, printing)
	}
	if d.First {
		b.suggestNext(c)
	}
	return err
}

// suggestNext names the next commands after the first snapshot of a series.
func (b *backupCmd) suggestNext(c *console) {
	url := terminal.Quote(b.URL.String())
	c.suggest("to see how it is doing", "lifeboat status "+url)
	if b.URL.Dir == "" {
		c.suggest("to have old snapshots expire, once, with an admin's keys", "lifeboat lifecycle apply "+url)
	}
}

// backupMany backs up the databases of the configuration, or the one that an argument
// names, and reports the run.
func (b *backupCmd) backupMany(ctx context.Context, c *console, args []string) (err error) {
	which, missing := b.configFlags, "DB and BUCKET_URL are"
	if which.one = b.DB; b.DB != "" {
		missing = "BUCKET_URL is"
	}
	c.stores = upload.NewStores()
	if b.DryRun {
		s, err := load(ctx, c, which, "backup", args, missing)
		if err != nil {
			return err
		}
		return b.previewMany(ctx, c, s)
	}
	report, c, err := b.startRun(ctx, c, "backup", which)
	if err != nil {
		return err
	}
	defer func() { err = report.End(ctx, err) }()
	defer recovered(&err)
	s, err := load(ctx, c, which, "backup", args, missing)
	report.OnHost(s.host)
	if err != nil {
		return err
	}
	return b.backupAll(ctx, c, s, report)
}

// backupAll backs up the databases of a schedule. One that fails does not stop the
// others.
func (b *backupCmd) backupAll(ctx context.Context, c *console, s schedule, report *reports.Report) error {
	stop := c.startWorkers(s.parallel)
	c.hinted = map[string]bool{}
	r := &runs{console: c, json: b.JSON, began: time.Now(), documents: make([]entryDocument, len(s.tasks))}
	printing := s.each(c, func(c *console, i int, t *task) error {
		d, text, err := t.backup(ctx, c)
		return r.ended(ctx, i, t, d, text, err)
	})
	n := r.tallied()
	report.Succeeded = n.failed == 0
	report.Did = n.text()
	report.Add(n.measures()...)
	if printing == nil {
		printing = c.result(b.JSON, manyDocument{b.file(), r.documents}, c.unlessQuiet(r.summary(n)))
	}
	return errors.Join(verdictOf(ctx, r.outcomes(), "failed", "not backed up", exitOfAll), printing, stop())
}

// backup backs up the task's database, unless the run as a whole has ended.
func (t *task) backup(ctx context.Context, c *console) (d *backupDocument, text string, err error) {
	defer recovered(&err)
	if t.Err != nil || ctx.Err() != nil {
		return nil, "", errors.Join(t.Err, ctx.Err())
	}
	defer func() { freeAfter(d) }()
	if err := t.Check(); err != nil {
		return nil, "", err
	}
	return t.command.Backup.backup(ctx, c)
}

// largeDatabase is from which size on, in bytes, a database leaves garbage that is worth
// a collection.
const largeDatabase = 32 << 20

// freeAfter gives back what the backup of a large database leaves, so that it does not add
// to that of the next. A collection takes milliseconds: too long for each of thousands of
// small ones.
func freeAfter(d *backupDocument) {
	if d != nil && d.Size >= largeDatabase {
		debug.FreeOSMemory()
	}
}

// wasBackedUp reports whether this machine has uploaded or confirmed a snapshot of the
// database, as far as it remembers.
func (b *backupCmd) wasBackedUp(ctx context.Context, c *console, d *databases.Database) bool {
	if b.cacheDir() == "" || d.Err != nil {
		return false
	}
	in, err := seriesFlags{bucketURL{d.URL}, b.RetryFor}.open(ctx, c, upload.Options{})
	if err != nil {
		return false
	}
	known, err := cache.Find(b.cacheDir(), in, d.Name, d.Path)
	if err == nil {
		_, err = known.State()
	}
	return err == nil
}

// runs collects the results of databases, and prints each as it ends.
type runs struct {
	*console
	json  bool
	began time.Time

	mu        sync.Mutex
	failed    int // of which
	shown     int
	documents []entryDocument
}

// ended notes a result, and prints it unless there are many. Its error is that of
// printing.
func (r *runs) ended(ctx context.Context, i int, t *task, d *backupDocument, text string, err error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	err = withSignal(ctx, err)
	e := entryDocument{Path: terminal.ValidText(t.Path), URL: t.BucketURL(), backupDocument: d, Exit: exitCode(err)}
	if err != nil {
		e.Error = terminal.ValidText(terminal.OneLine(err))
	}
	r.documents[i] = e
	if err != nil && ctx.Err() == nil { // the verdict names those that a signal stopped
		if r.failed++; r.shows() {
			r.shown++
			r.fail(fmt.Errorf("%s: %w", t.Path, err))
		}
	}
	if d == nil || r.json || len(r.documents) > listed {
		return nil
	}
	return r.result(false, nil, r.fit(r.unlessQuiet(terminal.Printable(t.Path)+": "+text)))
}

// shows reports whether one more error is printed.
func (r *runs) shows() bool {
	if term.IsTerminal(int(r.stderr.Fd())) && len(r.documents) > listed {
		return r.shown < shownErrors
	}
	return r.shown < loggedErrors
}

func (r *runs) outcomes() []outcome {
	var all []outcome
	for _, d := range r.documents {
		all = append(all, outcome{d.Path, d.backupDocument != nil, d.Exit})
	}
	return all
}
