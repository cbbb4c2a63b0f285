package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"sync"

	"github.com/alecthomas/kong"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
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
	if b.DB == "" {
		return b.backupMany(ctx, c, k.Args)
	}
	if b.Config != "" && b.Config != os.Getenv(envPrefix+"_CONFIG") {
		return usage("--config names databases, and so does the command line: choose")
	}
	stop := c.startWorkers(1)
	d, text, err := b.backup(ctx, c)
	err = errors.Join(err, stop())
	if d == nil {
		return err
	}
	return errors.Join(err, c.result(b.JSON, d, c.unlessQuiet(text)))
}

// backupMany backs up the databases of the configuration. One that fails does not
// stop the others.
func (b *backupCmd) backupMany(ctx context.Context, c *console, args []string) error {
	s, err := load(ctx, c, b.configFlags, "backup", args, "<db> and <bucket-url> are")
	if err != nil {
		return err
	}
	stop := c.startWorkers(s.parallel)
	r := &runs{console: c, json: b.JSON, documents: make([]entryDocument, len(s.tasks))}
	printing := s.each(c, func(c *console, i int, t *task) error {
		d, text, err := t.backup(ctx, c)
		return r.ended(ctx, i, t, d, text, err)
	})
	if printing == nil {
		printing = c.result(b.JSON, manyDocument{b.file(), r.documents}, c.unlessQuiet(r.summary()))
	}
	return errors.Join(verdictOf(ctx, r.outcomes(), "failed", "not backed up", exitOfAll), printing, stop())
}

// backup backs up the task's database, unless the run as a whole has ended.
func (t *task) backup(ctx context.Context, c *console) (d *backupDocument, text string, err error) {
	defer recovered(&err)
	if t.Err != nil || ctx.Err() != nil {
		return nil, "", errors.Join(t.Err, ctx.Err())
	}
	// The garbage of one backup must not add to that of the next. A collection takes
	// milliseconds: too long for thousands that a signal leaves undone.
	defer debug.FreeOSMemory()
	if err := t.Check(); err != nil {
		return nil, "", err
	}
	return t.command.Backup.backup(ctx, c)
}

// runs collects the results of databases, and prints each as it ends.
type runs struct {
	*console
	json bool

	mu        sync.Mutex
	documents []entryDocument
}

// ended notes and prints a result. Its error is that of printing.
func (r *runs) ended(ctx context.Context, i int, t *task, d *backupDocument, text string, err error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	err = withSignal(ctx, err)
	e := entryDocument{Path: terminal.ValidText(t.Path), URL: t.BucketURL(), backupDocument: d, Exit: exitCode(err)}
	if err != nil {
		e.Error = strings.ReplaceAll(terminal.ValidText(err.Error()), "\n", "; ")
	}
	r.documents[i] = e
	if err != nil && ctx.Err() == nil { // the verdict names those that a signal stopped
		r.fail(fmt.Errorf("%s: %w", t.Path, err))
	}
	if d == nil || r.json {
		return nil
	}
	return r.result(false, nil, r.unlessQuiet(terminal.Printable(t.Path)+": "+text))
}

// summary returns the line that counts the results.
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

func (r *runs) outcomes() []outcome {
	var all []outcome
	for _, d := range r.documents {
		all = append(all, outcome{d.Path, d.backupDocument != nil, d.Exit})
	}
	return all
}
