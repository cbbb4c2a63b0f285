package lifecycle

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/lifecycle/lifecycletest"
	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// itemsAt makes held items of full snapshots of 1,000 bytes that reach the bucket a
// minute after their time, with the class that they have by succession. Their random
// parts are counted.
func itemsAt(times ...time.Time) []Item {
	return heldItems(series.Of(objectsAt(false, times...), lifecycletest.At("2999-01-01")))
}

// chainsAt is itemsAt with each snapshot on the newest base that there is for it. A
// differential has 10 bytes.
func chainsAt(times ...time.Time) []Item {
	return heldItems(series.Of(objectsAt(true, times...), lifecycletest.At("2999-01-01")))
}

func objectsAt(differentials bool, times ...time.Time) []bucket.Object {
	return objectsAfter(nil, differentials, times...)
}

// objectsAfter adds to objects, which are older, those of snapshots at times.
func objectsAfter(objects []bucket.Object, differentials bool, times ...time.Time) []bucket.Object {
	for i, taken := range slices.SortedFunc(slices.Values(times), time.Time.Compare) {
		id, err := snapshot.ParseID(fmt.Sprintf("%s-%06x", taken.UTC().Format("20060102T150405Z"), i))
		if err != nil {
			panic(err)
		}
		var previous time.Time
		all := series.Of(objects[max(0, len(objects)-200):], lifecycletest.At("2999-01-01"))
		if newest, ok := series.NewestOf(all); ok {
			previous = newest.ID.Time()
		}
		name := series.Name{ID: id, Class: series.ClassAt(previous, taken)}
		size := int64(1000)
		if bases := series.Bases(all, name.Class, taken); differentials && len(bases) > 0 {
			name.Base, size = bases[0].ID, 10
		}
		objects = append(objects, bucket.Object{Name: name.String(), Size: size, Modified: taken.Add(time.Minute)})
	}
	return objects
}

func heldItems(snapshots []series.Snapshot) []Item {
	var items []Item
	for _, s := range snapshots {
		items = append(items, Item{Snapshot: s, Tags: bucket.Tags{series.TagRetention: series.Held(s.Class)}, TagsKnown: true})
	}
	return items
}

func days(first string, n int, step time.Duration) []time.Time {
	var times []time.Time
	for i := range n {
		times = append(times, lifecycletest.At(first).Add(time.Duration(i)*step))
	}
	return times
}

func objectsOf(items []Item) []bucket.Object {
	var objects []bucket.Object
	for _, item := range items {
		objects = append(objects, item.Object)
	}
	return objects
}

