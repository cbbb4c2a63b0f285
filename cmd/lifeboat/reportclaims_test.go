package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/restore/drill"
)

// expect computes all that the page of a series should say, from the top to the bottom.
func (w *reportTruth) expect() {
	w.claims = nil
	w.say("%s", w.url)
	w.claim(madeWords)
	w.expectSeries()
}

// madeWords are when the page was made, and by what.
func madeWords(now reportTime) string {
	return minuteWords(now) + " UTC " + numberTokens(programVersion())
}

// expectSeries computes what is below the name of a series.
func (w *reportTruth) expectSeries() {
	w.expectHeadline()
	for _, warning := range w.warnings {
		w.say("%s", warning)
	}
	w.expectTimelines()
	w.expectPoints()
	w.expectClasses()
	full := sumOf(slices.DeleteFunc(slices.Clone(w.all), func(s storedThing) bool { return s.base != "" }))
	w.say("%s in %s, of which %s", sizeWords(sumOf(w.all)), manyWords(len(w.all), "object"), sizeWords(full))
	w.expectChains()
	w.expectLeavings()
	w.expectDrills()
	w.expectCosts()
}

func (w *reportTruth) expectHeadline() {
	newest := w.newest()
	w.claim(func(now reportTime) string { return timeWords(now.Sub(newest.seen())) })
	w.say("%s", newest.id)
	w.say("%s UTC", minuteWords(newest.seen()))
	proof := slices.IndexFunc(w.drills, func(r drill.Record) bool { return r.Passed })
	if proof >= 0 {
		r := w.drills[proof]
		w.claim(func(now reportTime) string { return timeWords(now.Sub(r.Time)) })
		w.say("%s", recoveryWords(r))
		w.say("%s %s %s UTC", r.Snapshot, r.Host, minuteWords(r.Time))
	}
	switch {
	case w.second == "":
	case len(w.there) == 0:
		w.say("%s", w.second)
	default:
		if behind := w.behind(); behind > 0 {
			w.say("%s", timeWords(behind))
		}
		w.say("%s: %s, %s; %d of those here are not there", w.second, manyWords(len(w.there), "snapshot"), sizeWords(sumOf(w.there)), len(w.all)-len(w.there))
	}
	w.say("%s", sizeWords(sumOf(w.all)))
	w.say("%s", manyWords(len(w.all), "snapshot"))
	w.say("%s", w.retention)
}

// behind returns how much older the newest copy is.
func (w *reportTruth) behind() time.Duration {
	return w.newest().taken.Sub(w.there[len(w.there)-1].taken)
}

// recoveryWords returns how long it took to have the database back.
func recoveryWords(r drill.Record) string {
	if !r.Frames {
		return "-"
	}
	return timeWords(time.Duration((r.Seconds.Fetch + r.Seconds.Decode) * float64(time.Second)))
}

func (w *reportTruth) expectTimelines() {
	for _, since := range []func(reportTime) time.Time{
		func(reportTime) time.Time { return w.all[0].taken },
		func(now reportTime) time.Time { return now.AddDate(0, 0, -14) },
	} {
		w.claim(func(now reportTime) string {
			shown := slices.DeleteFunc(slices.Clone(w.all), func(s storedThing) bool { return s.taken.Before(since(now)) })
			full := len(slices.DeleteFunc(slices.Clone(shown), func(s storedThing) bool { return s.base != "" }))
			_, _, gaps := w.points(now)
			gaps = slices.DeleteFunc(gaps, func(g missing) bool { return !g.to.IsZero() && g.to.Before(since(now)) })
			title := ""
			if !since(now).Equal(w.all[0].taken) {
				title = "14"
			}
			return fmt.Sprintf("%s %d %s: %d full ones, %d. %d gaps", title, len(shown), minuteWords(since(now)), full, len(shown)-full, len(gaps))
		})
	}
}

