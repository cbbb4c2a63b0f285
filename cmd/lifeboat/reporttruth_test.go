package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/restore/drill"
)

// A storedThing is a snapshot as its object shows it: what is in the name was parsed, and
// what stands on it found, by the rules that the documents have, not by the program.
type storedThing struct {
	name, id, class, base string
	size                  int64
	taken, modified       time.Time
	tags                  map[string]string
}

// stored parses the name of an object: <ID>.<class>.db.zst or <ID>.<class>.on-<base>.wal.zst.
func stored(t *testing.T, name string, size int64, modified time.Time, tags map[string]string) storedThing {
	t.Helper()
	parts := strings.Split(name, ".")
	taken, err := time.Parse("20060102T150405Z", name[:16])
	if err != nil || len(parts) < 3 {
		t.Fatalf("%s: %v", name, err)
	}
	base, _ := strings.CutPrefix(parts[2], "on-")
	if base == "db" {
		base = ""
	}
	return storedThing{name, parts[0], parts[1], base, size, taken, modified, tags}
}

type reportTime = time.Time

// A claim is what the page should say at one place, if it was made then.
type claim func(now reportTime) string

// A reportTruth is what is in a bucket, and what a page should say of it.
type reportTruth struct {
	from, to  time.Time     // between which the page was made
	slack     time.Duration // of the clock of a store, which counts in seconds
	all       []storedThing // sorted by ID
	drills    []drill.Record
	url       string
	there     []storedThing // in the second place
	second    string
	keep      map[string]int // days of each class, -1 forever; nil: not known
	hold      time.Duration
	retention string
	warnings  []string
	prices    [3]float64

	claims []claim
}

var (
	shortFirst  = []string{"recent", "hourly", "daily", "weekly", "monthly", "yearly"}
	reportEvery = time.Hour
)

// moments are those at which the page can have been made.
func (w *reportTruth) moments() (all []reportTime) {
	step := max(w.to.Sub(w.from)/200, 100*time.Millisecond)
	for at := w.from; at.Before(w.to); at = at.Add(step) {
		all = append(all, at)
	}
	return append(all, w.to)
}

func (w *reportTruth) claim(c claim) { w.claims = append(w.claims, c) }

func (w *reportTruth) say(format string, arguments ...any) {
	text := fmt.Sprintf(format, arguments...)
	if numberTokens(text) != "" {
		w.claim(func(reportTime) string { return text })
	}
}

func (w *reportTruth) row(cells ...string) {
	for _, cell := range cells {
		w.claim(func(reportTime) string { return cell })
	}
}

// The units of the page, written down again.

func sizeWords(n int64) string {
	units, size := []string{"B", "KiB", "MiB", "GiB"}, float64(n)
	for len(units) > 1 && size >= 1024 {
		size, units = size/1024, units[1:]
	}
	if size < 10 && units[0] != "B" {
		return fmt.Sprintf("%.1f %s", math.Floor(size*10+0.5)/10, units[0])
	}
	return fmt.Sprintf("%.0f %s", math.Floor(size+0.5), units[0])
}

