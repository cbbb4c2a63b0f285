package main

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/restore/drill"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
)

// aReport makes a page and reads it. It notes when that was, and the warnings of status.
func (w *reportTruth) aReport(t *testing.T, args ...string) shownPage {
	t.Helper()
	var status struct{ Warnings []string }
	if err := json.Unmarshal([]byte(lifeboat(t, 0, "status", w.url, "--json")), &status); err != nil {
		t.Fatal(err)
	}
	w.warnings = status.Warnings
	w.from = time.Now().Add(-w.slack)
	text := lifeboat(t, 0, append([]string{"report", w.url, "-o", "-", "--every", reportEvery.String()}, args...)...)
	w.to = time.Now().Add(w.slack)
	return parsePage(t, text)
}

// check holds a page against the bucket.
func (w *reportTruth) check(t *testing.T, page shownPage) {
	t.Helper()
	w.expect()
	page.compare(t, w)
	w.checkFigures(t, page.figures)
}

// leavingRows returns the rows of what goes next: ID, when, what to do, size and why.
func (p shownPage) leavingRows() (rows [][]string) {
	for i, b := range p.blocks {
		if b.text == "keep" || b.text == "release" || b.text == "expire" {
			var row []string
			for _, cell := range p.blocks[i-2 : i+3] {
				row = append(row, cell.text)
			}
			rows = append(rows, row)
		}
	}
	return rows
}

// read reads the snapshots of a directory, and the records of their drills.
func (w *reportTruth) read(t *testing.T, dir string) (all []storedThing) {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if !strings.HasSuffix(file.Name(), ".zst") {
			continue
		}
		info, err := file.Info()
		if err != nil {
			t.Fatal(err)
		}
		var tags map[string]string
		if text, err := os.ReadFile(filepath.Join(dir, file.Name()[:23]+".tags")); err == nil {
			if err := json.Unmarshal(text, &tags); err != nil {
				t.Fatal(err)
			}
		}
		all = append(all, stored(t, file.Name(), info.Size(), info.ModTime(), tags))
	}
	return all
}

func readRecords(t *testing.T, dir string) (all []drill.Record) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, ".drills", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		var r drill.Record
		text, err := os.ReadFile(file)
		if err == nil {
			err = json.Unmarshal(text, &r)
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append([]drill.Record{r}, all...) // the newest first
	}
	return all
}

// retag changes the tags of a snapshot in a directory.
func (p planted) retag(t *testing.T, name string, tags string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(p.dir, name[:23]+".tags"), []byte(tags), 0o600); err != nil {
		t.Fatal(err)
	}
}

