package lifecycle

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares text with testdata/<name>.golden.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is not what was planned; got:\n%s\nwant:\n%s", path, got, want)
	}
}

func at(s string) time.Time {
	for _, layout := range []string{time.RFC3339, "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC()
		}
	}
	panic(s)
}

// itemsAt makes items of 1,000 bytes that reach the bucket a minute after
// their time. Their random parts are counted.
func itemsAt(times ...time.Time) []Item {
	var items []Item
	for i, t := range times {
		id, err := snapshot.ParseID(fmt.Sprintf("%s-%06x", t.UTC().Format("20060102T150405Z"), i))
		if err != nil {
			panic(err)
		}
		items = append(items, Item{
			Snapshot: series.Snapshot{ID: id, Object: bucket.Object{
				Name: string(id) + series.Suffix, Size: 1000, Modified: t.Add(time.Minute)}},
			Tags: bucket.Tags{series.TagRetention: series.Held}, TagsKnown: true,
		})
	}
	return items
}

func days(first string, n int, step time.Duration) []time.Time {
	var times []time.Time
	for i := range n {
		times = append(times, at(first).Add(time.Duration(i)*step))
	}
	return times
}

func parse(times ...string) []time.Time {
	var parsed []time.Time
	for _, t := range times {
		parsed = append(parsed, at(t))
	}
	return parsed
}

func tagged(items []Item, retention string, which ...int) []Item {
	for _, i := range which {
		items[i].Tags, items[i].TagsKnown = bucket.Tags{series.TagRetention: retention}, true
	}
	return items
}

// print writes a plan for a golden file.
func print(decisions []Decision) string {
	var b strings.Builder
	when := func(t time.Time) string {
		if t.IsZero() {
			return "-"
		}
		return t.Format("2006-01-02T15:04")
	}
	for _, d := range decisions {
		fmt.Fprintf(&b, "%s %-7s %-7s due %-16s expires %-16s %s\n",
			d.ID, d.Action, d.Class, when(d.Due), when(d.Expires), d.Reason)
	}
	return b.String()
}

