package main

import (
	"cmp"
	"fmt"
	"math"
	"strings"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
	"github.com/lifeboat-sqlite/lifeboat/lifecycle"
)

// text returns the document for people.
func (d *healthDocument) text(p page) string {
	colour := terminal.Red
	if d.isWell() {
		colour = terminal.Green
	}
	url := terminal.Printable(d.URL)
	if p.width > 0 {
		url = terminal.Shorten(url, max(p.width-len(d.State)-2, 1))
	}
	t := p.facts()
	if n := d.Newest; n != nil {
		t.Row("newest", n.ID+", "+cmp.Or(n.Retention, "-"))
		t.Row("taken", fmt.Sprintf("%s (%s)", terminal.Minute(n.Taken), terminal.Ago(n.Taken, p.now)))
		if n.Confirmed != nil {
			t.Row("confirmed", fmt.Sprintf("%s (%s)", terminal.Minute(*n.Confirmed), terminal.Ago(*n.Confirmed, p.now)))
		}
		t.Row("stored", terminal.Size(n.Stored)+encryptedSuffix(n.Encrypted)+", "+n.kind())
		t.Row("weight", terminal.Size(n.Weight)+d.change())
	}
	count := fmt.Sprint(d.Snapshots)
	if d.Held != nil {
		count += fmt.Sprintf(", %d of them held", *d.Held)
	}
	t.Row("snapshots", count)
	if d.NextExpiry != nil {
		t.Row("next to go", fmt.Sprintf("%s, on %s at the earliest", d.NextToGo, terminal.Day(d.NextExpiry)))
	}
	t.Row("retention", d.retention())
	if d.Copy != nil {
		t.Row("copy", d.Copy.text())
	}
	var warnings strings.Builder
	for _, warning := range d.Warnings {
		warnings.WriteString(p.warning(warning))
	}
	return url + ": " + p.paint(colour, d.State) + "\n" + t.Text(p.width) + warnings.String()
}

// retention returns in words what carries it out.
func (d *healthDocument) retention() string {
	switch {
	case d.Retention == "prune":
		return "by lifeboat prune: no rules of the store's know these snapshots"
	case d.Retention != "rules":
		return "by rules that these credentials may not read, or by lifeboat prune"
	case d.Rules == nil && d.frozen:
		return "frozen: nothing expires"
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
	text := fmt.Sprintf(", %s: %s", d.Trend, changeInWords(before.Weight, last.Weight, "the one before"))
	if d.WeekAgo != nil {
		text += ", " + changeInWords(d.WeekAgo.Weight, last.Weight, "a week ago")
	}
	return text
}

// changeInWords compares a size with an earlier one: as a percentage, as long as people
// can make something of that.
func changeInWords(from, to int64, than string) string {
	switch {
	case from <= 0 || to <= 0:
		return "not to be compared with " + than
	case to/from >= 10:
		return "over 10 times " + than
	case from/to >= 10:
		return "less than a tenth of " + than
	}
	percent := math.Round(100 * changeOf(from, to))
	if percent == 0 {
		return "as " + than
	}
	return fmt.Sprintf("%+.0f%% on %s", percent, than)
}
