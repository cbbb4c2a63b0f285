package series

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

// object returns a snapshot's object, uploaded a minute after its ID.
func object(name Name, size int64) bucket.Object {
	return bucket.Object{Name: name.String(), Size: size, Modified: name.ID.Time().Add(time.Minute)}
}

// id returns an ID of a time in November 2026.
func id(t *testing.T, day, hour, minute int) snapshot.ID {
	t.Helper()
	parsed, err := snapshot.ParseID(fmt.Sprintf("202611%02dT%02d%02d00Z-%06d", day, hour, minute, minute))
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func listed(t *testing.T, objects ...bucket.Object) []Snapshot {
	t.Helper()
	slices.SortFunc(objects, func(a, b bucket.Object) int { return strings.Compare(a.Name, b.Name) })
	all, err := Snapshots(t.Context(), &listingBucket{now: time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC), objects: objects}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func names(chain []Snapshot) (all []string) {
	for _, s := range chain {
		all = append(all, s.Object.Name)
	}
	return all
}

func TestChain(t *testing.T) {
	weekly := Name{ID: id(t, 23, 0, 1), Class: Weekly}
	daily := Name{ID: id(t, 25, 0, 1), Class: Daily, Base: weekly.ID}
	hourly := Name{ID: id(t, 25, 7, 1), Class: Hourly, Base: daily.ID}
	recent := Name{ID: id(t, 25, 7, 30), Class: Recent, Base: hourly.ID, Encrypted: true}
	objects := []bucket.Object{object(weekly, 100), object(daily, 10), object(hourly, 2), object(recent, 1)}
	all := listed(t, slices.Clone(objects)...)
	if len(all) != 4 || !all[3].Counts() {
		t.Fatalf("%+v", all)
	}
	want := []string{weekly.String(), daily.String(), hourly.String(), recent.String()}
	slices.Reverse(all) // what a chain is does not hang on the slice
	if got := names(all[0].Chain()); !slices.Equal(got, want) || all[0].Weight() != 100 {
		t.Errorf("%v weighs %d, want %v", got, all[0].Weight(), want)
	}
	b := &listingBucket{now: time.Date(2026, 11, 25, 8, 0, 0, 0, time.UTC), objects: objects}
	part, err := Snapshots(t.Context(), b, recent.ID.Time())
	if err != nil || len(part) != 1 || !part[0].Counts() || !slices.Equal(names(part[0].Chain()), want) {
		t.Errorf("of a part of the series: %v, %v", part, err)
	}
	for i, gone := range objects[:3] {
		rest := listed(t, slices.Delete(slices.Clone(objects), i, i+1)...)
		for _, s := range rest {
			if broken := s.Object.Name > gone.Name; s.Broken != broken || s.Counts() == broken || (s.Why() != "") != broken {
				t.Errorf("without %s: %s is broken: %v, %q", gone.Name, s.Object.Name, s.Broken, s.Why())
			}
		}
		if newest, ok := NewestOf(rest); ok != (i > 0) || ok && newest.Object.Name != objects[i-1].Name {
			t.Errorf("without %s the newest is %s", gone.Name, newest.Object.Name)
		}
	}
}

// Names that no backup gives do not make a chain.
func TestBroken(t *testing.T) {
	base := Name{ID: id(t, 25, 7, 1), Class: Daily}
	for what, n := range map[string]Name{
		"no longer class":      {ID: id(t, 25, 8, 0), Class: Daily, Base: base.ID},
		"another day":          {ID: id(t, 26, 8, 0), Class: Hourly, Base: base.ID},
		"a weekly one":         {ID: id(t, 25, 8, 0), Class: Weekly, Base: base.ID},
		"itself":               {ID: id(t, 25, 8, 0), Class: Hourly, Base: id(t, 25, 8, 0)},
		"a base that is newer": {ID: id(t, 25, 6, 0), Class: Hourly, Base: base.ID},
		"a base that is gone":  {ID: id(t, 25, 8, 0), Class: Hourly, Base: id(t, 25, 7, 2)},
	} {
		for _, s := range listed(t, object(base, 10), object(n, 1)) {
			if s.ID == n.ID && (!s.Broken || s.Weight() != 0) {
				t.Errorf("%s: %s counts", what, n)
			}
		}
	}
	late := object(Name{ID: id(t, 25, 8, 0), Class: Hourly, Base: base.ID}, 1)
	late.Modified = object(base, 10).Modified.Add(3 * 24 * time.Hour)
	if all := listed(t, object(base, 10), late); all[1].Broken {
		t.Error("a differential that was uploaded three days after a daily base is broken")
	}
	late.Modified = late.Modified.Add(time.Second)
	if all := listed(t, object(base, 10), late); !all[1].Broken {
		t.Error("a differential that was uploaded more than three days after a daily base counts")
	}
	copied := object(base, 10)
	copied.Modified = late.Modified
	if all := listed(t, copied, late); all[1].Broken {
		t.Error("a differential that was uploaded with its base, both days after they were taken, is broken")
	}
	ahead := object(base, 10)
	ahead.Modified = ahead.Modified.Add(-time.Hour)
	if all := listed(t, ahead, object(Name{ID: id(t, 25, 8, 0), Class: Hourly, Base: base.ID}, 1)); !all[1].Broken || all[1].Implausible {
		t.Error("what stands on an implausible one counts")
	}
	a, b := Name{ID: id(t, 25, 8, 0), Class: Recent, Base: id(t, 25, 8, 1)}, Name{ID: id(t, 25, 8, 1), Class: Hourly, Base: id(t, 25, 8, 0)}
	for _, s := range listed(t, object(a, 1), object(b, 1)) {
		if !s.Broken || len(s.Chain()) > 2 {
			t.Errorf("one of a cycle: %+v", s)
		}
	}
}

func TestBases(t *testing.T) {
	all := listed(t,
		object(Name{ID: id(t, 20, 0, 0), Class: Daily}, 1), // the week before
		object(Name{ID: id(t, 23, 0, 0), Class: Weekly}, 1),
		object(Name{ID: id(t, 24, 0, 0), Class: Daily}, 1),
		object(Name{ID: id(t, 25, 0, 0), Class: Daily}, 1),
		object(Name{ID: id(t, 25, 7, 0), Class: Hourly}, 1),
		object(Name{ID: id(t, 25, 7, 1), Class: Recent}, 1),
		object(Name{ID: id(t, 25, 7, 2), Class: Daily, Base: id(t, 1, 0, 0)}, 1), // broken
	)
	taken := id(t, 25, 7, 30).Time()
	for class, want := range map[Class][]int{
		Recent: {7, 0, -1}, Hourly: {0, -1}, Daily: {-1}, Weekly: nil, Monthly: nil, Yearly: nil,
	} {
		var got []int
		for _, s := range Bases(all, class, taken) {
			at := s.ID.Time()
			hour := at.Hour()
			if s.Class == Weekly {
				hour = -1
			}
			got = append(got, hour)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: bases %v, want %v", class, got, want)
		}
	}
	// A week may lie in two months.
	monday := listed(t, object(Name{ID: "20261130T000000Z-000000", Class: Weekly}, 1))
	if got := Bases(monday, Daily, time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)); len(got) != 0 {
		t.Errorf("a base of the month before: %v", names(got))
	}
}