// plantReport makes a series of hours, and of days before those, with what a page shows: a
// pinned one, released ones, a confirmation, a gap of days.
func plantReport(t *testing.T) planted {
	t.Helper()
	p := plant(t, 100)
	first, err := time.Parse("20060102T150405Z", p.names[0][:16])
	if err != nil {
		t.Fatal(err)
	}
	for i := range 30 {
		if i == 11 || i == 12 {
			continue
		}
		at := first.Add(-time.Duration(i+1) * 24 * time.Hour)
		name := at.Format("20060102T150405Z") + fmt.Sprintf("-%06x.daily.db.zst", 0xaaaa00+i)
		path, tags := filepath.Join(p.dir, name), `{"lifeboat-retention":"daily","lifeboat-database":"app.db"}`
		if i < 3 {
			tags = strings.Replace(tags, "daily", "held-daily", 1)
		}
		p.retag(t, name, tags)
		if err := os.WriteFile(path, make([]byte, 40_000+11*i), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
		p.names, p.sizes[name] = append([]string{name}, p.names...), int64(40_000+11*i)
	}
	p.retag(t, p.names[26], `{"lifeboat-retention":"pinned","lifeboat-database":"app.db"}`)
	for i, name := range p.names[:len(p.names)-1] { // one of the missing hours was a confirmation
		at, err := time.Parse("20060102T150405Z", name[:16])
		if err != nil {
			t.Fatal(err)
		}
		if next := p.names[i+1]; strings.Contains(name, ".hourly.") && next[9:11] == "11" && at.Hour() == 9 {
			p.retag(t, name, fmt.Sprintf(`{"lifeboat-retention":"held-hourly","lifeboat-database":"app.db","lifeboat-confirmed":%q}`, at.Add(time.Hour).Format(time.RFC3339)))
		}
	}
	for i, ago := range []int{300, 170, 26, 2} {
		r := drill.Record{Tool: "lifeboat v1.2.3", Host: fmt.Sprintf("drill-%d", i), Time: time.Now().Add(-time.Duration(ago) * time.Hour), Passed: true, Frames: true,
			Check: "quick", Asked: 3, True: 3, Seconds: drill.Seconds{Fetch: 1.5 + float64(i), Decode: 2.25, Check: 4, Queries: 0.75, Total: 8}}
		if ago == 2 {
			r.Passed, r.Frames, r.True, r.Reason, r.Exit = false, false, 1, "query_false", 12
		}
		recordDrill(t, p, p.names[i*20], r)
	}
	return p
}

// Every number of a page, and the place of every mark in its drawings, is what is in the
// directory. What is to be released next is what a release then releases.
func TestReportEveryNumber(t *testing.T) {
	p := plantReport(t)
	second := t.TempDir()
	w := &reportTruth{url: p.url(), second: "file://" + second, hold: 4 * 24 * time.Hour, prices: [3]float64{1000, 0.5, 2000}}
	w.all = w.read(t, p.dir)
	for _, s := range w.all[:len(w.all)-4] {
		if err := os.WriteFile(filepath.Join(second, s.name), make([]byte, s.size), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w.there, w.drills = w.read(t, second), readRecords(t, p.dir)
	page := w.aReport(t, "--copy", w.second, "--price-storage", "1000", "--price-uploads", "0.5", "--price-egress", "2000", "--currency", "CHF")
	w.check(t, page)
	if t.Failed() {
		return
	}

	released := releasedIDs(t, lifeboat(t, 0, "lifecycle", "release", p.url(), "--json"))
	rows := page.leavingRows()
	if len(rows) < 3 || len(released) < len(rows) {
		t.Fatalf("%d rows, %d released", len(rows), len(released))
	}
	for _, row := range rows {
		if row[2] != "release" || !slices.Contains(released, row[0]) {
			t.Errorf("%v: not released, but %v", row, released)
		}
	}
	if all := w.leavings(w.to); len(all) != len(released) {
		t.Errorf("%d released, and the page counts %d", len(released), len(all))
	}
}

func releasedIDs(t *testing.T, document string) (ids []string) {
	t.Helper()
	var d struct{ Released []struct{ ID string } }
	if err := json.Unmarshal([]byte(document), &d); err != nil {
		t.Fatal(err)
	}
	for _, r := range d.Released {
		ids = append(ids, r.ID)
	}
	return ids
}

// The same of a bucket with rules: they then take what goes next on the day that the page
// has, as the store itself says.
func TestReportEveryNumberOfABucket(t *testing.T) {
	server := testserver.Start(t)
	server.Setenv(t)
	bucket, client := server.Bucket(t), server.Client(t)
	w := &reportTruth{url: "s3://" + bucket + "/app", slack: 2 * time.Second, hold: 4 * 24 * time.Hour, retention: "recent 4d, hourly 6d, daily 14d, weekly 60d, monthly 400d, yearly forever",
		keep: map[string]int{"recent": 4, "hourly": 6, "daily": 14, "weekly": 60, "monthly": 400, "yearly": -1}}
	putReport(t, w, func(key, content, tags string) error {
		return client.Put(t.Context(), bucket, key, content, "x-amz-tagging", tags)
	})
	lifeboat(t, 0, "lifecycle", "apply", w.url, "--yes")
	read := func() {
		t.Helper()
		objects, err := client.Objects(t.Context(), bucket, "app/")
		if err != nil {
			t.Fatal(err)
		}
		w.all = nil
		for _, o := range objects {
			tags, err := client.Tags(t.Context(), bucket, o.Name)
			if err != nil {
				t.Fatal(err)
			}
			w.all = append(w.all, stored(t, strings.TrimPrefix(o.Name, "app/"), o.Size, o.Modified, tags))
		}
	}
	read()
	w.check(t, w.aReport(t)) // nothing is due

	// All but the newest, and what it stands on, is due as soon as another one is there.
	last := w.all[0].modified
	for _, s := range w.all {
		last = latestOf(last, s.modified)
	}
	w.hold = time.Second
	time.Sleep(time.Until(last.Add(w.hold + 4*time.Second))) // and by the store's clock
	page := w.aReport(t, "--hold", "1s")
	w.check(t, page)
	released := releasedIDs(t, lifeboat(t, 0, "lifecycle", "release", w.url, "--hold", "1s", "--json"))
	for _, row := range page.leavingRows() {
		s := w.find(row[0])
		if held := strings.HasPrefix(s.tags["lifeboat-retention"], "held-"); held != slices.Contains(released, s.id) || held != (row[2] == "release") {
			t.Errorf("%v: held %v, released %v", row, held, released)
		}
		header, err := client.Head(t.Context(), bucket, "app/"+s.name)
		if err != nil {
			t.Fatal(err)
		}
		when := regexp.MustCompile(`expiry-date="([^"]+)"`).FindStringSubmatch(header.Get("X-Amz-Expiration"))
		if when == nil {
			t.Fatalf("%v: no rule takes it: %v", row, header)
		}
		if at, err := time.Parse(time.RFC1123, when[1]); err != nil || at.UTC().Format(time.DateOnly) != row[1] {
			t.Errorf("%v: the store says %s", row, when[1])
		}
	}
}

// putReport uploads a series of all classes: two months, of which the last day is hours
// with differentials.
func putReport(t *testing.T, w *reportTruth, put func(key, content, tags string) error) {
	t.Helper()
	now := time.Now().UTC().Truncate(time.Second).Add(-10 * time.Minute) // no age is one at which spans end
	full, previous := "", time.Time{}
	var ago []int
	for hours := 24 * 70; hours > 1; hours -= 24 {
		if hours > 80 && hours/24 != 20 && hours/24 != 21 {
			ago = append(ago, hours)
		}
	}
	for hours := 72; hours > 1; hours-- {
		if hours < 30 || hours > 33 {
			ago = append(ago, hours)
		}
	}
	for i, hours := range ago {
		at := now.Add(-time.Duration(hours) * time.Hour)
		class := classByHand(previous, at)
		previous = at
		id := at.Format("20060102T150405Z") + fmt.Sprintf("-%06x", i)
		name, size := id+"."+class+".db.zst", 5000+13*i
		switch {
		case class == "hourly" && hours < 20 && full != "" && full[:8] == id[:8]:
			name, size = id+".hourly.on-"+full+".wal.zst", 300+i
		case class != "hourly":
			full = id
		}
		tag := "held-" + class
		if i < 10 {
			tag = class
		}
		if hours == 71 {
			tag = "pinned" // it would be among those that go first
		}
		tags := url.Values{"lifeboat-retention": {tag}, "lifeboat-database": {"app.db"}}.Encode()
		if err := put("app/"+name, strings.Repeat("x", size), tags); err != nil {
			t.Fatal(err)
		}
	}
}

// classByHand returns the longest period that has begun between two times.
func classByHand(previous, at time.Time) string {
	year, week := previous.ISOWeek()
	ofYear, ofWeek := at.ISOWeek()
	switch {
	case previous.IsZero():
		return "monthly"
	case previous.Year() != at.Year():
		return "yearly"
	case previous.Month() != at.Month():
		return "monthly"
	case year != ofYear || week != ofWeek:
		return "weekly"
	case previous.YearDay() != at.YearDay():
		return "daily"
	}
	return "hourly"
}
