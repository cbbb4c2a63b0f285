package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/alecthomas/kong"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
)

// manyHealthDocument is what status --json prints when a configuration names
// the databases.
type manyHealthDocument struct {
	Config string           `json:"config"`
	Series []seriesDocument `json:"series"` // in the order of the configuration
}

// seriesDocument is the state of one database's series. Where that is unknown it
// has no fields of healthDocument.
type seriesDocument struct {
	Path string `json:"path"`          // "" if the database is gone and its path not known
	URL  string `json:"url,omitempty"` // absent if the template makes none
	*healthDocument
	Error string `json:"error,omitempty"`
	Exit  int    `json:"exit"` // what the status of this one alone would exit with

	gone bool // no database here has the series
}

// Run implements the command.
func (s *statusCmd) Run(ctx context.Context, c *console, k *kong.Context) error {
	if s.URL == (bucketURL{}) {
		return s.statusMany(ctx, c, k.Args)
	}
	if s.Config != "" && s.Config != os.Getenv(envPrefix+"_CONFIG") {
		return usage("--config names databases, and a bucket URL is one: choose")
	}
	if s.Copy != (treeURL{}) {
		if err := s.Copy.isSeries(); err != nil {
			return usage("--copy: %w", err)
		}
	}
	d, err := s.status(ctx, c)
	if d == nil {
		return err
	}
	p := c.page()
	p.now = d.now
	text := d.text(p)
	if d.isWell() && len(d.Warnings) == 0 {
		text = c.unlessQuiet(text)
	}
	return errors.Join(c.result(s.JSON, d, text), err)
}

// statusMany examines the series of every database of the configuration. One
// that fails does not stop the others.
func (s *statusCmd) statusMany(ctx context.Context, c *console, args []string) (err error) {
	report, c, err := s.startRun(ctx, c, "status", s.configFlags)
	if err != nil {
		return err
	}
	defer func() { err = report.End(ctx, err) }()
	defer recovered(&err)
	plan, err := load(ctx, c, s.configFlags, "status", args, "BUCKET_URL is")
	report.OnHost(plan.host)
	if err != nil {
		return err
	}
	c.hinted = map[string]bool{}
	documents := make([]seriesDocument, len(plan.tasks))
	var collecting sync.Mutex
	if err := plan.each(c, func(c *console, i int, t *task) error {
		d, err := t.status(ctx, c)
		collecting.Lock()
		defer collecting.Unlock()
		documents[i] = t.describeSeries(d, withSignal(ctx, err))
		if err != nil && ctx.Err() == nil { // the verdict names those that a signal stopped
			c.fail(fmt.Errorf("%s: %w", t.label(), err))
		}
		return nil
	}); err != nil {
		return err
	}
	documents = slices.DeleteFunc(documents, seriesDocument.isNone)
	shown := documents
	if c.Quiet {
		shown = slices.DeleteFunc(slices.Clone(documents), seriesDocument.well)
	}
	report.Succeeded = true // whatever the states are
	report.Add(measuresOfRun("status", states(documents)))
	printing := c.result(s.JSON, manyHealthDocument{s.file(), documents}, overview(shown, c.page()))
	var all []outcome
	for _, d := range documents {
		all = append(all, outcome{d.label(), d.healthDocument != nil, d.Exit})
	}
	return errors.Join(verdictOf(ctx, all, "are not well", "not examined", exitOfStatus), printing)
}

// status examines the task's series, unless the run as a whole has ended.
func (t *task) status(ctx context.Context, c *console) (d *healthDocument, err error) {
	defer recovered(&err)
	if t.Err != nil || ctx.Err() != nil {
		return nil, errors.Join(t.Err, ctx.Err())
	}
	t.command.Status.ofRun()
	if t.gone {
		return t.statusOfGone(ctx, c)
	}
	return t.command.Status.status(ctx, c)
}

