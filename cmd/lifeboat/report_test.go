package main

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/restore/drill"
	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

// A planted series is a directory as backups leave it: an hourly run for some days, the
// first of each day a full one, of which some are missing.
type planted struct {
	dir   string
	names []string // sorted
	sizes map[string]int64
}

// plant makes a series of so many hours up to two hours ago, without two in a row of
// yesterday and one of the day before. What it knows of series is written down by hand.
func plant(t *testing.T, hours int) planted {
	t.Helper()
	p := planted{dir: t.TempDir(), sizes: map[string]int64{}}
	now := time.Now().UTC().Truncate(time.Second)
	full := ""
	for i := hours + 1; i > 1; i-- {
		at := now.Add(-time.Duration(i) * time.Hour)
		id := at.Format("20060102T150405Z") + fmt.Sprintf("-%06x", i)
		class, kind, size := "hourly", ".on-"+full+".wal.zst", 3_000+int64(i)
		if full == "" || full[:8] != id[:8] {
			class, kind, size, full = "daily", ".db.zst", 50_000+7*int64(i), id
		}
		if ago := int(now.Truncate(24*time.Hour).Sub(at.Truncate(24*time.Hour)).Hours()) / 24; ago == 1 && (at.Hour() == 5 || at.Hour() == 6) || ago == 2 && at.Hour() == 10 {
			continue
		}
		name := id + "." + class + kind
		path := filepath.Join(p.dir, name)
		tags := fmt.Sprintf(`{"lifeboat-retention":"held-%s","lifeboat-database":"app.db"}`, class)
		if err := os.WriteFile(filepath.Join(p.dir, id+".tags"), []byte(tags), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
		p.names, p.sizes[name] = append(p.names, name), size
	}
	return p
}

func (p planted) url() string { return "file://" + p.dir }

// sum adds up the sizes of the objects whose names match.
func (p planted) sum(match string) (n int, stored int64) {
	for name, size := range p.sizes {
		if regexp.MustCompile(match).MatchString(name) {
			n, stored = n+1, stored+size
		}
	}
	return n, stored
}

// recordDrill leaves a record of a drill of a snapshot.
func recordDrill(t *testing.T, p planted, name string, r drill.Record) {
	t.Helper()
	place, err := upload.OpenURL(t.Context(), drill.Place(bucket.URL{Dir: p.dir}), upload.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r.Snapshot = snapshot.ID(name[:len("20261123T201500Z-3f9c2a")])
	if _, err := drill.Write(t.Context(), place, r, nil); err != nil {
		t.Fatal(err)
	}
}

// numbers returns the values that a page has for machines, by what they are.
func numbers(t *testing.T, page string) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	for _, m := range regexp.MustCompile(`<data class="([a-z]+)" value="([^"]*)">`).FindAllStringSubmatch(page, -1) {
		found[m[1]] = append(found[m[1]], m[2])
	}
	return found
}

// Every number of the page is what the bucket itself shows.
func TestReportNumbers(t *testing.T) {
	p := plant(t, 100)
	newest := p.names[len(p.names)-1]
	proof := time.Now().Add(-26 * time.Hour).UTC().Truncate(time.Second)
	recordDrill(t, p, p.names[70], drill.Record{Time: proof, Passed: true, Frames: true, Host: "drill-1", Seconds: drill.Seconds{Fetch: 1.5, Decode: 2.25, Check: 4, Total: 8}})
	recordDrill(t, p, newest, drill.Record{Time: time.Now().Add(-time.Hour), Reason: "query_false", Exit: 12})
	second := t.TempDir()
	for _, name := range p.names[:len(p.names)-4] {
		if err := os.WriteFile(filepath.Join(second, name), make([]byte, p.sizes[name]), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(filepath.Join(second, name), time.Now(), time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(t.TempDir(), "report.html")
	lifeboat(t, 0, "report", p.url(), "-o", file, "--every", "1h", "--copy", "file://"+second,
		"--price-storage", "1000", "--price-uploads", "50", "--price-egress", "2000", "--currency", "CHF")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	got := numbers(t, page)

	_, stored := p.sum(".")
	base := regexp.MustCompile(`on-([^.]+)\.`).FindStringSubmatch(newest)
	chain := p.sizes[newest]
	objects := 1
	if base != nil {
		_, below := p.sum("^" + base[1])
		chain, objects = chain+below, 2
	}
	gib := float64(1 << 30)
	for what, want := range map[string][]string{
		"stored": {fmt.Sprint(stored)}, "snapshots": {fmt.Sprint(len(p.names))}, "every": {"3600"}, "gaps": {"3"}, "chain": {fmt.Sprint(chain)},
		"proved": {proof.Format(time.RFC3339)}, "recovery": {"3.75"}, "missing": {"4"}, "behind": {"14400"},
	} {
		if !slices.Equal(got[what], want) {
			t.Errorf("%s: %v, want %v", what, got[what], want)
		}
	}
	taken, err := time.Parse("20060102T150405Z", newest[:16])
	if err != nil {
		t.Fatal(err)
	}
	if age, err := strconv.ParseFloat(got["age"][0], 64); err != nil || math.Abs(age-time.Since(taken).Seconds()) > 600 {
		t.Errorf("age %v, want %v", got["age"], time.Since(taken))
	}
	for i, want := range []float64{1000 * float64(stored) / gib, 50 * float64(len(p.names)) / 1000, 2000 * float64(chain) / gib} {
		if cost, err := strconv.ParseFloat(got["cost"][i], 64); err != nil || math.Abs(cost-want) > 1e-9*want {
			t.Errorf("cost %d: %s, want %g", i, got["cost"][i], want)
		}
	}
	rows := regexp.MustCompile(`(?s)<tr class="class-(\w+)">.*?</tr>`).FindAllStringSubmatch(page, -1)
	for _, row := range rows {
		full, _ := p.sum(`\.` + row[1] + `\.db\.zst$`)
		differential, _ := p.sum(`\.` + row[1] + `\.on-`)
		_, size := p.sum(`\.` + row[1] + `\.`)
		want := fmt.Sprintf(`<td class="n">%d</td><td class="n">%d</td><td class="n"><data value="%d">`, full, differential, size)
		if !strings.Contains(row[0], want) {
			t.Errorf("%s: %s, want %s", row[1], row[0], want)
		}
	}
	if len(rows) != 6 || strings.Count(page, `<tr class="drill">`) != 2 || !strings.Contains(page, "failed: query_false") || !strings.Contains(page, "the last drill did not pass") {
		t.Errorf("%d classes, or not two drills", len(rows))
	}
	if !strings.Contains(page, fmt.Sprintf("%d objects", objects)) && objects > 1 {
		t.Errorf("the newest chain has %d objects", objects)
	}
}

// The headline names the last proof, however many drills have failed since.
func TestReportOldProof(t *testing.T) {
	p := plant(t, 3)
	proof := time.Now().Add(-300 * time.Hour).UTC().Truncate(time.Second)
	recordDrill(t, p, p.names[0], drill.Record{Time: proof, Passed: true, Frames: true})
	for i := range 2*drillsRead + 1 {
		recordDrill(t, p, p.names[0], drill.Record{Time: proof.Add(time.Duration(i+1) * time.Hour), Reason: "query_false", Exit: 12})
	}
	file := filepath.Join(t.TempDir(), "report.html")
	lifeboat(t, 0, "report", p.url(), "-o", file)
	page, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got := numbers(t, string(page))["proved"]; !slices.Equal(got, []string{proof.Format(time.RFC3339)}) {
		t.Errorf("proved at %v, want %v", got, proof)
	}
	if older := fmt.Sprintf("%d older ones not shown", 2*drillsRead+2-30); !strings.Contains(string(page), older) {
		t.Errorf("the page does not say: %s", older)
	}
}

// A name is text on the page, whatever it is, and one page serves a fleet of which one
// series cannot be examined.
func TestReportOfSeveral(t *testing.T) {
	dir := t.TempDir()
	const evil = `<script>alert(1)</script>`
	path := filepath.Join(dir, evil[:8]+".db")
	sqlite(t, path, "CREATE TABLE t (a)")
	sqlite(t, filepath.Join(dir, "b.db"), "CREATE TABLE t (a)")
	config := filepath.Join(dir, "lifeboat.yaml")
	text := fmt.Sprintf("databases:\n  - {path: '%s', url: 'file://%s/one', name: '%s'}\n  - {path: %s/b.db, url: 'file://%s/two', max-age: 1h}\n", path, dir, evil, dir, dir)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	lifeboat(t, 0, "backup", "--config", config)
	file := filepath.Join(dir, "report.html")
	report := func(exit int, args ...string) string {
		t.Helper()
		lifeboat(t, exit, append([]string{"report", "-o", file}, args...)...)
		page, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(page), "<script") {
			t.Error("the name of a database is markup")
		}
		return string(page)
	}
	page := report(0, "--config", config)
	if !strings.Contains(page, "Backups of 2 databases") || strings.Count(page, `<section class="series"`) != 2 || !strings.Contains(page, "&lt;script") {
		t.Errorf("%.3000s", page)
	}
	if page := report(0, "file://"+dir+"/one"); !strings.Contains(page, "Backups of &lt;script&gt;alert(1)&lt;/script&gt;") {
		t.Errorf("%.1000s", page)
	}
	if err := os.Rename(filepath.Join(dir, "two"), filepath.Join(dir, "moved")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "two"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if page := report(3, "--config", config); !strings.Contains(page, "unknown") || !strings.Contains(page, "not a directory") {
		t.Errorf("%.3000s", page)
	}
}

// The page of no snapshot at all is written, and no job is green with it.
func TestReportOfNothing(t *testing.T) {
	dir := t.TempDir()
	sqlite(t, filepath.Join(dir, "a.db"), "CREATE TABLE t (a)")
	lifeboat(t, 0, "backup", filepath.Join(dir, "a.db"), "file://"+dir+"/a")
	if err := os.Mkdir(filepath.Join(dir, "empty"), 0o700); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "lifeboat.yaml")
	text := fmt.Sprintf("databases:\n  - {path: %[1]s/a.db, url: 'file://%[1]s/a'}\n  - {path: %[1]s/b.db, url: 'file://%[1]s/mistyped'}\n", dir)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{
		"mistyped": {"file://" + dir + "/mistyped"}, "empty": {"file://" + dir + "/empty"}, "one of several": {"--config", config},
		"mistyped twice": {"file://" + dir + "/mistyped", "--copy", "file://" + dir + "/nowhere"},
	} {
		file := filepath.Join(dir, name+".html")
		said := lifeboat(t, exitNotFresh, append([]string{"report", "-o", file}, args...)...)
		if page, err := os.ReadFile(file); err != nil || !strings.Contains(string(page), "no snapshot") {
			t.Errorf("%s: %v, %.300s", name, err, page)
		}
		if !strings.Contains(said, "there is no snapshot in file://"+dir) || !strings.Contains(said, "hint: is the bucket URL right") {
			t.Errorf("%s: %s", name, said)
		}
	}
}

// A run that was killed leaves its temp file, and a later one removes it.
func TestReportLeftovers(t *testing.T) {
	p := plant(t, 3)
	dir := t.TempDir()
	for name, age := range map[string]time.Duration{".report.html.123.tmp": 25 * time.Hour, ".report.html.456.tmp": time.Hour} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("<!doctype html>"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, time.Time{}, time.Now().Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	lifeboat(t, 0, "report", p.url(), "-o", filepath.Join(dir, "report.html"))
	var left []string
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		left = append(left, e.Name())
	}
	if want := []string{".report.html.456.tmp", "report.html"}; err != nil || !slices.Equal(left, want) {
		t.Errorf("left %q, want %q, %v", left, want, err)
	}
}
