package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
	"github.com/lifeboat-sqlite/lifeboat/restore/untrusted"
	"github.com/lifeboat-sqlite/lifeboat/snapshot"
)

// A drillsError is that some of several drills failed. Its text is their number: each
// cause was reported with its drill.
type drillsError struct {
	text   string
	causes []error
}

func (e *drillsError) Error() string   { return e.text }
func (e *drillsError) Unwrap() []error { return e.causes }

// sum returns the last line for people about the drills of several snapshots.
func (d verifyDocument) sum(asked int) string {
	verified, gone := 0, 0
	for _, s := range d.Snapshots {
		switch {
		case s.Gone:
			gone++
		case s.Verified:
			verified++
		}
	}
	text := fmt.Sprintf("%d of %d snapshots verified", verified, asked)
	if gone > 0 {
		text += fmt.Sprintf(", %d gone by retention", gone)
	}
	if failed := len(d.Snapshots) - verified - gone; failed > 0 {
		text += fmt.Sprintf(", %d failed", failed)
	}
	if untried := asked - len(d.Snapshots); untried > 0 {
		text += fmt.Sprintf(", %d not tried", untried)
	}
	return text + "\n"
}

// text is the report for people.
func (d drillDocument) text(paint func(colour int, text string) string) string {
	var b strings.Builder
	line := func(what, result string) {
		terminal.Fprintf(&b, "  %-13s %s\n", what, strings.Join(strings.Fields(result), " "))
	}
	state := "verified"
	switch {
	case d.Gone:
		state = "gone by now"
	case !d.Verified:
		state = paint(terminal.Red, "FAILED")
	}
	b.WriteString(state + terminal.Sprintf(": snapshot %s", d.ID))
	if d.Database != "" {
		terminal.Fprintf(&b, " of %s, %s in %s", d.Database, terminal.Size(d.Size), time.Duration(d.Seconds*float64(time.Second)).Round(100*time.Millisecond))
	}
	b.WriteString("\n")
	if d.Frames {
		line("frames", "right")
		terminal.Fprintf(&b, "  digest %s\n", d.Digest) // no wider than a screen
	}
	if d.Check == snapshot.CheckQuick || d.Check == snapshot.CheckFull {
		line(string(d.Check)+" check", "ok")
	}
	if keys := d.ForeignKeys; keys != nil {
		line("foreign keys", foreignKeys(keys))
	}
	for _, q := range d.Queries {
		state := "true"
		if !q.True {
			state = "NOT TRUE"
		}
		line(state, q.Answer+": "+q.SQL)
	}
	if d.Record != "" {
		line("recorded", d.Record)
	}
	if d.Error != "" && d.Exit != exitNotTrue { // the query has its line
		line("error", strings.TrimPrefix(d.Error, "verify snapshot "+d.ID+": "))
	}
	return b.String()
}

func foreignKeys(found *untrusted.ForeignKeys) string {
	switch {
	case found.Unknown != "":
		return "not known: " + found.Unknown
	case found.Violations == 0:
		return "ok"
	}
	return fmt.Sprintf("%d violated: %s", found.Violations, strings.Join(found.First, ", "))
}