func (t *task) describeSeries(d *healthDocument, err error) seriesDocument {
	s := seriesDocument{Path: terminal.ValidText(t.Path), URL: t.BucketURL(), healthDocument: d, Exit: exitCode(err), gone: t.gone}
	if err != nil {
		s.Error = terminal.ValidText(terminal.OneLine(err))
	}
	return s
}

// well reports whether the series is fresh and has no warnings.
func (s seriesDocument) well() bool { return s.Exit == exitDone && len(s.Warnings) == 0 }

// isNone reports whether what was looked at for a database that is gone is no series.
func (s seriesDocument) isNone() bool {
	return s.gone && s.Exit == exitDone && s.healthDocument == nil
}

// exitOfStatus returns one exit code for several series. A series that is not fresh
// matters more than one that could not be examined.
func exitOfStatus(exits []int) int {
	if slices.Contains(exits, exitNotFresh) {
		return exitNotFresh
	}
	return exitOfAll(exits)
}

// overview returns the table for people, followed by the warnings.
func overview(all []seriesDocument, p page) string {
	columns := []terminal.Column{
		{Title: "STATE"}, {Title: "AGE", Right: true}, {Title: "STORED", Right: true, Drop: 4},
		{Title: "TREND", Drop: 2}, {Title: "HELD", Right: true, Drop: 1}, {Title: "NEXT TO GO", Drop: 3},
		{Title: "DATABASE", Min: 16}, {Title: "BUCKET URL", Min: 20, Drop: 5},
	}
	withCopies := slices.ContainsFunc(all, func(s seriesDocument) bool { return s.healthDocument != nil && s.Copy != nil })
	if withCopies {
		columns = slices.Insert(columns, 2, terminal.Column{Title: "COPY"})
	}
	t := p.table(columns...)
	var warnings strings.Builder
	retired := 0
	for _, s := range all {
		if s.gone && s.state() == stateRetired {
			retired++ // done with: a fleet has many
			continue
		}
		row := s.row()
		if withCopies {
			row = slices.Insert(row, 2, s.ofCopy())
		}
		t.Row(row...)
		t.Colour(0, s.colour())
		if s.healthDocument == nil {
			continue
		}
		for _, warning := range s.Warnings {
			warnings.WriteString(p.warning(s.label() + ": " + warning))
		}
	}
	text := t.Text(p.width) + warnings.String()
	if retired > 0 {
		text += fmt.Sprintf("%d more are retired: their databases are gone, and the rules take them\n", retired)
	}
	return text
}

// states returns how many series are in which state.
func states(all []seriesDocument) map[string]int {
	n := map[string]int{}
	for _, s := range all {
		n[s.state()]++
	}
	return n
}

// colour returns the colour of the state.
func (s seriesDocument) colour() int {
	if s.healthDocument != nil && s.isWell() {
		return terminal.Green
	}
	return terminal.Red
}

// ofCopy returns the state of the copies, and how far they are behind.
func (s seriesDocument) ofCopy() string {
	if s.healthDocument == nil || s.Copy == nil {
		return "-"
	}
	if behind := s.Copy.behind(); behind > 0 {
		return s.Copy.State + " " + terminal.Clock(behind)
	}
	return s.Copy.State
}

// row is a line of the table, without the copies.
func (s seriesDocument) row() []string {
	age, stored, trend, held, next := "-", "-", "-", "-", "-"
	if d := s.healthDocument; d != nil {
		trend = cmp.Or(d.Trend, trend)
		if d.Newest != nil {
			age, stored = terminal.Clock(d.age()), terminal.Size(d.Newest.Stored)
		}
		if d.Held != nil {
			held = strconv.Itoa(*d.Held)
		}
		if d.NextExpiry != nil {
			next = terminal.Day(d.NextExpiry)
		}
	}
	return []string{s.state(), age, stored, trend, held, next, cmp.Or(s.Path, "-"), cmp.Or(s.URL, "-")}
}

// state returns the state of the series, or unknown.
func (s seriesDocument) state() string {
	if s.healthDocument == nil {
		return "unknown"
	}
	return s.State
}
