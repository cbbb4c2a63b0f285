package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
)

// listed is up to how many databases a run prints a line for each of them. The summary
// of more fits on a screen.
const listed = 16

// shownErrors is how many errors a run over more databases prints at a terminal.
const shownErrors = 5

// slow is from when on the slowest of many databases are named.
const slow = time.Second

// summary returns the lines that count the results, and name what is worth it among
// many.
func (r *runs) summary() string {
	var uploaded, unchanged int
	var sent int64
	var first []string
	var done []entryDocument
	for _, d := range r.documents {
		switch {
		case d.backupDocument == nil:
			continue
		case d.Unchanged:
			unchanged++
		default:
			uploaded++
		}
		if sent += d.Sent; d.first {
			first = append(first, d.Path)
		}
		done = append(done, d)
	}
	all := len(r.documents)
	text := fmt.Sprintf("%d databases: %d uploaded, %d unchanged", all, uploaded, unchanged)
	if rest := all - uploaded - unchanged; rest > 0 {
		text += fmt.Sprintf(", %d not backed up", rest)
	}
	if all <= listed {
		return text + "\n"
	}
	text += fmt.Sprintf("; %s sent in %s\n", terminal.Size(sent), time.Since(r.began).Round(100*time.Millisecond))
	if len(first) > 0 {
		text += fmt.Sprintf("new: %s\n", terminal.SomeOf(printable(first)))
	}
	if slowest := slowestOf(done); len(slowest) > 0 {
		text += "slowest: " + strings.Join(slowest, ", ") + "\n"
	}
	return text
}

// slowestOf returns the three databases that took longest, with their times, as far as
// they are slow.
func slowestOf(done []entryDocument) (names []string) {
	took := func(d entryDocument) time.Duration {
		return time.Duration(d.Seconds["total"] * float64(time.Second))
	}
	slices.SortStableFunc(done, func(a, b entryDocument) int { return cmp.Compare(took(b), took(a)) })
	for _, d := range done[:min(3, len(done))] {
		if took(d) >= slow {
			names = append(names, fmt.Sprintf("%s %s", terminal.Printable(d.Path), took(d).Round(100*time.Millisecond)))
		}
	}
	return names
}

func printable(all []string) (shown []string) {
	for _, s := range all {
		shown = append(shown, terminal.Printable(s))
	}
	return shown
}