func (w *reportTruth) expectPoints() {
	w.claim(func(now reportTime) string {
		_, _, gaps := w.points(now)
		return fmt.Sprintf("%s, %d gaps", timeWords(reportEvery), len(gaps))
	})
	for i := range w.spans(w.from) {
		w.claim(func(now reportTime) string {
			switch span := w.spans(now)[i]; {
			case span.from == 0:
				return "up to " + timeWords(span.to)
			case span.to == 0:
				return "over " + timeWords(span.from)
			default:
				return timeWords(span.from) + " to " + timeWords(span.to)
			}
		})
		w.claim(func(now reportTime) string { return timeWords(w.spans(now)[i].every) })
		w.claim(func(now reportTime) string { counts, _, _ := w.points(now); return fmt.Sprint(counts[i]) })
		w.claim(func(now reportTime) string {
			counts, longest, _ := w.points(now)
			if counts[i] == 0 {
				return "-"
			}
			return timeWords(longest[i])
		})
		w.claim(func(now reportTime) string {
			_, _, gaps := w.points(now)
			return fmt.Sprint(len(slices.DeleteFunc(gaps, func(g missing) bool { return g.span != w.spans(now)[i] })))
		})
	}
	_, _, gaps := w.points(w.from)
	for i, gap := range gaps {
		end := "now"
		if !gap.to.IsZero() {
			end = minuteWords(gap.to)
		}
		w.row(minuteWords(gap.from), end)
		w.claim(func(now reportTime) string { _, _, gaps := w.points(now); return timeWords(gaps[i].length) })
		w.row(timeWords(gap.span.every), "")
	}
}

func (w *reportTruth) expectClasses() {
	for _, class := range shortFirst {
		of := slices.DeleteFunc(slices.Clone(w.all), func(s storedThing) bool { return s.class != class })
		full := len(slices.DeleteFunc(slices.Clone(of), func(s storedThing) bool { return s.base != "" }))
		oldest := "-"
		if len(of) > 0 {
			oldest = minuteWords(of[0].taken)
		}
		w.row(class, w.keptFor(class), fmt.Sprint(full), fmt.Sprint(len(of)-full), sizeWords(sumOf(of)), oldest)
	}
}

func (w *reportTruth) keptFor(class string) string {
	switch days, known := w.keep[class]; {
	case !known:
		return "-"
	case days < 0:
		return "forever"
	default:
		return fmt.Sprintf("%dd", days)
	}
}

func (w *reportTruth) expectChains() {
	chain := w.chain(w.newest())
	var parts []string
	for _, s := range chain {
		parts = append(parts, fmt.Sprintf("%s (%s)", s.name, sizeWords(s.size)))
	}
	w.say("%s in %s: %s", sizeWords(sumOf(chain)), manyWords(len(chain), "object"), strings.Join(parts, ", "))
	of := map[string][]storedThing{} // all of a chain, by the ID of the full one
	var order []string
	for _, s := range w.all {
		full := w.chain(s)[0].id
		of[full] = append(of[full], s)
	}
	for full := range of {
		order = append(order, full)
	}
	last := func(full string) string { return of[full][len(of[full])-1].id }
	slices.SortFunc(order, func(a, b string) int { return strings.Compare(last(b), last(a)) })
	shown := order[:min(len(order), 20)]
	if rest := order[len(shown):]; len(rest) > 0 {
		var others []storedThing
		for _, full := range rest {
			others = append(others, of[full]...)
		}
		w.say("%s in older chains, %s, not shown", manyWords(len(others), "snapshot"), sizeWords(sumOf(others)))
	}
	for _, full := range shown {
		s, end := w.find(full), "-"
		if last(full) != full {
			end = last(full)
		}
		w.row(full, s.class, sizeWords(s.size), fmt.Sprint(len(of[full])-1), sizeWords(sumOf(of[full])), end)
	}
}

func (w *reportTruth) expectLeavings() {
	all := w.leavings(w.from)
	switch {
	case len(all) > 20:
		w.say("%s, the first 20", manyWords(len(all), "snapshot"))
	case len(all) > 0:
		w.say("%s", manyWords(len(all), "snapshot"))
	}
	for _, d := range all[:min(len(all), 20)] {
		due := !d.due.IsZero() && !w.from.Before(d.due)
		goes, do := "not known", "keep"
		if !d.goes.IsZero() {
			goes = d.goes.Format(time.DateOnly)
		} else if w.keep != nil {
			goes = "never"
		}
		if d.held && due {
			do = "release"
		}
		if due && !d.goes.IsZero() && !w.from.Before(d.goes) {
			do = "expire"
		}
		w.row(d.id, goes, do, sizeWords(d.size))
		w.claim(func(now reportTime) string { return w.reason(d, due, do, now) })
	}
}