func timeWords(d time.Duration) string {
	two := func(n int64, large string, rest int64, small string) string {
		if rest == 0 {
			return fmt.Sprintf("%d%s", n, large)
		}
		return fmt.Sprintf("%d%s %d%s", n, large, rest, small)
	}
	seconds := int64(math.Round(d.Seconds()))
	minutes := int64(math.Round(d.Minutes()))
	hours := int64(math.Round(d.Hours()))
	switch {
	case d < time.Second:
		return fmt.Sprintf("%dms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < time.Hour:
		return two(seconds/60, "m", seconds%60, "s")
	case d < 48*time.Hour:
		return two(minutes/60, "h", minutes%60, "m")
	}
	return two(hours/24, "d", hours%24, "h")
}

func minuteWords(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") }

func manyWords(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// find returns a snapshot by its ID.
func (w *reportTruth) find(id string) *storedThing {
	for i := range w.all {
		if w.all[i].id == id {
			return &w.all[i]
		}
	}
	return nil
}

// chain returns a snapshot and what it stands on, the full one first.
func (w *reportTruth) chain(s storedThing) []storedThing {
	if s.base == "" {
		return []storedThing{s}
	}
	return append(w.chain(*w.find(s.base)), s)
}

func (w *reportTruth) newest() storedThing { return w.all[len(w.all)-1] }

// seen is when the database was last seen to hold a snapshot.
func (s storedThing) seen() time.Time {
	if at, err := time.Parse(time.RFC3339, s.tags["lifeboat-confirmed"]); err == nil && at.After(s.taken) {
		return at
	}
	return s.taken
}

func sumOf(all []storedThing) (bytes int64) {
	for _, s := range all {
		bytes += s.size
	}
	return bytes
}

// ageSpan is an age with a distance that recovery points should have.
type ageSpan struct {
	from, to     time.Duration // 0: no end
	every, limit time.Duration
}

// spans returns the ages at which other distances are right, for a run every hour.
func (w *reportTruth) spans(now reportTime) []ageSpan {
	const day = 24 * time.Hour
	after := reportEvery * 3 / 2
	hourly := ageSpan{every: time.Hour, limit: after}
	if w.keep == nil { // the plan of plantReport: hours, and days before
		first := slices.IndexFunc(w.all, func(s storedThing) bool { return s.class == "hourly" })
		for w.all[first].taken.Sub(w.all[first-1].taken) <= after {
			first--
		}
		hourly.to = now.Sub(w.all[first].taken) + time.Second
		return []ageSpan{hourly, {from: hourly.to, every: day, limit: day + after}}
	}
	spans := []ageSpan{hourly}
	for i, period := range []time.Duration{time.Hour, day, 7 * day, 31 * day, 366 * day} {
		end := time.Duration(w.keep[shortFirst[i]]) * day
		spans[i].to = end
		spans = append(spans, ageSpan{from: end, every: period, limit: period + after})
	}
	return spans
}

// A missing is a time without recovery points. Its end is zero if it has not ended.
type missing struct {
	from, to time.Time
	length   time.Duration
	span     ageSpan
}

// points returns of each span how many points it has and their longest distance, and the
// gaps, the newest first.
func (w *reportTruth) points(now reportTime) (counts []int, longest []time.Duration, gaps []missing) {
	spans := w.spans(now)
	counts, longest = make([]int, len(spans)), make([]time.Duration, len(spans))
	for i, s := range w.all {
		at := slices.IndexFunc(spans, func(a ageSpan) bool { return a.to == 0 || now.Sub(s.taken) < a.to })
		gap := missing{from: s.seen(), span: spans[at]}
		end := now
		if i+1 < len(w.all) {
			end, gap.to = w.all[i+1].taken, w.all[i+1].taken
		}
		gap.length = end.Sub(gap.from)
		counts[at]++
		longest[at] = max(longest[at], gap.length)
		if gap.length > spans[at].limit {
			gaps = append([]missing{gap}, gaps...)
		}
	}
	return counts, longest, gaps
}

// A leaving is a snapshot that goes, or is to be released.
type leaving struct {
	storedThing
	goes, due time.Time // zero: not known
	on        string    // what stands on it and is due last, "" for itself
	held      bool
}

// leavings returns what goes or is to be released next, by the rules of the documents: held
// ones are due when their successor, and all that stands on them, has been there for the
// hold, and go when their class's days are over, at midnight, but not before they are due.
func (w *reportTruth) leavings(now reportTime) (all []leaving) {
	due := make([]leaving, len(w.all))
	for i := len(w.all) - 1; i >= 0; i-- {
		d := &due[i]
		d.storedThing, d.held = w.all[i], strings.HasPrefix(w.all[i].tags["lifeboat-retention"], "held-")
		never := i == len(w.all)-1
		if !never {
			d.due = latestOf(w.all[i].modified, w.all[i+1].modified).Add(w.hold)
		}
		for _, above := range due[i+1:] {
			if above.base == d.id && !never && (above.due.IsZero() || above.due.After(d.due)) {
				d.due, d.on, never = above.due, above.id, above.due.IsZero()
			}
		}
		days, ends := w.keep[d.class]
		if ends = ends && days >= 0; ends {
			year, month, date := d.modified.UTC().Date()
			d.goes = latestOf(time.Date(year, month, date+days+1, 0, 0, 0, 0, time.UTC), d.due)
		}
		if d.tags["lifeboat-retention"] == "pinned" || never && d.held || !ends && !(d.held && !now.Before(d.due)) {
			continue
		}
		all = append([]leaving{*d}, all...)
	}
	slices.SortStableFunc(all, func(a, b leaving) int {
		for _, pair := range [][2]time.Time{{a.goes, b.goes}, {a.due, b.due}} {
			switch {
			case pair[0].IsZero() && !pair[1].IsZero():
				return 1
			case !pair[0].IsZero() && pair[1].IsZero():
				return -1
			case !pair[0].Equal(pair[1]):
				return pair[0].Compare(pair[1])
			}
		}
		return 0
	})
	return all
}

func latestOf(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
