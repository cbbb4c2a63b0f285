package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/restore/drill"
)

// A fleetTruth is what is in the directories of several series, and what a page of all of
// them should say.
type fleetTruth struct {
	reportTruth // of the page as a whole
	names       []string
	maxAge      time.Duration
	series      []*reportTruth
}

// expect computes all that the page should say.
func (f *fleetTruth) expect() {
	f.claims = nil
	f.say("Backups of %s", manyWords(len(f.series), "database")) // the title
	f.say("Backups of %s", manyWords(len(f.series), "database"))
	f.claim(madeWords)
	f.expectOverview()
	for i, w := range f.series {
		w.from, w.to, w.claims = f.from, f.to, nil
		w.say("%s", f.names[i])
		w.say("%s", w.url)
		if f.isOld(w) {
			w.claim(func(now reportTime) string {
				return fmt.Sprintf("%s in %s was taken %v ago", w.newest().id, w.url, now.Sub(w.newest().seen()).Truncate(time.Second))
			})
		}
		w.expectSeries()
		f.claims = append(f.claims, w.claims...)
	}
}

func (f *fleetTruth) isOld(w *reportTruth) bool { return f.to.Sub(w.newest().seen()) > f.maxAge }

func (f *fleetTruth) expectOverview() {
	well, proved, stored := 0, 0, int64(0)
	for _, w := range f.series {
		stored += sumOf(w.all)
		if !f.isOld(w) {
			well++
		}
		if slices.ContainsFunc(w.drills, func(r drill.Record) bool { return r.Passed }) {
			proved++
		}
	}
	f.say("%d", len(f.series))
	f.say("%d", well)
	f.say("%d of %d", proved, len(f.series))
	f.say("%s", sizeWords(stored))
	f.say("%s", moneyWords(f.prices[0]*float64(stored)/(1<<30)))
	for i, w := range f.series {
		state := "fresh"
		if f.isOld(w) {
			state = "too old"
		}
		f.row(f.names[i], state)
		f.claim(func(now reportTime) string { return timeWords(now.Sub(w.newest().seen())) })
		f.row(fmt.Sprint(len(w.warnings)), fmt.Sprint(len(w.all)), sizeWords(sumOf(w.all)))
		f.claim(func(now reportTime) string { _, _, gaps := w.points(now); return fmt.Sprint(len(gaps)) })
		f.expectProof(w)
		f.row(copyWords(w))
	}
}

// expectProof computes the cells of the last proof.
func (f *fleetTruth) expectProof(w *reportTruth) {
	proof := slices.IndexFunc(w.drills, func(r drill.Record) bool { return r.Passed })
	if proof < 0 {
		f.row("never", "-")
		return
	}
	failing := ""
	if proof > 0 {
		failing = ", failing"
	}
	f.claim(func(now reportTime) string { return timeWords(now.Sub(w.drills[proof].Time)) + " ago" + failing })
	f.row(recoveryWords(w.drills[proof]))
}

func copyWords(w *reportTruth) string {
	switch {
	case len(w.there) == 0:
		return "none there"
	case w.behind() > 0:
		return timeWords(w.behind()) + " behind"
	}
	return "up to date"
}

// plantFleet makes three series with second places below a directory: one that is as it
// should be, an old one with neither drills nor copies, and one whose last drill has failed
// and whose copies are behind. It returns a configuration of them.
func plantFleet(t *testing.T, f *fleetTruth, second string) string {
	t.Helper()
	dir, lines := t.TempDir(), "databases:\n"
	for i, name := range []string{"healthy", "old", "failing"} {
		p := plantReport(t)
		w := &reportTruth{url: p.url(), second: "file://" + filepath.Join(second, p.dir), hold: f.hold, prices: f.prices}
		all, copied := w.read(t, p.dir), 0
		switch name {
		case "healthy":
			copied = len(all)
			records, err := filepath.Glob(filepath.Join(p.dir, ".drills", "*.json"))
			if err != nil || len(records) != 4 {
				t.Fatal(records, err)
			}
			must(t, os.Remove(slices.Max(records)))
		case "old":
			for _, s := range all[len(all)-30:] {
				must(t, os.Remove(filepath.Join(p.dir, s.name)))
				must(t, os.Remove(filepath.Join(p.dir, s.id+".tags")))
			}
			must(t, os.RemoveAll(filepath.Join(p.dir, ".drills")))
		case "failing":
			copied = len(all) - 4
		}
		must(t, os.MkdirAll(filepath.Join(second, p.dir), 0o700))
		for _, s := range all[:copied] {
			must(t, os.WriteFile(filepath.Join(second, p.dir, s.name), make([]byte, s.size), 0o600))
		}
		w.all, w.there, w.drills = w.read(t, p.dir), w.read(t, filepath.Join(second, p.dir)), readRecords(t, p.dir)
		f.names, f.series = append(f.names, filepath.Join(dir, name+".db")), append(f.series, w)
		sqlite(t, f.names[i], "CREATE TABLE t (a)")
		lines += fmt.Sprintf("  - {path: %s, url: '%s', max-age: %s}\n", f.names[i], w.url, f.maxAge)
	}
	config := filepath.Join(dir, "lifeboat.yaml")
	must(t, os.WriteFile(config, []byte(lines), 0o600))
	return config
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Every number of a page of several series, and of its overview, is what is in their
// directories.
func TestReportEveryNumberOfAFleet(t *testing.T) {
	f := &fleetTruth{maxAge: 26 * time.Hour}
	f.hold, f.prices = 4*24*time.Hour, [3]float64{1000, 0.5, 2000}
	second := t.TempDir()
	config := plantFleet(t, f, second)
	for _, w := range f.series {
		var status struct{ Warnings []string }
		must(t, json.Unmarshal([]byte(lifeboat(t, 0, "status", w.url, "--json")), &status))
		w.warnings = status.Warnings
	}
	f.from = time.Now()
	text := lifeboat(t, 0, "report", "--config", config, "-o", "-", "--every", reportEvery.String(), "--copy", "file://"+second,
		"--price-storage", "1000", "--price-uploads", "0.5", "--price-egress", "2000", "--currency", "CHF")
	f.to = time.Now()
	page := parsePage(t, text)
	f.expect()
	page.compare(t, &f.reportTruth)
	figures := page.figures
	for _, w := range f.series {
		n := 3
		if len(w.drills) > 0 {
			n = 4
		}
		if len(figures) < n {
			t.Fatalf("%d drawings for %s, want %d", len(figures), w.url, n)
		}
		w.checkFigures(t, figures[:n])
		figures = figures[n:]
	}
	if len(figures) > 0 {
		t.Errorf("%d drawings more", len(figures))
	}
	if !strings.Contains(text, "too old") || !strings.Contains(text, "failing") {
		t.Error("the fleet has nothing that is wrong")
	}
}
