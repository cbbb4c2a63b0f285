package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize/english"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/reports"
	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
)

// listed is up to how many databases a run prints a line for each of them. The summary
// of more fits on a screen.
const listed = 16

// shownErrors is how many errors a run over more databases prints at a terminal, and
// loggedErrors elsewhere: where a store is away, ten thousand say the same.
const (
	shownErrors  = 5
	loggedErrors = 100
)

// slow is from when on the slowest of many databases are named.
const slow = time.Second

// tallied is what became of the databases of a run.
type tallied struct {
	uploaded, unchanged, failed int
	sent                        int64
	first                       []string // paths of those whose series have begun
	done                        []entryDocument
}

func (r *runs) tallied() (n tallied) {
	for _, d := range r.documents {
		switch {
		case d.backupDocument == nil:
			n.failed++
			continue
		case d.Unchanged:
			n.unchanged++
		default:
			n.uploaded++
		}
		if n.sent += d.Sent; d.First {
			n.first = append(n.first, d.Path)
		}
		n.done = append(n.done, d)
	}
	return n
}

func (n tallied) text() string {
	text := fmt.Sprintf("%s: %d uploaded, %d unchanged", english.Plural(len(n.done)+n.failed, "database", ""), n.uploaded, n.unchanged)
	if n.failed > 0 {
		text += fmt.Sprintf(", %d not backed up", n.failed)
	}
	return text + "\n"
}

// measures returns the metrics of the run.
func (n tallied) measures() []reports.Measure {
	return []reports.Measure{
		measuresOfRun("backup", map[string]int{"uploaded": n.uploaded, "unchanged": n.unchanged, "failed": n.failed}),
		{Name: "backup_run_new_databases", Help: "Databases whose first snapshot the last run uploaded.", Value: float64(len(n.first))},
		{Name: "backup_run_uploaded_bytes", Help: "Size of what the last run uploaded.", Value: float64(n.sent)},
	}
}

// summary returns the lines that count the results, and name what is worth it among
// many.
func (r *runs) summary(n tallied) string {
	text := n.text()
	if len(r.documents) <= listed {
		return text
	}
	text = fmt.Sprintf("%s; %s sent in %s\n", strings.TrimSuffix(text, "\n"), terminal.Size(n.sent), time.Since(r.began).Round(100*time.Millisecond))
	if len(n.first) > 0 {
		text += fmt.Sprintf("new: %d, such as %s\n", len(n.first), strings.Join(printable(n.first[:min(3, len(n.first))]), ", "))
	}
	if rest := r.failed - r.shown; rest > 0 {
		text += fmt.Sprintf("%d more errors are not shown: --json has them\n", rest)
	}
	if slowest := slowestOf(n.done); len(slowest) > 0 {
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
