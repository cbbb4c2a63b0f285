package lifecycle

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/lifeboat-sqlite/lifeboat/lifecycle/lifecycletest"
	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite/sqlitetest"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/needs"
)

// part is the size of a part of an upload, in bytes, as package upload chooses
// it for databases of up to 80 GB.
const part = 8 << 20

// A load is a database, and how it is backed up.
type load struct {
	stored  int           // of a full snapshot, bytes
	uploads time.Duration // from one snapshot to the next
	runs    time.Duration // from one run to the next
}

// Changes are what of a database's pages a differential has, by how much older its
// base is. Where that is more than half of them, the snapshot is a full one.
type changes struct {
	name string
	part func(since time.Duration) float64
}

var kindsOfChange = []changes{
	{"if each hour changes 0.05 % of the pages, always others", func(since time.Duration) float64 { return 0.0005 * since.Hours() }},
	{"if a run changes 2 % of the pages, always the same", func(time.Duration) float64 { return 0.02 }},
	{"if a run changes most pages", func(time.Duration) float64 { return 1 }},
}

// size returns how large a snapshot is, in bytes.
func (l load) size(s series.Snapshot, c changes) int {
	if s.Full() {
		return l.stored
	}
	if part := c.part(s.ID.Time().Sub(s.Base.Time())); part <= 0.5 {
		return int(part * float64(l.stored))
	}
	return l.stored
}

