package main

import (
	"cmp"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
	"github.com/lifeboat-sqlite/lifeboat/lifecycle"
)

// text returns the document for people.
func (d *healthDocument) text(now time.Time, paint func(colour int, text string) string) string {
	colour := terminal.Red
	if d.State == stateFresh {
		colour = terminal.Green
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", terminal.Printable(d.URL), paint(colour, d.State))
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	if n := d.Newest; n != nil {
		terminal.Fprintf(w, "newest\t%s, %s\n", n.ID, cmp.Or(n.Retention, "-"))
		terminal.Fprintf(w, "taken\t%s (%s)\n", n.Taken.Format(time.RFC3339), terminal.Ago(n.Taken, now))
		if n.Confirmed != nil {
			terminal.Fprintf(w, "confirmed\t%s (%s)\n", n.Confirmed.Format(time.RFC3339), terminal.Ago(*n.Confirmed, now))
		}
		terminal.Fprintf(w, "stored\t%s%s%s\n", terminal.Size(n.Stored), encryptedSuffix(n.Encrypted), d.change())
	}
	terminal.Fprintf(w, "snapshots\t%d", d.Snapshots)
	if d.Held != nil {
		terminal.Fprintf(w, ", %d of them held", *d.Held)
	}
	fmt.Fprintln(w)
	if d.NextExpiry != nil {
		terminal.Fprintf(w, "next to go\t%s, on %s at the earliest\n", d.NextToGo, terminal.Day(d.NextExpiry))
	}
	terminal.Fprintf(w, "retention\t%s\n", d.retention())
	w.Flush() // a strings.Builder does not fail
	for _, warning := range d.Warnings {
		fmt.Fprintf(&b, "%s %s\n", paint(terminal.Yellow, "warning:"), terminal.Printable(warning))
	}
	return b.String()
}

// retention returns in words what carries it out.
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

// change returns in words how the size develops, "" if that is unknown.
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
