package series

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

func TestClassAt(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		zone := time.FixedZone("", r.IntN(86400)-43200)
		a := time.Unix(r.Int64N(4e9), 0).In(zone)
		b := a.Add(time.Duration(r.Int64N(int64(1) << r.IntN(57))))
		if got, want := ClassAt(a, b), longestPeriod(a, b); got != want {
			t.Errorf("ClassAt(%v, %v) = %s, want %s", a, b, got, want)
		}
		if got := ClassAt(b, a); got != Recent {
			t.Errorf("ClassAt(%v, %v) = %s although it is not later", b, a, got)
		}
	}
	if got := ClassAt(time.Time{}, time.Now()); got != Monthly {
		t.Errorf("the first of a series is %s", got)
	}
}

// longestPeriod is ClassAt by the names of the periods.
func longestPeriod(a, b time.Time) Class {
	if !b.After(a) {
		return Recent
	}
	names := func(t time.Time) []string {
		year, week := t.ISOWeek()
		return []string{t.Format("2006"), t.Format("2006-01"), fmt.Sprint(year, week), t.Format("2006-01-02"), t.Format("2006-01-02 15")}
	}
	of, other := names(a.UTC()), names(b.UTC())
	for i, class := range []Class{Yearly, Monthly, Weekly, Daily, Hourly} {
		if of[i] != other[i] {
			return class
		}
	}
	return Recent
}

func TestName(t *testing.T) {
	const id, base = "20261123T201500Z-3f9c2a", "20261123T000001Z-aaaaaa"
	for text, want := range map[string]Name{
		id + ".daily.db.zst":                       {ID: id, Class: Daily},
		id + ".monthly.db.zst.age":                 {ID: id, Class: Monthly, Encrypted: true},
		id + ".hourly.on-" + base + ".wal.zst":     {ID: id, Class: Hourly, Base: base},
		id + ".recent.on-" + base + ".wal.zst.age": {ID: id, Class: Recent, Base: base, Encrypted: true},
		id + ".yearly.on-" + id + ".wal.zst":       {ID: id, Class: Yearly, Base: id}, // broken, see TestBroken
	} {
		if got, ok := ParseName(text); !ok || got != want || got.String() != text || got.Full() != (want.Base == "") {
			t.Errorf("%s: %+v, %v, %s", text, got, ok, got)
		}
	}
	for _, text := range []string{
		"", id, id + ".db.zst", id + ".daily", id + ".daily.", id + ".daily.db", id + ".Daily.db.zst", id + ".daily.wal.zst", id + "..db.zst",
		id + ".daily.on-.wal.zst", id + ".daily.on-" + base + ".db.zst", id + ".daily.on-" + base[1:] + ".wal.zst", id + ".daily.db.zst.age.age",
		id + ".daily.db.zst.", "x" + id + ".daily.db.zst", id + ".held-daily.db.zst", id + ".daily.on-" + base + ".on-" + base + ".wal.zst", id + ".tags",
	} {
		if got, ok := ParseName(text); ok {
			t.Errorf("%q is taken for %+v", text, got)
		}
	}
}

func TestHeld(t *testing.T) {
	for _, c := range Classes() {
		if !IsHeld(Held(c)) || IsHeld(string(c)) {
			t.Errorf("%s: %q", c, Held(c))
		}
	}
	for _, tag := range []string{"", "held", "held-", "held-x", "pinned", "held-held-daily", "HELD-daily"} {
		if IsHeld(tag) {
			t.Errorf("%q is taken for held", tag)
		}
	}
}
