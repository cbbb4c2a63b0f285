package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"filippo.io/age"
	"golang.org/x/term"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
	"github.com/lifeboat-sqlite/lifeboat/restore/drill"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

type drillsCmd struct {
	seriesFlags
	onlyFlags
	Last  oneOrMore `placeholder:"N" help:"Only the newest N. A terminal shows 50 unless told otherwise."`
	Since since     `placeholder:"TIME" help:"Only those that ended then or later: \"2026-11-20 17:00\" (UTC), 17:00, 2026-11-20, or 30d (ago)."`
	identityFlag
	JSON bool `name:"json" help:"Print one JSON document."`
}

// drillsDocument is what drills --json prints.
type drillsDocument struct {
	URL    string           `json:"url"`
	Drills []recordDocument `json:"drills"` // the newest is the last

	left int // how many older ones are not shown, though nobody asked for that
}

// recordDocument is the record of one drill. Of one that cannot be read it has what the
// name of its object says.
type recordDocument struct {
	drill.Record
	Object      string    `json:"object"`   // its name below the bucket URL
	Uploaded    time.Time `json:"uploaded"` // by the store's clock, UTC
	Proves      bool      `json:"proves"`   // it is a record of a drill that passed, and its time can be right
	Implausible bool      `json:"implausible"`
	Recovery    *float64  `json:"recovery_seconds,omitempty"` // until the database was back; absent: it was not rebuilt from nothing
	Sealed      bool      `json:"sealed"`                     // its content needs another --age-identity
	Unreadable  string    `json:"unreadable,omitempty"`       // why it cannot be read
}

// Run implements the command.
func (d *drillsCmd) Run(ctx context.Context, c *console) error {
	identities, err := d.identities()
	if err != nil {
		return err
	}
	b, err := d.open(ctx, c, upload.Options{})
	if err != nil {
		return err
	}
	place, err := d.place().open(ctx, c, upload.Options{})
	if err != nil {
		return err
	}
	entries, err := drill.List(ctx, place, d.Since.Time)
	if err != nil {
		return err
	}
	document := drillsDocument{URL: d.URL.String(), Drills: []recordDocument{}}
	if n := d.limit(c); n > 0 && n < len(entries) {
		if d.Last == 0 {
			document.left = len(entries) - n
		}
		entries = entries[len(entries)-n:]
	}
	records, err := drill.Read(ctx, place, entries)
	if err != nil {
		return err
	}
	for _, r := range records {
		document.Drills = append(document.Drills, describeRecord(r, identities, series.Present(place)))
	}
	if len(records) == 0 {
		if _, _, err := series.Tail(ctx, b); err != nil { // a mistyped directory
			return err
		}
		c.log.Warn("there is no recorded drill of " + document.URL + "; lifeboat verify --record leaves one")
	}
	return c.result(d.JSON, document, document.text(c.page()))
}

// place returns where the records of the series are.
func (s seriesFlags) place() seriesFlags {
	return seriesFlags{bucketURL{drill.Place(s.URL.URL)}, s.RetryFor}
}

// limit returns how many records are shown, 0 for all.
func (d *drillsCmd) limit(c *console) int {
	if d.Last > 0 || !d.Since.IsZero() || d.JSON || !term.IsTerminal(int(c.stdout.Fd())) {
		return int(d.Last)
	}
	return shownOnTerminal
}

// describeRecord describes a record, whose content the identities may open.
func describeRecord(r drill.Recorded, identities []age.Identity, now time.Time) recordDocument {
	d := recordDocument{
		Record: r.Record, Object: drill.Folder + "/" + r.Object.Name, Uploaded: r.Object.Modified.UTC(),
		Proves: r.Proves(now), Implausible: r.Implausible(now),
	}
	err := r.Err
	if err == nil {
		if err = d.Unseal(identities); errors.Is(err, series.ErrWrongIdentity) {
			err = nil
		}
	}
	d.Time, d.Snapshot = r.Time, r.Entry.Snapshot
	d.Sealed = d.Record.Sealed != "" && d.Content == nil
	if took, is := d.Record.Recovery(); is {
		seconds := took.Seconds()
		d.Recovery = &seconds
	}
	if err != nil {
		d.Unreadable = terminal.ValidText(terminal.OneLine(err))
	}
	return d
}

// text returns the records for people, "" for none.
func (d drillsDocument) text(p page) string {
	const result = 3
	t := p.table(
		terminal.Column{Title: "ENDED (UTC)"}, terminal.Column{Title: "AGE", Right: true, Drop: 3}, terminal.Column{Title: "SNAPSHOT"}, terminal.Column{Title: "RESULT"},
		terminal.Column{Title: "RECOVERY", Right: true}, terminal.Column{Title: "CHECK", Drop: 1}, terminal.Column{Title: "QUERIES", Right: true, Drop: 2}, terminal.Column{Title: "HOST", Drop: 4})
	for _, r := range d.Drills {
		t.Row(terminal.Moment(r.Time, p.now), terminal.Age(r.Time, p.now), string(r.Record.Snapshot), r.result(), r.recovery(), string(r.Check), r.queries(), r.Host)
		if !r.Proves {
			t.Colour(result, terminal.Red)
		}
		for _, note := range r.notes() {
			t.Note(note)
		}
	}
	text := t.Text(p.width)
	if d.left > 0 {
		text += terminal.Sprintf("the newest %d of %d drills; all of them: lifeboat drills %s | less\n", len(d.Drills), len(d.Drills)+d.left, terminal.Quote(d.URL))
	}
	return text
}

func (r recordDocument) result() string {
	switch {
	case r.Unreadable != "":
		return "unreadable"
	case r.Implausible:
		return "implausible"
	case r.Passed:
		return "passed"
	}
	return "FAILED"
}

// recovery returns how long it took to have the database back, or "-".
func (r recordDocument) recovery() string {
	if r.Recovery == nil {
		return "-"
	}
	return terminal.Clock(time.Duration(*r.Recovery * float64(time.Second)))
}

// queries returns how many were true, of how many.
func (r recordDocument) queries() string {
	if r.Asked == 0 {
		return "-"
	}
	return fmt.Sprintf("%d/%d", r.True, r.Asked)
}

// notes returns what the table says below a record.
func (r recordDocument) notes() (notes []string) {
	if r.Unreadable != "" {
		return []string{r.Unreadable}
	}
	if r.Implausible {
		notes = append(notes, "its time is ahead of its upload, so it proves nothing")
	}
	if r.Passed {
		return notes
	}
	why := fmt.Sprintf("%s (exit %d)", r.Reason, r.Exit)
	switch {
	case r.Content != nil && r.Content.Error != "":
		why += ": " + strings.TrimPrefix(r.Content.Error, "verify snapshot "+string(r.Record.Snapshot)+": ")
	case r.Sealed:
		why += "; --age-identity shows more"
	}
	return append(notes, why)
}
