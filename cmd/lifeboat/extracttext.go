package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
	"github.com/lifeboat-sqlite/lifeboat/restore/extract"
)

// extractDocument is what extract --json prints. Sizes are in bytes.
type extractDocument struct {
	URL      string `json:"url"`
	Snapshot string `json:"snapshot"`
	Target   string `json:"target"` // the file, behind symlinks; - is stdout
	Format   string `json:"format"`
	Size     int64  `json:"size"` // of the file
	All      bool   `json:"all"`
	extract.Report
	Masking *extract.Masking `json:"masking,omitempty"`
	Fetched int64            `json:"fetched"` // from the bucket
	Seconds float64          `json:"seconds"`
}

// leftOut returns all that was left out, whichever step did.
func (d extractDocument) leftOut() []extract.Omission {
	if d.Masking == nil {
		return d.LeftOut
	}
	return slices.Concat(d.LeftOut, d.Masking.LeftOut)
}

// text is the result for people.
func (d extractDocument) text() string {
	var b strings.Builder
	terminal.Fprintf(&b, "extracted: snapshot %s to %s, %s; fetched %s\n", d.Snapshot, d.Target, terminal.Size(d.Size), terminal.Size(d.Fetched))
	for _, t := range d.Tables {
		terminal.Fprintf(&b, "  table %s", t.Name)
		if t.Rows >= 0 {
			terminal.Fprintf(&b, ", %s", count(t.Rows, "row"))
		}
		if t.Indexes > 0 {
			terminal.Fprintf(&b, ", %s", count(int64(t.Indexes), "index"))
		}
		if t.Triggers > 0 {
			terminal.Fprintf(&b, ", %s", count(int64(t.Triggers), "trigger"))
		}
		if t.Note != "" {
			terminal.Fprintf(&b, ", %s", t.Note)
		}
		b.WriteString("\n")
	}
	for _, v := range d.Views {
		terminal.Fprintf(&b, "  view %s\n", v)
	}
	if m := d.Masking; m != nil {
		terminal.Fprintf(&b, "  ran %s, which changed %s\n", count(int64(m.Statements), "statement"), count(m.Rows, "row"))
		for _, name := range m.Rebuilt {
			terminal.Fprintf(&b, "  full-text index %s rebuilt\n", name)
		}
	}
	for _, o := range d.leftOut() {
		terminal.Fprintf(&b, "left out: %s %s: %s\n", o.Kind, o.Name, o.Why)
	}
	for _, k := range d.Dangling {
		terminal.Fprintf(&b, "foreign keys: %s\n", dangling(k))
	}
	return b.String()
}

func dangling(k extract.Dangling) string {
	switch {
	case k.Unknown != "":
		return terminal.Sprintf("those of %s are not known: %s", k.Table, k.Unknown)
	case !k.Extracted:
		return terminal.Sprintf("%s of %s refer to %s, which was not extracted", count(k.Rows, "row"), k.Table, k.Parent)
	}
	return terminal.Sprintf("%s of %s refer to no row of %s", count(k.Rows, "row"), k.Table, k.Parent)
}

// count returns a number of things in words.
func count(n int64, thing string) string {
	switch {
	case n == 1:
		return "1 " + thing
	case strings.HasSuffix(thing, "x"):
		return fmt.Sprintf("%d %ses", n, thing)
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
