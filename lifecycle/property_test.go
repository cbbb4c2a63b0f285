package lifecycle

import (
	"flag"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/lifecycle/lifecycletest"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

var (
	onlySeed = flag.Uint64("seed", 0, "run properties on the input of this `seed` alone")
	fresh    = flag.Bool("fresh", false, "run properties on inputs that are others in each run")
)

// rounds runs a property on many random inputs, which are the same in each run unless it
// has -fresh, or on that of -seed alone. A failure prints the command that repeats it.
func rounds(t *testing.T, n uint64, property func(t *testing.T, r *rand.Rand)) {
	name := fnv.New32() // no two tests have the same inputs
	name.Write([]byte(t.Name()))
	first := uint64(name.Sum32())
	if *fresh {
		first = uint64(time.Now().UnixNano())
	}
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

// randomSeries makes up to 40 snapshots over minutes, days or years, full ones and
// differentials, with uploads that take long, clocks that jump, IDs from the future,
// gaps in chains, and any tags.
func randomSeries(r *rand.Rand) []Item {
	spans := []time.Duration{time.Minute, day, 10 * day, 40 * day, 1500 * day}
	span := spans[r.IntN(len(spans))]
	var times []time.Time
	for range r.IntN(40) {
		times = append(times, lifecycletest.At("2024-12-20").Add(time.Duration(r.Int64N(int64(span)))))
	}
	objects := objectsAt(r.IntN(4) > 0, times...)
	for i := range objects {
		o := &objects[i]
		o.Size = r.Int64N(1000)
		switch r.IntN(8) {
		case 0:
			o.Modified = o.Modified.Add(time.Duration(r.Int64N(int64(400 * day)))) // the clock was behind
		case 1:
			o.Modified = o.Modified.Add(-time.Duration(r.Int64N(int64(400 * day)))) // or ahead
		case 2:
			o.Modified = o.Modified.Add(time.Duration(r.Int64N(int64(day)))) // a slow upload
		}
	}
	objects = slices.DeleteFunc(objects, func(bucket.Object) bool { return r.IntN(30) == 0 })
	items := heldItems(series.Of(objects, lifecycletest.At("2999-01-01")))
	tags := []bucket.Tags{nil, {}, {series.TagRetention: "else"}, {series.TagRetention: series.Pinned}}
	for _, c := range Classes() {
		tags = append(tags, bucket.Tags{series.TagRetention: string(c)}, bucket.Tags{series.TagRetention: series.Held(c)})
	}
	for i := range items {
		switch r.IntN(4) {
		case 0:
			items[i].Tags = tags[r.IntN(len(tags))]
			items[i].TagsKnown = items[i].Tags != nil
		case 1:
			items[i].Tags = bucket.Tags{series.TagRetention: string(items[i].Class)}
		}
	}
	return items
}

func randomTerms(r *rand.Rand) (Terms, time.Time) {
	p := Policy{Recent: Keep(1 + r.IntN(10))}
	for _, c := range Classes()[1:] {
		if r.IntN(3) > 0 {
			p[c] = p.least(c) + Keep(r.IntN(100))
		}
	}
	if r.IntN(2) == 0 {
		p[Yearly] = Forever
	}
	hold := time.Duration(1 + r.Int64N(int64(p[Recent])*int64(day)))
	if err := p.Validate(hold); err != nil {
		panic(err)
	}
	now := lifecycletest.At("2024-12-20").Add(time.Duration(r.Int64N(int64(2000 * day))))
	return Terms{Policy: p, Hold: hold, IgnoreShrink: r.IntN(2) == 0}, now
}

func TestDecideKeepsItsPromises(t *testing.T) {
	rounds(t, 1000, func(t *testing.T, r *rand.Rand) {
		items := randomSeries(r)
		terms, now := randomTerms(r)
		decisions := Decide(items, terms, now)
		newest := -1
		for i, item := range items {
			if item.Counts() {
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
			if d.TagsKnown && !d.Held() && d.Released() == "" {
				t.Errorf("%s: %s, but tagged %v", d.ID, d.Action, d.Tags)
			}
			if !terms.IgnoreShrink && d.Weight() > 2*items[newest].Weight() {
				t.Errorf("%s: %s, but the newest is less than half its weight", d.ID, d.Action)
			}
			if d.Action == ActRelease && d.Released() == d.Class {
				t.Errorf("%s: released twice", d.ID)
			}
			if d.Action == ActExpire && (d.Expires.IsZero() || d.Expires.After(now) ||
				d.Object.Modified.Add(time.Duration(terms.Policy.Keep(d.Class))*day).After(now)) {
				t.Errorf("%s: expires before its time: %v", d.ID, d.Expires)
			}
		}
	})
}

// Nothing that stays loses what it stands on.
func TestDecideKeepsChains(t *testing.T) {
	chains := 0
	rounds(t, 1000, func(t *testing.T, r *rand.Rand) {
		items := randomSeries(r)
		terms, now := randomTerms(r)
		decisions := Decide(items, terms, now)
		for _, d := range decisions {
			if d.Full() || !d.Counts() {
				continue
			}
			base := decisions[slices.IndexFunc(decisions, func(b Decision) bool { return b.ID == d.Base })]
			chains++
			switch {
			case base.Action == ActExpire && d.Action != ActExpire:
				t.Errorf("%s expires, but %s, which stands on it: %s (%s)", base.ID, d.ID, d.Action, d.Reason)
			case base.Action == ActRelease && d.Action == ActKeep && d.Released() != d.Class:
				t.Errorf("%s is released, but %s, which stands on it, stays: %s", base.ID, d.ID, d.Reason)
			case !d.Due.IsZero() && base.Due.Before(d.Due) && !base.Due.IsZero(), d.Due.IsZero() && !base.Due.IsZero():
				t.Errorf("%s is due at %v, but %s, which stands on it, at %v", base.ID, base.Due, d.ID, d.Due)
			}
		}
	})
	if chains < 500 && *onlySeed == 0 {
		t.Errorf("only %d differentials", chains)
	}
}

// supersededFor reports, in the plainest way, whether a later snapshot that counts
// and this one have both been in the bucket for the hold.
func supersededFor(items []Item, i int, hold time.Duration, now time.Time) bool {
	for _, later := range items[i+1:] {
		if later.Counts() && !later.Object.Modified.Add(hold).After(now) {
			return !items[i].Object.Modified.Add(hold).After(now)
		}
	}
	return false
}

// What is older changes no decision.
func TestDecideAfterACut(t *testing.T) {
	rounds(t, 1000, func(t *testing.T, r *rand.Rand) {
		items := randomSeries(r)
		terms, now := randomTerms(r)
		terms.IgnoreShrink = true
		decisions := Decide(items, terms, now)
		if len(items) > 0 {
			cut := r.IntN(len(items))
			if got := Decide(items[cut:], terms, now); !reflect.DeepEqual(got, decisions[cut:]) {
				t.Errorf("cut off at the old end, it is decided otherwise")
			}
		}
	})
}

// What is to go now is to go later too, unless something changes.
func TestDecideIsSteady(t *testing.T) {
	rounds(t, 1000, func(t *testing.T, r *rand.Rand) {
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
		"hourly":                 {change(Hourly, 5), DefaultHold},
		"daily":                  {change(Daily, 8), DefaultHold},
		"weekly":                 {change(Weekly, 22), DefaultHold},
		"shrinking":              {change(Monthly, 59), DefaultHold},
		"over a gap":             {Policy{Recent: 30, Monthly: 43}, DefaultHold},
		"forever before shorter": {change(Monthly, Forever), DefaultHold},
		"no recent":              {change(Recent, None), DefaultHold},
		"empty":                  {Policy{}, DefaultHold},
		"negative":               {change(Recent, -2), 0},
		"absurd":                 {change(Monthly, MaxDays+1), DefaultHold},
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
	for policy, want := range map[*Policy]string{
		{Recent: 4, Hourly: 5}: "want at least 6d", {Recent: 1, Daily: 5}: "want at least 6d",
		{Recent: 4, Daily: 14, Weekly: 20}: "want at least 23d", {Recent: 1, Yearly: 14}: "want at least 15d",
		{Recent: 4, Daily: Forever, Yearly: 400}: "want at least forever",
	} {
		if err := policy.Validate(time.Hour); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, without %q", *policy, err, want)
		}
	}
	// What is left out gets the least that is allowed.
	r := rand.New(rand.NewPCG(1, 1))
	for range 1000 {
		terms, _ := randomTerms(r)
		for _, c := range Classes()[1:] {
			p := maps.Clone(terms.Policy)
			keep := p.Keep(c)
			if p[c] = keep; p.Validate(terms.Hold) != nil {
				t.Errorf("%v is refused", p)
			}
			if terms.Policy[c] == None && keep != Forever {
				if p[c]--; p.Validate(terms.Hold) == nil {
					t.Errorf("%v is taken, although %s would have %v if it were left out", p, c, keep)
				}
			}
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
	if _, err := series.ParseClass("held"); err == nil {
		t.Error("held is taken for a class")
	}
}
