package lifecycle

import (
	"database/sql"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
)

// part is the size of a part of an upload, in bytes, as package upload chooses
// it for databases of up to 80 GB.
const part = 8 << 20

// A load is a database, and how it is backed up.
type load struct {
	stored  int           // of one snapshot, bytes
	uploads time.Duration // from one snapshot to the next
	runs    time.Duration // from one run to the next
}

// The table of costs in the documents, for three databases of which each snapshot
// is half as large as the database: what is in the bucket after two years is
// planned, and requests are those that a MinIO has seen.
func TestCosts(t *testing.T) {
	const (
		mib   = 1 << 20
		gib   = 1 << 30
		month = 30 * day
	)
	loads := []load{
		{50 * mib / 2, 6 * time.Hour, time.Hour},
		{gib / 2, time.Hour, time.Hour},
		{20 * gib / 2, 6 * time.Hour, 6 * time.Hour},
	}
	pace := map[time.Duration]*paced{}
	rows := map[string][]string{}
	add := func(row, cell string) { rows[row] = append(rows[row], cell) }
	number := func(n int) string { return humanize.Comma(int64(n)) }
	size := func(bytes int) string {
		if bytes < 10*gib {
			return fmt.Sprintf("%.1f GiB", float64(bytes)/gib)
		}
		return humanize.Comma(int64(bytes+gib/2)/gib) + " GiB"
	}
	for _, l := range loads {
		if pace[l.uploads] == nil {
			pace[l.uploads] = measure(t, l.uploads)
		}
		counted := pace[l.uploads]
		changed := int(month / l.uploads)
		unchanged := int(month/l.runs) - changed
		kept, noncurrent := afterTwoYears(l.uploads)
		all := 0
		for _, n := range kept {
			all += n
		}
		puts := counted.changed["PUT ?tagging"] + 1 // one part
		if parts := (l.stored + part - 1) / part; parts > 1 {
			puts = counted.changed["PUT ?tagging"] + parts + 2 // begin and complete
		}
		add("runs a month that upload", number(changed))
		add("runs that find nothing changed", number(unchanged))
		add("snapshots: held", number(kept[series.Held]))
		for _, class := range Classes()[1:] {
			add("snapshots: "+string(class), number(kept[string(class)]))
		}
		add("**stored**", size(all*l.stored))
		add("and in a versioned bucket, noncurrent for 30 days", size(noncurrent*l.stored))
		add("uploaded a month", size(changed*l.stored))
		add("**requests a month**: PUT and POST", number(changed*puts+unchanged*counted.unchanged["PUT ?tagging"]))
		add("LIST", number(changed*counted.changed["GET ?list-type"]+unchanged*counted.unchanged["GET ?list-type"]))
		add("GET, of tags", number(changed*counted.changed["GET ?tagging"]+unchanged*counted.unchanged["GET ?tagging"]))
	}
	text, err := os.ReadFile(filepath.Join("..", "deploy", "docs", "sizing.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range slices.Sorted(maps.Keys(rows)) {
		if row := "| " + name + " | " + strings.Join(rows[name], " | ") + " |\n"; !strings.Contains(string(text), row) {
			t.Errorf("the page does not have: %s", row)
		}
	}
}

// afterTwoYears returns what is in a bucket after two years of snapshots, by
// tag, and how many are noncurrent where it is versioned.
func afterTwoYears(pace time.Duration) (kept map[string]int, noncurrent int) {
	now := at("2026-11-24 12:30")
	var items []Item
	for taken := now.AddDate(-2, 0, 0); taken.Before(now); taken = taken.Add(pace) {
		items = append(items, Item{Snapshot: series.Snapshot{ID: snapshot.NewID(taken), Object: bucket.Object{Size: 1, Modified: taken}}})
	}
	kept = map[string]int{}
	for _, d := range Decide(items, Terms{Policy: DefaultPolicy()}, now) {
		switch {
		case d.Action == ActKeep:
			kept[series.Held]++
		case d.Action == ActRelease:
			kept[string(d.Class)]++
		case now.Before(DefaultNoncurrent.expires(d.Expires)):
			noncurrent++
		}
	}
	return kept, noncurrent
}

// A paced has the requests of one backup with its release, by kind.
type paced struct{ changed, unchanged map[string]int }

// measure counts requests at a MinIO that has snapshots of half a month. In the
// steady state every upload makes one older snapshot due.
func measure(t *testing.T, pace time.Duration) *paced {
	server := testserver.Start(t)
	path := filepath.Join(t.TempDir(), "app.db")
	db, err := sql.Open("sqlite3", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	bucket := server.Bucket(t)
	direct := open(t, server, bucket)
	count := &counter{calls: map[string]int{}}
	counted := open(t, count.start(t, server), bucket)
	fill(t, direct, time.Now().Add(-pace), pace, 0, int(15*day/pace))

	run := func(released int) map[string]int {
		clear(count.calls)
		done, err := upload.Backup(t.Context(), counted, path, upload.BackupOptions{Copy: snapshot.CopyOptions{TempDir: t.TempDir()}})
		if err != nil {
			t.Fatal(err)
		}
		// As in TestRequestsPerBackup, a short hold takes the place of days.
		result, err := Release(t.Context(), timed{counted, time.Now().Add(2 * time.Second)}, Options{Hold: time.Second, IgnoreShrink: true})
		if err != nil || len(result.Released) != released || done.Unchanged != (released == 0) {
			t.Fatalf("released %d, unchanged %v, %v", len(result.Released), done.Unchanged, err)
		}
		if parts := (int(done.Snapshot.Object.Size) + part - 1) / part; !done.Unchanged && count.calls["PUT"]+count.calls["POST"] != parts+2 {
			t.Errorf("%d parts: %v", parts, count.calls)
		}
		return maps.Clone(count.calls)
	}
	if _, err := db.Exec("CREATE TABLE t (x); INSERT INTO t VALUES (randomblob(20000000))"); err != nil {
		t.Fatal(err)
	}
	p := &paced{changed: run(1)}
	p.unchanged = run(0)
	for _, calls := range []map[string]int{p.changed, p.unchanged} {
		for kind := range calls {
			if !slices.Contains([]string{"GET ?list-type", "GET ?tagging", "PUT ?tagging", "PUT", "POST"}, kind) {
				t.Errorf("a request that is not in the table: %s", kind)
			}
		}
	}
	t.Logf("a snapshot every %v: changed %v, unchanged %v", pace, p.changed, p.unchanged)
	return p
}
