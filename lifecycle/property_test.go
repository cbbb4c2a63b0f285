package lifecycle

import (
	"cmp"
	"flag"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

var onlySeed = flag.Uint64("seed", 0, "run properties on the input of this `seed` alone")

// rounds runs a property on many random inputs, or on that of -seed alone. A
// failure prints the command that repeats it.
func rounds(t *testing.T, n uint64, property func(t *testing.T, r *rand.Rand)) {
	first := uint64(time.Now().UnixNano())
	if *onlySeed != 0 {
		first, n = *onlySeed, 1
	}
	for seed := first; seed < first+n; seed++ {
		property(t, rand.New(rand.NewPCG(seed, 0)))
		if t.Failed() {
			t.Fatalf("again: go test ./lifecycle -run '^%s$' -seed %d", t.Name(), seed)
		}
	}
}

// randomSeries makes up to 40 snapshots over minutes, days or years, with
// uploads that take long, clocks that jump, IDs from the future, and any tags.
func randomSeries(r *rand.Rand) []Item {
	spans := []time.Duration{time.Minute, day, 40 * day, 1500 * day}
	span := spans[r.IntN(len(spans))]
	var times []time.Time
	for range r.IntN(40) {
		times = append(times, at("2024-12-20").Add(time.Duration(r.Int64N(int64(span)))))
	}
	items := itemsAt(times...)
	tags := append([]bucket.Tags{nil, {}}, bucket.Tags{series.TagRetention: "else"})
	for _, c := range append(Classes(), Class(series.Held), Class(series.Pinned)) {
		tags = append(tags, bucket.Tags{series.TagRetention: string(c)})
	}
	for i := range items {
		o := &items[i].Object
		o.Size = r.Int64N(1000)
		switch r.IntN(8) {
		case 0:
			o.Modified = o.Modified.Add(time.Duration(r.Int64N(int64(400 * day)))) // the clock was behind
		case 1:
			o.Modified = o.Modified.Add(-time.Duration(r.Int64N(int64(400 * day)))) // or ahead
			items[i].Implausible = items[i].ID.Time().After(o.Modified.Add(5 * time.Minute))
		}
		if r.IntN(3) == 0 {
			items[i].Tags = tags[r.IntN(len(tags))]
			items[i].TagsKnown = items[i].Tags != nil
		}
	}
	slices.SortFunc(items, func(a, b Item) int { return cmp.Compare(a.ID, b.ID) })
	return items
}

func randomTerms(r *rand.Rand) (Terms, time.Time) {
	p := Policy{Recent: Keep(1 + r.IntN(10))}
	keep := p[Recent]
	for _, c := range Classes()[1:] {
		keep += Keep(r.IntN(100))
		if r.IntN(3) > 0 {
			p[c] = keep
		}
	}
	if r.IntN(2) == 0 {
		p[Yearly] = Forever
	}
	hold := time.Duration(1 + r.Int64N(int64(p[Recent])*int64(day)))
	if err := p.Validate(hold); err != nil {
		panic(err)
	}
	now := at("2024-12-20").Add(time.Duration(r.Int64N(int64(2000 * day))))
	return Terms{Policy: p, Hold: hold, IgnoreShrink: r.IntN(2) == 0}, now
}

func TestDecideKeepsItsPromises(t *testing.T) {
	rounds(t, 3000, func(t *testing.T, r *rand.Rand) {
		items := randomSeries(r)
		terms, now := randomTerms(r)
		decisions := Decide(items, terms, now)
		newest := -1
		for i, item := range items {
			if !item.Implausible {
				newest = i
			}
		}
		for i, d := range decisions {
			if d.ID != items[i].ID {
				t.Fatalf("decision %d is for %s, not %s", i, d.ID, items[i].ID)
			}
			if d.Reason == "" {
				t.Errorf("%s: no reason", d.ID)
			}
			if d.Action == ActKeep {
				continue
			}
			if i == newest || d.Implausible {
				t.Errorf("%s: %s, but it is the newest or implausible", d.ID, d.Action)
			}
			if !supersededFor(items, i, terms.Hold, now) {
				t.Errorf("%s: %s, but superseded for less than %v", d.ID, d.Action, terms.Hold)
			}
			if retention := d.Tags[series.TagRetention]; d.TagsKnown && retention != series.Held && d.Released() == "" {
				t.Errorf("%s: %s, but tagged %q", d.ID, d.Action, retention)
			}
			if !terms.IgnoreShrink && d.Object.Size > 2*items[newest].Object.Size {
				t.Errorf("%s: %s, but the newest is less than half its size", d.ID, d.Action)
			}
			if d.Action == ActRelease && !d.Held() {
				t.Errorf("%s: released twice", d.ID)
			}
			if d.Action == ActExpire && (d.Expires.IsZero() || d.Expires.After(now) ||
				d.Object.Modified.Add(time.Duration(terms.Policy.Keep(d.Class))*day).After(now)) {
				t.Errorf("%s: expires before its time: %v", d.ID, d.Expires)
			}
		}
	})
}

// supersededFor reports, in the plainest way, whether a later plausible snapshot
// and this one have both been in the bucket for the hold.
func supersededFor(items []Item, i int, hold time.Duration, now time.Time) bool {
	for _, later := range items[i+1:] {
		if !later.Implausible && !later.Object.Modified.Add(hold).After(now) {
			return !items[i].Object.Modified.Add(hold).After(now)
		}
	}
	return false
}

// The class depends on the two times only: not on sizes, tags of others,
// policy, hold or now, and not on what is older.
func TestClassDependsOnTheTwoTimes(t *testing.T) {
	rounds(t, 3000, func(t *testing.T, r *rand.Rand) {
		items := randomSeries(r)
		for i := range items {
			items[i].Tags, items[i].TagsKnown = nil, false
		}
		terms, now := randomTerms(r)
		terms.IgnoreShrink = true
		decisions := Decide(items, terms, now)
		var successor *Item
		for i, d := range slices.Backward(decisions) {
			want := Class("")
			if !d.Implausible && successor != nil {
				want = longestPeriod(d.ID.Time(), successor.ID.Time())
			}
			if d.Class != want {
				t.Fatalf("%s: %q, want %q", d.ID, d.Class, want)
			}
			if !d.Implausible {
				successor = &items[i]
			}
		}
		if len(items) > 0 {
			cut := r.IntN(len(items))
			if got := Decide(items[cut:], terms, now); !reflect.DeepEqual(got, decisions[cut:]) {
				t.Errorf("cut off at the old end, it is decided otherwise")
			}
		}
	})
}

// longestPeriod is ClassOf by the names of the periods.
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

func TestClassOf(t *testing.T) {
	rounds(t, 3000, func(t *testing.T, r *rand.Rand) {
		zone := time.FixedZone("", r.IntN(86400)-43200)
		a := time.Unix(r.Int64N(4e9), 0).In(zone)
		b := a.Add(time.Duration(r.Int64N(int64(1) << r.IntN(57))))
		if got, want := classOf(a, b), longestPeriod(a, b); got != want {
			t.Errorf("classOf(%v, %v) = %s, want %s", a, b, got, want)
		}
		if got := classOf(b, a); got != Recent {
			t.Errorf("classOf(%v, %v) = %s although the successor is not later", b, a, got)
		}
	})
}

// What is to go now is to go later too, unless something changes.
func TestDecideIsSteady(t *testing.T) {
	rounds(t, 3000, func(t *testing.T, r *rand.Rand) {
		items := randomSeries(r)
		terms, now := randomTerms(r)
		terms.IgnoreShrink = true
		before := Decide(items, terms, now)
		later := now.Add(time.Duration(r.Int64N(int64(100 * day))))
		for i, d := range Decide(items, terms, later) {
			if before[i].Action != ActKeep && d.Action == ActKeep || before[i].Action == ActExpire && d.Action != ActExpire {
				t.Errorf("%s: %s now, %s later", d.ID, before[i].Action, d.Action)
			}
		}
	})
}

func TestPolicyRefuses(t *testing.T) {
	change := func(c Class, k Keep) Policy {
		p := DefaultPolicy()
		p[c] = k
		return p
	}
	if err := DefaultPolicy().Validate(DefaultHold); err != nil {
		t.Errorf("the defaults: %v", err)
	}
	for _, c := range Classes()[1:] {
		if err := change(c, None).Validate(DefaultHold); err != nil {
			t.Errorf("without %s: %v", c, err)
		}
	}
	for name, c := range map[string]struct {
		policy Policy
		hold   time.Duration
	}{
		"class under the hold":   {DefaultPolicy(), DefaultHold + time.Second},
		"shrinking":              {change(Weekly, 13), DefaultHold},
		"shrinking over a gap":   {Policy{Recent: 30, Monthly: 29}, DefaultHold},
		"forever before shorter": {change(Monthly, Forever), DefaultHold},
		"no recent":              {change(Recent, None), DefaultHold},
		"empty":                  {Policy{}, DefaultHold},
		"negative":               {change(Recent, -2), 0},
		"absurd":                 {change(Monthly, maxDays+1), DefaultHold},
		"unknown class":          {change("minutely", 5), DefaultHold},
		"negative hold":          {DefaultPolicy(), -time.Second},
	} {
		if name == "forever before shorter" {
			c.policy[Yearly] = 500
		}
		if c.policy.Validate(c.hold) == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestKeepReadsWhatItWrites(t *testing.T) {
	for _, s := range []string{"none", "forever", "1d", "400d"} {
		k, err := ParseKeep(s)
		if err != nil || k.String() != s {
			t.Errorf("%s: %v, %v", s, k, err)
		}
	}
	for _, s := range []string{"", "d", "0d", "-1d", "+1d", "1.5d", "4", "4h", "36526d", "99999999999999999999d", "None"} {
		if k, err := ParseKeep(s); err == nil {
			t.Errorf("%q is read as %v", s, k)
		}
	}
	if _, err := parseClass("held"); err == nil {
		t.Error("held is taken for a class")
	}
}
