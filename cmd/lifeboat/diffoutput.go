package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
	"github.com/lifeboat-sqlite/lifeboat/restore/diff"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// diffHead and diffTail are the first and the last fields of what diff --json prints. With
// --rows, the rows stand between them: they are printed as they are found.
type diffHead struct {
	URL      string            `json:"url"`
	From     snapshotDocument  `json:"from"`
	To       *snapshotDocument `json:"to,omitempty"`
	Database string            `json:"database,omitempty"` // that is compared with the snapshot
	Read     *time.Time        `json:"read,omitempty"`     // when that was read
	Summary  bool              `json:"summary"`
}

type diffTail struct {
	Same      bool             `json:"same"`
	Pages     int              `json:"pages"`       // that differ
	OfIndexes int              `json:"index_pages"` // of them, those of indexes and of tables WITHOUT ROWID
	Unknown   int              `json:"unknown_pages,omitempty"`
	Settings  []settingChange  `json:"settings"`
	Schema    []schemaChange   `json:"schema"`
	Tables    []tableDifferent `json:"tables"`
	Fetched   int64            `json:"fetched"` // bytes
	Seconds   float64          `json:"seconds"`
	Error     *errorDocument   `json:"error,omitempty"` // why the rows are not complete
	Exit      int              `json:"exit"`
}

type settingChange struct {
	Name string `json:"name"`
	From int64  `json:"from"`
	To   int64  `json:"to"`
}

type schemaChange struct {
	Change  diff.Change `json:"change"`
	Kind    string      `json:"kind"`
	Name    string      `json:"name"`
	Table   string      `json:"table"`
	From    string      `json:"from,omitempty"` // SQL
	To      string      `json:"to,omitempty"`
	Columns []string    `json:"columns,omitempty"` // +added, -removed
}

type tableDifferent struct {
	Name         string      `json:"name"`
	Change       diff.Change `json:"change,omitempty"`        // if only one side has it
	VirtualTable string      `json:"virtual_table,omitempty"` // whose content it holds
	Internal     bool        `json:"internal"`                // SQLite's own
	PagesFrom    int         `json:"pages_from"`              // with rows that are not in the same page of the other side
	PagesTo      int         `json:"pages_to"`
	Added        *int64      `json:"added,omitempty"` // absent in a summary
	Removed      *int64      `json:"removed,omitempty"`
	Changed      *int64      `json:"changed,omitempty"`
}

// A diffOutput prints what a comparison finds.
type diffOutput struct {
	console *console
	command *diffCmd
	head    diffHead
	width   int // of the terminal, 0: none
	started bool
	rows    int
	failed  error // of printing
}

func newDiffOutput(c *console, d *diffCmd, from, to series.Snapshot) *diffOutput {
	o := &diffOutput{console: c, command: d, width: terminal.Width(c.stdout)}
	o.head = diffHead{URL: d.URL.String(), From: describeSnapshot(from), Summary: d.Summary, Database: terminal.ValidText(d.DB)}
	if d.DB == "" {
		newer := describeSnapshot(to)
		o.head.To = &newer
	}
	return o
}

// taken notes when the database was read.
func (o *diffOutput) taken(at time.Time) { o.head.Read = &at }

// maxValue returns how much of a value is printed, in bytes.
func (o *diffOutput) maxValue() int {
	if o.command.JSON {
		return 64 << 10
	}
	return 400
}

func (o *diffOutput) print(text string) error {
	if o.failed == nil {
		o.console.endProgress()
		o.failed = o.console.print(text)
	}
	return o.failed
}

// start prints what stands above everything else, once.
func (o *diffOutput) start() error {
	if o.started {
		return o.failed
	}
	o.started = true
	if o.command.JSON {
		if documented := o.console.documented; documented != nil {
			*documented = true
		}
		head, err := fields(o.head)
		if err == nil {
			err = o.print("{" + head)
		}
		if err == nil && o.command.Rows {
			err = o.print(",\n  \"rows\": [")
		}
		return err
	}
	return o.print(o.people(o.head.text(time.Now())))
}

// people returns text as people get it.
func (o *diffOutput) people(text string) string {
	return o.console.unlessQuiet(terminal.PrintableLines(terminal.Fit(text, o.width)))
}

// row prints a row that differs.
func (o *diffOutput) row(t *diff.TableDiff, r diff.Row) error {
	if err := o.start(); err != nil {
		return err
	}
	o.rows++
	if !o.command.JSON {
		return o.print(o.people(rowText(t, r)))
	}
	separator := ",\n    "
	if o.rows == 1 {
		separator = "\n    "
	}
	return o.print(separator + terminal.PrintableJSON(rowJSON(t, r)))
}

// end prints the rest. failure is why the comparison is not complete, or nil.
func (o *diffOutput) end(r *diff.Result, fetched int64, took time.Duration, failure error) error {
	if failure != nil && (!o.started || !o.command.JSON) {
		return nil
	}
	if err := o.start(); err != nil {
		return err
	}
	if !o.command.JSON {
		return o.print(o.people(resultText(r, o.command.Summary, o.command.Rows, int64(o.command.MaxRows)) + fetchedText(fetched, took)))
	}
	tail := diffTail{Settings: []settingChange{}, Schema: []schemaChange{}, Tables: []tableDifferent{}, Fetched: fetched, Seconds: took.Seconds()}
	if failure != nil {
		why := describeError(failure)
		tail.Error, tail.Exit = &why, why.Code
	} else {
		tail.describe(r, o.command.Summary)
	}
	rest, err := fields(tail)
	if err != nil {
		return err
	}
	if o.command.Rows {
		rest = "\n  ]," + rest
	} else {
		rest = "," + rest
	}
	return o.print(rest + "\n}\n")
}

// fields returns the fields of a document without the braces around them.
func fields(document any) (string, error) {
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(document); err != nil {
		return "", fmt.Errorf("%w: %w", errNotPrinted, err)
	}
	text := strings.TrimSuffix(strings.TrimPrefix(b.String(), "{"), "\n}\n")
	return terminal.PrintableJSON(text), nil
}

// describe takes what a comparison has found.
func (d *diffTail) describe(r *diff.Result, summary bool) {
	d.Same, d.Pages, d.OfIndexes, d.Unknown = r.Same, r.Pages, r.IndexPages, r.LoosePages
	if !r.Same {
		d.Exit = exitNotTrue
	}
	for _, s := range r.Settings {
		d.Settings = append(d.Settings, settingChange{s.Name, s.Old, s.New})
	}
	for _, c := range r.Schema {
		d.Schema = append(d.Schema, schemaChange{
			c.Change, c.Kind, terminal.ValidText(c.Name), terminal.ValidText(c.Table),
			terminal.ValidText(c.Old), terminal.ValidText(c.New), terminal.ValidTexts(c.Columns),
		})
	}
	for _, t := range r.Tables {
		described := tableDifferent{
			Name: terminal.ValidText(t.Name), Change: t.Change, VirtualTable: terminal.ValidText(t.ShadowOf),
			Internal: t.Internal, PagesFrom: t.OldPages, PagesTo: t.NewPages,
		}
		if !summary {
			described.Added, described.Removed, described.Changed = &t.Added, &t.Removed, &t.Changed
		}
		d.Tables = append(d.Tables, described)
	}
}
