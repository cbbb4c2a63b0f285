package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime/debug"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
)

// manyDocument is what backup --json prints when a configuration names the
// databases.
type manyDocument struct {
	Config  string          `json:"config"`
	Backups []entryDocument `json:"backups"` // in the order of the configuration
}

// entryDocument is what became of one database. If its snapshot is not safe,
// the fields of backupDocument are not there.
type entryDocument struct {
	Path string `json:"path"`
	URL  string `json:"url,omitempty"` // none if the template makes none
	*backupDocument
	Error string `json:"error,omitempty"`
	Exit  int    `json:"exit"` // what the backup of this one alone would exit with
}

// all backs up the databases of the configuration. One that fails does not
// stop the others.
func (b *backupCmd) all(ctx context.Context, c *console, args []string) error {
	s, err := b.schedule(ctx, c, args)
	if errors.Is(err, fs.ErrNotExist) && b.Config == "" {
		return usage("<db> and <bucket-url> are missing, and there is no %s here that names databases", defaultConfig)
	}
	if err != nil {
		return err
	}
	for _, w := range s.warnings {
		c.log.Warn(w)
	}
	if len(s.jobs) == 0 {
		return errNoneFound
	}
	r := &runs{console: c, json: b.JSON, documents: make([]entryDocument, len(s.jobs))}
	var group errgroup.Group
	group.SetLimit(s.parallel)
	for i, j := range s.jobs {
		group.Go(func() error {
			own := *c
			own.log = c.log.With("database", j.path)
			if s.parallel > 1 {
				own.bars = nil // they tell one backup's stages
			}
			d, text, err := j.run(ctx, &own)
			return r.ended(ctx, i, j, d, text, err)
		})
	}
	printing := group.Wait()
	if printing == nil {
		printing = c.result(b.JSON, manyDocument{b.file(), r.documents}, c.unlessQuiet(r.summary()))
	}
	return errors.Join(r.verdict(ctx), printing)
}

// run backs up the job's database, unless the run as a whole has ended.
func (j *job) run(ctx context.Context, c *console) (d *backupDocument, text string, err error) {
	// What one backup leaves to be collected must not add to the next one's.
	defer debug.FreeOSMemory()
	defer recovered(&err)
	if j.err != nil || ctx.Err() != nil {
		return nil, "", errors.Join(j.err, ctx.Err())
	}
	return j.command.one(ctx, c)
}

// runs collects what became of the databases, and tells it as they end.
type runs struct {
	*console
	json bool

	mu        sync.Mutex
	documents []entryDocument
}

// ended takes note of a result. The error is that of printing.
func (r *runs) ended(ctx context.Context, i int, j *job, d *backupDocument, text string, err error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	err = broken(ctx, err)
	e := entryDocument{Path: j.path, backupDocument: d, Exit: exitCode(err)}
	if j.command.URL != (bucketURL{}) {
		e.URL = j.command.URL.String()
	}
	if err != nil {
		e.Error = strings.ReplaceAll(err.Error(), "\n", "; ")
	}
	r.documents[i] = e
	if err != nil && ctx.Err() == nil { // what was broken off, the verdict says
		r.fail(fmt.Errorf("%s: %w", j.path, err))
	}
	if d == nil || r.json {
		return nil
	}
	return r.result(false, nil, r.unlessQuiet(j.path+": "+text))
}

// summary counts.
func (r *runs) summary() string {
	var uploaded, unchanged int
	for _, d := range r.documents {
		switch {
		case d.backupDocument == nil:
		case d.Unchanged:
			unchanged++
		default:
			uploaded++
		}
	}
	all := len(r.documents)
	text := fmt.Sprintf("%d databases: %d uploaded, %d unchanged", all, uploaded, unchanged)
	if rest := all - uploaded - unchanged; rest > 0 {
		text += fmt.Sprintf(", %d not backed up", rest)
	}
	return text + "\n"
}

// verdict returns the error that the exit code of the whole comes from.
func (r *runs) verdict(ctx context.Context) error {
	var failed []string
	var exits []int
	for _, d := range r.documents {
		exits = append(exits, d.Exit)
		if d.Exit != exitDone {
			failed = append(failed, fmt.Sprintf("%s (exit %d)", d.Path, d.Exit))
		}
	}
	if len(failed) == 0 {
		return nil
	}
	text := fmt.Sprintf("%d of %d databases failed: %s", len(failed), len(exits), strings.Join(failed, ", "))
	if ctx.Err() != nil {
		var undone []string
		for _, d := range r.documents {
			if d.backupDocument == nil {
				undone = append(undone, d.Path)
			}
		}
		text = fmt.Sprintf("%d of %d databases not backed up: %s", len(undone), len(exits), strings.Join(undone, ", "))
	}
	return &severalError{text, exitOfAll(exits)}
}

// A severalError says which of several databases failed.
type severalError struct {
	text string
	exit int
}

func (e *severalError) Error() string { return e.text }

// exitOfAll makes one exit code of those of several backups: if all failed for
// one reason, its own, so that a job may retry as for a single one.
func exitOfAll(exits []int) int {
	code := exits[0]
	for _, e := range exits {
		switch {
		case e == code:
		case code == exitDone || e == exitDone || code == exitIncomplete || e == exitIncomplete:
			return exitIncomplete // some are safe
		default:
			code = exitFailed
		}
	}
	return code
}

// errNoneFound: a job that finds nothing to do must not report success for
// ever.
var errNoneFound = errors.New("no database was found")
