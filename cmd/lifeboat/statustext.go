package main

import (
	"cmp"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	"golang.org/x/term"

	"github.com/lifeboat-sqlite/lifeboat/lifecycle"
)

// text is the document for people.
func (d *healthDocument) text(now time.Time, paint func(colour int, text string) string) string {
	colour := red
	if d.State == stateFresh {
		colour = green
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", printable(d.URL), paint(colour, d.State))
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	if n := d.Newest; n != nil {
		fprintf(w, "newest\t%s, %s\n", n.ID, cmp.Or(n.Retention, "-"))
		fprintf(w, "taken\t%s (%s)\n", n.Taken.Format(time.RFC3339), ago(n.Taken, now))
		if n.Confirmed != nil {
			fprintf(w, "confirmed\t%s (%s)\n", n.Confirmed.Format(time.RFC3339), ago(*n.Confirmed, now))
		}
		fprintf(w, "stored\t%s%s%s\n", humanize.IBytes(uint64(n.Stored)), encrypted(n.Encrypted), d.change())
	}
	fprintf(w, "snapshots\t%d", d.Snapshots)
	if d.Held != nil {
		fprintf(w, ", %d of them held", *d.Held)
	}
	fmt.Fprintln(w)
	if d.NextExpiry != nil {
		fprintf(w, "next to go\t%s, on %s at the earliest\n", d.NextToGo, day(d.NextExpiry))
	}
	fprintf(w, "retention\t%s\n", d.retention())
	w.Flush() // a strings.Builder does not fail
	for _, warning := range d.Warnings {
		fmt.Fprintf(&b, "%s %s\n", paint(yellow, "warning:"), printable(warning))
	}
	return b.String()
}

// retention says in words what carries it out.
func (d *healthDocument) retention() string {
	switch {
	case d.Retention == "prune":
		return "by lifeboat prune: no rules of the store's know these snapshots"
	case d.Retention != "rules":
		return "by rules that these credentials may not read, or by lifeboat prune"
	case d.Rules == nil:
		return "none: nothing expires"
	}
	var kept []string
	for _, class := range lifecycle.Classes() {
		kept = append(kept, string(class)+" "+d.Rules[string(class)])
	}
	return strings.Join(kept, ", ")
}

// change says in words how the size develops.
func (d *healthDocument) change() string {
	if d.Trend == "" {
		return ""
	}
	last, before := d.Sizes[len(d.Sizes)-1], d.Sizes[len(d.Sizes)-2]
	text := fmt.Sprintf(", %s: %+.0f%% on the one before", d.Trend, 100*changed(before.Stored, last.Stored))
	if d.WeekAgo != nil {
		text += fmt.Sprintf(", %+.0f%% on a week ago", 100*changed(d.WeekAgo.Stored, last.Stored))
	}
	return text
}

// Colours, as ECMA-48 numbers them.
const (
	red    = 31
	green  = 32
	yellow = 33
)

// painter returns a function that colours text for a terminal, where nobody
// has said otherwise (https://no-color.org), and leaves it alone elsewhere.
func painter(f *os.File) func(colour int, text string) string {
	if os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" || !term.IsTerminal(int(f.Fd())) {
		return func(_ int, text string) string { return text }
	}
	return func(colour int, text string) string { return fmt.Sprintf("\x1b[%dm%s\x1b[0m", colour, text) }
}