func parse(times ...string) []time.Time {
	var parsed []time.Time
	for _, t := range times {
		parsed = append(parsed, lifecycletest.At(t))
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
	late[1].Object.Modified = lifecycletest.At("2026-11-03 08:00") // its upload took 21 hours
	future := itemsAt(parse("2026-11-02 10:00", "2026-11-02 11:00", "2031-01-01 00:00")...)
	future[2].Object.Modified = lifecycletest.At("2026-11-02 12:00")
	future[2].Implausible = true
	back := itemsAt(parse("2025-11-20 12:00", "2026-11-01 10:00", "2026-11-01 11:00")...)
	back[0].Object.Modified = lifecycletest.At("2026-11-20 12:00") // the clock was a year behind
	shrunken := itemsAt(days("2026-11-02 23:00", 8, 24*time.Hour)...)
	shrunken[7].Object.Size = 499
	half := itemsAt(days("2026-11-02 23:00", 8, 24*time.Hour)...)
	half[7].Object.Size = 500
	hands := tagged(tagged(itemsAt(days("2026-11-01 12:00", 5, time.Hour)...), "forever-please", 0), series.Pinned, 1)
	hands[2].Tags = bucket.Tags{}
	tagged(hands, "yearly", 3)
	chains := chainsAt(days("2026-10-30 00:20", 24*10, time.Hour)...)
	pinnedOn := chainsAt(days("2026-11-02 00:20", 24*8, time.Hour)...)
	tagged(pinnedOn, series.Pinned, 30) // but not what it stands on
	tagged(pinnedOn, "daily", 3)
	gap := chainsAt(days("2026-11-02 00:20", 60, time.Hour)...)
	gap = heldItems(series.Of(slices.Delete(objectsOf(gap), 24, 25), lifecycletest.At("2999-01-01"))) // Tuesday's first
	hours := days("2026-11-06 17:00", 97, time.Hour)                                                  // Friday 17:00 to Tuesday 17:00
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
		{"empty", nil, Terms{Policy: DefaultPolicy(), Hold: DefaultHold}, lifecycletest.At("2026-11-20")},
		{"one", itemsAt(lifecycletest.At("2020-01-01")), Terms{Policy: DefaultPolicy(), Hold: DefaultHold}, lifecycletest.At("2026-11-20")},
		{"hourly-week", itemsAt(days("2026-11-02 00:00", 24*8, time.Hour)...),
			Terms{Policy: DefaultPolicy(), Hold: DefaultHold}, lifecycletest.At("2026-11-09 23:30")},
		{"daily-year", itemsAt(days("2025-11-01 03:00", 385, 24*time.Hour)...),
			Terms{Policy: DefaultPolicy(), Hold: DefaultHold}, lifecycletest.At("2026-11-20 04:00")},
		{"no-weekly", itemsAt(days("2026-09-01 03:00", 81, 24*time.Hour)...),
			Terms{Policy: without(Weekly, Yearly), Hold: DefaultHold}, lifecycletest.At("2026-11-20 04:00")},
		{"no-policy", itemsAt(days("2026-11-02 03:00", 9, 12*time.Hour)...),
			Terms{Hold: DefaultHold}, lifecycletest.At("2026-11-08 04:00")},
		// The clocks of the users' zone went back on 2026-11-01, forward on
		// 2026-03-29: nothing may happen, days are UTC.
		{"dst", itemsAt(parse("2026-03-29T00:30:00+01:00", "2026-03-29T03:30:00+02:00", "2026-03-30T01:30:00+02:00",
			"2026-11-01T01:30:00-04:00", "2026-11-01T01:30:00-05:00", "2026-11-01T20:30:00-05:00")...),
			Terms{Policy: DefaultPolicy(), Hold: DefaultHold}, lifecycletest.At("2026-11-20")},
		{"leap-day", itemsAt(parse("2028-02-28 23:00", "2028-02-29 23:00", "2028-03-01 23:00", "2028-03-02 23:00")...),
			Terms{Policy: DefaultPolicy(), Hold: DefaultHold}, lifecycletest.At("2028-03-20")},
		// 2026 has a week 53; 2027 begins inside of it, on a Friday.
		{"week-53", itemsAt(days("2026-12-25 12:00", 14, 24*time.Hour)...),
			Terms{Policy: DefaultPolicy(), Hold: DefaultHold}, lifecycletest.At("2027-01-20")},
		{"same-second", itemsAt(parse("2026-11-02 10:00", "2026-11-02 10:00", "2026-11-02 10:00")...),
			Terms{Policy: DefaultPolicy(), Hold: DefaultHold}, lifecycletest.At("2026-11-20")},
		{"gap-of-years", itemsAt(parse("2019-05-05 10:00", "2019-05-05 11:00", "2026-11-15 10:00", "2026-11-19 10:00")...),
			Terms{Policy: DefaultPolicy(), Hold: DefaultHold}, lifecycletest.At("2026-11-20")},
		{"late-upload", late, Terms{Policy: DefaultPolicy(), Hold: DefaultHold}, lifecycletest.At("2026-11-07 07:00")},
		{"future-id", future, Terms{Policy: DefaultPolicy(), Hold: DefaultHold}, lifecycletest.At("2026-11-20")},
		{"clock-jumped-back", back, Terms{Policy: DefaultPolicy(), Hold: DefaultHold}, lifecycletest.At("2026-11-21")},
		{"shrunken", shrunken, Terms{Policy: DefaultPolicy(), Hold: DefaultHold}, lifecycletest.At("2026-11-30")},
		{"shrunken-ignored", shrunken, Terms{Policy: DefaultPolicy(), Hold: DefaultHold, IgnoreShrink: true}, lifecycletest.At("2026-11-30")},
		{"half-the-size", half, Terms{Policy: DefaultPolicy(), Hold: DefaultHold}, lifecycletest.At("2026-11-30")},
		{"tags-by-hand", hands, Terms{Policy: DefaultPolicy(), Hold: DefaultHold}, lifecycletest.At("2026-11-20")},
		{"newest-deleted", tagged(itemsAt(days("2026-11-02 03:00", 3, 24*time.Hour)...), "daily", 0, 1, 2),
			Terms{Policy: DefaultPolicy(), Hold: DefaultHold}, lifecycletest.At("2027-11-20")},
		{"released-too-soon", tagged(itemsAt(parse("2026-11-01 03:00", "2026-11-10 03:00")...), "recent", 0),
			Terms{Policy: DefaultPolicy(), Hold: DefaultHold}, lifecycletest.At("2026-11-12")},
		{"weekend", weekend, Terms{Policy: DefaultPolicy(), Hold: DefaultHold}, lifecycletest.At("2026-11-10 17:30")},
		{"chains", chains, Terms{Policy: DefaultPolicy(), Hold: DefaultHold}, lifecycletest.At("2026-11-09 00:30")},
		{"chains-no-policy", chains, Terms{Hold: DefaultHold}, lifecycletest.At("2026-11-07 00:30")},
		{"chains-pinned", pinnedOn, Terms{Policy: Policy{Recent: 4}, Hold: DefaultHold}, lifecycletest.At("2027-11-12")},
		{"chains-broken", gap, Terms{Policy: DefaultPolicy(), Hold: DefaultHold}, lifecycletest.At("2026-11-08 00:30")},
		{"no-hold", itemsAt(days("2026-11-02 10:00", 4, 20*time.Minute)...),
			Terms{Policy: Policy{Recent: 1}, Hold: NoHold}, lifecycletest.At("2026-11-02 11:10")},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { lifecycletest.Golden(t, "decide-"+c.name, print(Decide(c.items, c.terms, c.now))) })
	}
}

// The plan of ten thousand series, each with a week of hourly snapshots: what is in each,
// from the listing, and what becomes of it.
func BenchmarkPlanOfFleet(b *testing.B) {
	var times []time.Time
	first := lifecycletest.At("2026-11-16")
	for hour := range 7 * 24 {
		times = append(times, first.Add(time.Duration(hour)*time.Hour))
	}
	now := times[len(times)-1].Add(time.Minute)
	objects := objectsAt(true, times...)
	terms := Terms{Policy: DefaultPolicy(), Hold: DefaultHold}
	for b.Loop() {
		due := 0
		for range 10_000 {
			for _, d := range Decide(heldItems(series.Of(objects, now)), terms, now) {
				if d.Action == ActRelease {
					due++
				}
			}
		}
		if due == 0 {
			b.Fatal("nothing is due")
		}
	}
}