func TestPlanGolden(t *testing.T) {
	without := func(classes ...Class) Policy {
		p := DefaultPolicy()
		for _, c := range classes {
			delete(p, c)
		}
		return p
	}
	late := itemsAt(parse("2026-11-02 10:00", "2026-11-02 11:00", "2026-11-02 12:00", "2026-11-02 13:00")...)
	late[1].Object.Modified = at("2026-11-03 08:00") // its upload took 21 hours
	future := itemsAt(parse("2026-11-02 10:00", "2026-11-02 11:00", "2031-01-01 00:00")...)
	future[2].Object.Modified = at("2026-11-02 12:00")
	future[2].Implausible = true
	back := itemsAt(parse("2025-11-20 12:00", "2026-11-01 10:00", "2026-11-01 11:00")...)
	back[0].Object.Modified = at("2026-11-20 12:00") // the clock was a year behind
	shrunken := itemsAt(days("2026-11-02 23:00", 8, 24*time.Hour)...)
	shrunken[7].Object.Size = 499
	half := itemsAt(days("2026-11-02 23:00", 8, 24*time.Hour)...)
	half[7].Object.Size = 500
	hands := tagged(tagged(itemsAt(days("2026-11-01 12:00", 5, time.Hour)...), "forever-please", 0), series.Pinned, 1)
	hands[2].Tags = bucket.Tags{}
	tagged(hands, "yearly", 3)
	hours := days("2026-11-06 17:00", 97, time.Hour) // Friday 17:00 to Tuesday 17:00
	weekend := itemsAt(hours...)
	for i := range weekend[1:] {
		weekend[i+1].Object.Size = 20 // from 18:00 on the application is empty
	}

	cases := []struct {
		name  string
		items []Item
		terms Terms
		now   time.Time
	}{
		{"empty", nil, Terms{Policy: DefaultPolicy(), Hold: DefaultHold}, at("2026-11-20")},
		{"one", itemsAt(at("2020-01-01")), Terms{Policy: DefaultPolicy(), Hold: DefaultHold}, at("2026-11-20")},
		{"hourly-week", itemsAt(days("2026-11-02 00:00", 24*8, time.Hour)...),
			Terms{Policy: DefaultPolicy(), Hold: DefaultHold}, at("2026-11-09 23:30")},
		{"daily-year", itemsAt(days("2025-11-01 03:00", 385, 24*time.Hour)...),
			Terms{Policy: DefaultPolicy(), Hold: DefaultHold}, at("2026-11-20 04:00")},
		{"no-weekly", itemsAt(days("2026-09-01 03:00", 81, 24*time.Hour)...),
			Terms{Policy: without(Weekly, Yearly), Hold: DefaultHold}, at("2026-11-20 04:00")},
		{"no-policy", itemsAt(days("2026-11-02 03:00", 9, 12*time.Hour)...),
			Terms{Hold: DefaultHold}, at("2026-11-08 04:00")},
		// The clocks of the users' zone went back on 2026-11-01, forward on
		// 2026-03-29: nothing may happen, days are UTC.
		{"dst", itemsAt(parse("2026-03-29T00:30:00+01:00", "2026-03-29T03:30:00+02:00", "2026-03-30T01:30:00+02:00",
			"2026-11-01T01:30:00-04:00", "2026-11-01T01:30:00-05:00", "2026-11-01T20:30:00-05:00")...),
			Terms{Policy: DefaultPolicy(), Hold: DefaultHold}, at("2026-11-20")},
		{"leap-day", itemsAt(parse("2028-02-28 23:00", "2028-02-29 23:00", "2028-03-01 23:00", "2028-03-02 23:00")...),
			Terms{Policy: DefaultPolicy(), Hold: DefaultHold}, at("2028-03-20")},
		// 2026 has a week 53; 2027 begins inside of it, on a Friday.
		{"week-53", itemsAt(days("2026-12-25 12:00", 14, 24*time.Hour)...),
			Terms{Policy: DefaultPolicy(), Hold: DefaultHold}, at("2027-01-20")},
		{"same-second", itemsAt(parse("2026-11-02 10:00", "2026-11-02 10:00", "2026-11-02 10:00")...),
			Terms{Policy: DefaultPolicy(), Hold: DefaultHold}, at("2026-11-20")},
		{"gap-of-years", itemsAt(parse("2019-05-05 10:00", "2019-05-05 11:00", "2026-11-15 10:00", "2026-11-19 10:00")...),
			Terms{Policy: DefaultPolicy(), Hold: DefaultHold}, at("2026-11-20")},
		{"late-upload", late, Terms{Policy: DefaultPolicy(), Hold: DefaultHold}, at("2026-11-07 07:00")},
		{"future-id", future, Terms{Policy: DefaultPolicy(), Hold: DefaultHold}, at("2026-11-20")},
		{"clock-jumped-back", back, Terms{Policy: DefaultPolicy(), Hold: DefaultHold}, at("2026-11-21")},
		{"shrunken", shrunken, Terms{Policy: DefaultPolicy(), Hold: DefaultHold}, at("2026-11-30")},
		{"shrunken-ignored", shrunken, Terms{Policy: DefaultPolicy(), Hold: DefaultHold, IgnoreShrink: true}, at("2026-11-30")},
		{"half-the-size", half, Terms{Policy: DefaultPolicy(), Hold: DefaultHold}, at("2026-11-30")},
		{"tags-by-hand", hands, Terms{Policy: DefaultPolicy(), Hold: DefaultHold}, at("2026-11-20")},
		{"newest-deleted", tagged(itemsAt(days("2026-11-02 03:00", 3, 24*time.Hour)...), "daily", 0, 1, 2),
			Terms{Policy: DefaultPolicy(), Hold: DefaultHold}, at("2027-11-20")},
		{"released-too-soon", tagged(itemsAt(parse("2026-11-01 03:00", "2026-11-10 03:00")...), "recent", 0),
			Terms{Policy: DefaultPolicy(), Hold: DefaultHold}, at("2026-11-12")},
		{"weekend", weekend, Terms{Policy: DefaultPolicy(), Hold: DefaultHold}, at("2026-11-10 17:30")},
		{"no-hold", itemsAt(days("2026-11-02 10:00", 4, 20*time.Minute)...),
			Terms{Policy: Policy{Recent: 1}, Hold: NoHold}, at("2026-11-02 11:10")},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { golden(t, "decide-"+c.name, print(Decide(c.items, c.terms, c.now))) })
	}
}