// The table of costs in the documents, for three databases of which a full snapshot is
// half as large as the database: what is in the bucket after two years is decided, and
// requests are those that a MinIO has seen.
func TestCosts(t *testing.T) {
	const (
		mib = 1 << 20
		gib = 1 << 30
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
		c := pace[l.uploads]
		decisions, now := afterTwoYears(l.uploads)
		unchanged := int(month/l.runs) - int(month/l.uploads)
		add("runs a month that upload", number(int(month/l.uploads)))
		add("runs that find nothing changed", number(unchanged))
		count := map[string]int{}
		for _, d := range decisions {
			count[state(d, now)]++
		}
		for _, class := range append([]Class{"held"}, Classes()[1:]...) {
			add("snapshots: "+string(class), number(count[string(class)]))
		}
		for _, kind := range kindsOfChange {
			var stored, noncurrent, uploaded int
			for _, d := range decisions {
				switch size := l.size(d.Snapshot, kind); state(d, now) {
				case "noncurrent":
					noncurrent += size
				case "":
				default:
					stored += size
				}
				if !d.ID.Time().Before(now.Add(-month)) {
					uploaded += l.size(d.Snapshot, kind)
				}
			}
			add("**stored**, "+kind.name, size(stored))
			add("in a versioned bucket, noncurrent for 30 days besides", size(noncurrent))
			add("uploaded a month", size(uploaded))
		}
		var puts, lists, tags int
		for _, d := range decisions {
			if d.ID.Time().Before(now.Add(-month)) {
				continue
			}
			run := c.differential
			if d.Full() {
				run = c.full
			}
			puts++ // one part
			if parts := (l.size(d.Snapshot, kindsOfChange[0]) + part - 1) / part; parts > 1 {
				puts += parts + 1 // begin and complete
			}
			puts += run["PUT ?tagging"] + c.release["PUT ?tagging"]
			lists += run["GET ?list-type"] + c.release["GET ?list-type"]
			tags += run["GET ?tagging"] + c.release["GET ?tagging"]
		}
		add("**requests a month**, "+kindsOfChange[0].name+": PUT and POST", number(puts+unchanged*c.unchanged["PUT ?tagging"]))
		add("LIST", number(lists+unchanged*c.unchanged["GET ?list-type"]))
		add("GET, of tags", number(tags+unchanged*c.unchanged["GET ?tagging"]))
	}
	text, err := os.ReadFile(filepath.Join("..", "deploy", "docs", "sizing.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range slices.Sorted(maps.Keys(rows)) {
		for cells := range slices.Chunk(inColumns(rows[name], len(loads)), len(loads)) {
			if row := "| " + name + " | " + strings.Join(cells, " | ") + " |\n"; !strings.Contains(string(text), row) {
				t.Errorf("the page does not have: %s", row)
			}
		}
	}
}

// inColumns returns cells that were added load by load in the order of the rows.
func inColumns(cells []string, loads int) []string {
	rows := len(cells) / loads
	var sorted []string
	for row := range rows {
		for load := range loads {
			sorted = append(sorted, cells[load*rows+row])
		}
	}
	return sorted
}

const month = 30 * day

// afterTwoYears decides on two years of snapshots. Chains are in the newest part; of
// what is older only full ones are still there.
func afterTwoYears(pace time.Duration) ([]Decision, time.Time) {
	now := lifecycletest.At("2026-11-24 12:30")
	var objects []bucket.Object
	chains := Weekly.Start(now.Add(-80 * day))
	for taken := now.AddDate(-2, 0, 0); taken.Before(chains); taken = taken.Add(pace) {
		name := series.Name{ID: snapshot.NewID(taken), Class: series.ClassAt(taken.Add(-pace), taken)}
		objects = append(objects, bucket.Object{Name: name.String(), Size: 1, Modified: taken})
	}
	var times []time.Time
	for taken := objects[len(objects)-1].Modified.Add(pace); taken.Before(now); taken = taken.Add(pace) {
		times = append(times, taken)
	}
	objects = objectsAfter(objects, true, times...)
	return Decide(heldItems(series.Of(objects, now)), Terms{Policy: DefaultPolicy(), IgnoreShrink: true}, now), now
}

// state returns in what state of retention a snapshot is: a class, held, noncurrent in a
// versioned bucket, or none of these.
func state(d Decision, now time.Time) string {
	switch {
	case d.Action == ActKeep:
		return "held"
	case d.Action == ActRelease:
		return string(d.Class)
	case now.Before(Keep(30).expires(d.Expires)):
		return "noncurrent"
	}
	return ""
}

// A paced has the requests of each kind of run, by kind.
type paced struct{ full, differential, release, unchanged map[string]int }

// measure counts requests at a MinIO that has snapshots of half a month. In the
// steady state every upload makes one older snapshot due.
func measure(t *testing.T, pace time.Duration) *paced {
	needs.OneHour(t)
	server := testserver.Start(t)
	path := filepath.Join(t.TempDir(), "app.db")
	sqlitetest.Exec(t, path, "CREATE TABLE t (x); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) INSERT INTO t SELECT randomblob(4000) FROM n")
	name, cacheDir := server.Bucket(t), t.TempDir()
	count := &counter{calls: map[string]int{}}
	counted := aged{lifecycletest.Open(t, count.start(t, server), name)}
	fill(t, lifecycletest.Open(t, server, name), time.Now().Add(-pace), pace, int(15*day/pace))

	calls := func(do func() error) map[string]int {
		clear(count.calls)
		if err := do(); err != nil {
			t.Fatal(err)
		}
		for kind := range count.calls {
			if !slices.Contains([]string{"GET ?list-type", "GET ?tagging", "PUT ?tagging", "PUT", "POST"}, kind) {
				t.Errorf("a request that is not in the table: %s", kind)
			}
		}
		return maps.Clone(count.calls)
	}
	var done upload.BackupResult
	backup := func() (err error) {
		done, err = upload.Backup(t.Context(), counted, path, upload.BackupOptions{CacheDir: cacheDir, Copy: snapshot.CopyOptions{TempDir: t.TempDir()}})
		return err
	}
	var p paced
	p.full = calls(backup)
	if parts := (int(done.Snapshot.Object.Size) + part - 1) / part; p.full["PUT"]+p.full["POST"] != parts+2 {
		t.Errorf("%d parts: %v", parts, p.full)
	}
	p.release = calls(func() error {
		result, err := Release(t.Context(), counted, Options{Terms: Terms{IgnoreShrink: true}})
		if len(result.Released) != 1 {
			t.Errorf("released %d", len(result.Released))
		}
		return err
	})
	sqlitetest.Exec(t, path, "UPDATE t SET x = randomblob(4000) WHERE rowid = 7")
	p.differential = calls(backup)
	if done.Snapshot.Full() || p.differential["PUT"] != 1 {
		t.Errorf("%s with %v", done.Snapshot.Object.Name, p.differential)
	}
	p.unchanged = calls(backup)
	for kind, n := range calls(func() error {
		_, err := Release(t.Context(), counted, Options{Terms: Terms{IgnoreShrink: true}})
		return err
	}) {
		p.unchanged[kind] += n
	}
	if !done.Unchanged {
		t.Error("not unchanged")
	}
	t.Logf("a snapshot every %v: %+v", pace, p)
	return &p
}