// reason returns in words why a snapshot goes when it does.
func (w *reportTruth) reason(d leaving, due bool, do string, now reportTime) string {
	text := d.class
	switch {
	case d.held && !due && d.on == "":
		return text + ", held until it has been superseded for " + dayWords(w.hold)
	case d.held && !due:
		return text + fmt.Sprintf(", held until %s, which stands on it, has been superseded for %s", d.on, dayWords(w.hold))
	case d.held:
		text += ", superseded for " + dayWords(now.Sub(d.due)+w.hold)
	case !due:
		return text + ", but superseded for less than " + dayWords(w.hold)
	}
	switch {
	case w.keep == nil:
		return text
	case do == "expire":
		return text + ", its " + w.keptFor(d.class) + " are over"
	case w.keep[d.class] < 0:
		return text + ", kept forever"
	}
	return text + ", kept for " + w.keptFor(d.class)
}

func dayWords(d time.Duration) string {
	days, hours := int(d.Hours())/24, int(d.Hours())%24
	switch {
	case days == 0:
		return d.Truncate(time.Second).String()
	case hours == 0:
		return fmt.Sprintf("%dd", days)
	}
	return fmt.Sprintf("%dd%dh", days, hours)
}

func (w *reportTruth) expectDrills() {
	if len(w.drills) == 0 {
		w.say("lifeboat verify %s --record", w.url)
		return
	}
	if longest := w.longestDrill(); longest > 0 {
		n := len(slices.DeleteFunc(slices.Clone(w.drills), func(r drill.Record) bool { return !r.Frames }))
		w.say("%s, %s", manyWords(n, "drill"), timeWords(longest))
	}
	for _, r := range w.drills {
		result, check, queries := "passed", "-", "-"
		if !r.Passed {
			result = "failed: " + r.Reason
		}
		if r.Check != "" {
			check = string(r.Check)
		}
		if r.Asked > 0 {
			queries = fmt.Sprintf("%d/%d", r.True, r.Asked)
		}
		w.row(minuteWords(r.Time), string(r.Snapshot), result, recoveryWords(r), check, queries, r.Host, r.Tool)
	}
}

// longestDrill returns the longest sum of the stages that a drawing has.
func (w *reportTruth) longestDrill() (longest time.Duration) {
	for _, r := range w.drills {
		if s := r.Seconds; r.Frames {
			longest = max(longest, time.Duration((s.Fetch+s.Decode+s.Check+s.Queries)*float64(time.Second)))
		}
	}
	return longest
}

func (w *reportTruth) expectCosts() {
	const gib = 1 << 30
	if w.prices == [3]float64{} {
		return
	}
	chain := w.chain(w.newest())
	w.claim(func(reportTime) string { return "storage, a month" })
	w.row(moneyWords(w.prices[0]*float64(sumOf(w.all))/gib), sizeWords(sumOf(w.all))+" that are there now")
	uploads := func(now reportTime) int {
		return len(slices.DeleteFunc(slices.Clone(w.all), func(s storedThing) bool { return now.Sub(s.taken) >= 30*24*time.Hour }))
	}
	w.claim(func(reportTime) string { return "uploads, a month" })
	w.claim(func(now reportTime) string { return moneyWords(w.prices[1] * float64(uploads(now)) / 1000) })
	w.claim(func(now reportTime) string {
		return manyWords(uploads(now), "snapshot") + " of the last 30 days that are there now"
	})
	w.row("a restore of the newest", moneyWords(w.prices[2]*float64(sumOf(chain))/gib), sizeWords(sumOf(chain))+" in "+manyWords(len(chain), "object"))
}

func moneyWords(amount float64) string {
	switch {
	case amount < 0.0001:
		return "less than 0.0001 CHF"
	case amount < 0.1:
		return fmt.Sprintf("%.4f CHF", amount)
	}
	return fmt.Sprintf("%.2f CHF", amount)
}
