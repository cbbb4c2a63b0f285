package lifecycle

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/lifecycle/lifecycletest"
	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// changing makes n hourly backups, the last of them now, differentials where that is
// possible.
func changing(t testing.TB, now time.Time, n int) *clockwork {
	c := newClockwork(now.Add(-time.Duration(n) * time.Hour))
	for range n {
		c.now = c.now.Add(time.Hour)
		c.change(t, "0123456789")
	}
	return c
}

// unchained returns what is held or pinned, and stands on something that is not there
// or has been released.
func (c *clockwork) unchained() []string {
	var all []string
	tags := map[snapshot.ID]string{}
	for name, s := range c.objects {
		n, _ := series.ParseName(name)
		tags[n.ID] = s.tags[series.TagRetention]
	}
	for name, s := range c.objects {
		n, _ := series.ParseName(name)
		stays := func(tag string) bool { return series.IsHeld(tag) || tag == series.Pinned }
		if !n.Full() && stays(s.tags[series.TagRetention]) && !stays(tags[n.Base]) {
			all = append(all, name)
		}
	}
	return all
}

// Wherever a release is killed, nothing that is held stands on what is released, and
// the next run does the rest.
func TestReleaseOfChainsIsKilled(t *testing.T) {
	late := changing(t, lifecycletest.At("2026-11-28 12:20"), 24*24) // and no release in these weeks
	all := late.copy()
	want := len(release(t, all, Options{}).Released)
	if want < 24*19 || len(all.unchained()) != 0 {
		t.Fatalf("released %d, without chain %v", want, all.unchained())
	}
	for kill := 1; kill < want; kill += 7 {
		c := late.copy()
		killed := errors.New("killed")
		n := 0
		c.before = func(operation, _ string) error {
			if operation == "set" {
				if n++; n > kill {
					return killed
				}
			}
			return nil
		}
		if result, err := Release(t.Context(), c, Options{}); !errors.Is(err, killed) || len(result.Released) != kill {
			t.Fatalf("%d released, %v", len(result.Released), err)
		}
		if wrong := c.unchained(); len(wrong) > 0 {
			t.Fatalf("killed after %d: %v", kill, wrong)
		}
		c.before = nil
		if result := release(t, c, Options{}); len(result.Released) != want-kill || !maps.Equal(retentionsOf(c), retentionsOf(all)) {
			t.Fatalf("killed after %d: the next run released %d of %d", kill, len(result.Released), want-kill)
		}
	}
}

func (c *clockwork) copy() *clockwork {
	copied := newClockwork(c.now)
	copied.newest, copied.objects = c.newest, maps.Clone(c.objects)
	return copied
}

func retentionsOf(c *clockwork) map[string]string {
	all := map[string]string{}
	for name, s := range c.objects {
		all[name] = s.tags[series.TagRetention]
	}
	return all
}

// Released hour by hour, each base is released in the run that releases the last one
// that stands on it, and what is listed and read does not grow.
func TestReleaseReachesBases(t *testing.T) {
	c := changing(t, lifecycletest.At("2026-11-02 12:20"), 24)
	bases := map[Class]int{}
	for range 24 * 40 {
		c.now = c.now.Add(time.Hour)
		c.change(t, "0123456789")
		clear(c.calls)
		most := 45
		for _, d := range release(t, c, Options{}).Released {
			bases[d.Class]++
			if d.Class.Longer(Daily) {
				most = 80 // once a week, what stands on its base is read
			}
		}
		if c.calls["list"] > 2 || c.calls["tags"] > most {
			t.Fatalf("%s: %v", c.now, c.calls)
		}
	}
	items, err := Load(t.Context(), c, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range Decide(items, Terms{}, c.now) {
		if d.Action != ActKeep {
			t.Errorf("%s was not released: %s", d.ID, d.Reason)
		}
	}
	if bases[Weekly] < 4 || bases[Daily] < 25 || bases[Monthly] < 2 {
		t.Errorf("released %v", bases)
	}
}

// What another command keeps meanwhile keeps what it stands on.
func TestReleaseLeavesTheBaseOfWhatMoved(t *testing.T) {
	c := changing(t, lifecycletest.At("2026-11-10 12:20"), 240)
	moved := 0
	c.before = func(operation, name string) error {
		if n, _ := series.ParseName(name); operation == "set" && n.Class == Hourly && moved == 0 && n.ID.Time().Day() == 4 {
			moved++
			return errors.Join(c.tag(name, bucket.Tags{series.TagRetention: series.Pinned}), bucket.ErrRefused)
		}
		return nil
	}
	release(t, c, Options{})
	if wrong := c.unchained(); len(wrong) > 0 || moved != 1 {
		t.Errorf("stand on what is released: %v", wrong)
	}
}

// The newest's whole chain is held again, the base first; a retired one is left alone.
func TestReleaseHoldsTheChainOfTheNewest(t *testing.T) {
	start := func() (c *clockwork, chain []string) {
		c = newClockwork(lifecycletest.At("2026-11-02 00:20")) // a Monday
		for _, after := range []time.Duration{0, day, 2 * time.Hour, 10 * time.Minute} {
			c.now = c.now.Add(after)
			chain = append(chain, c.name(c.change(t, "0123456789")))
		}
		for i, name := range chain {
			n, _ := series.ParseName(name)
			if n.Full() != (i == 0) {
				t.Fatalf("%s in %v", name, chain)
			}
			c.tag(name, bucket.Tags{series.TagRetention: string(n.Class)})
		}
		return c, chain
	}
	c, chain := start()
	var order []string
	c.before = func(operation, name string) error {
		if operation == "set" {
			order = append(order, name)
		}
		return nil
	}
	if result := release(t, c, Options{}); len(result.Held) != 4 || !slices.Equal(order, chain) {
		t.Errorf("held %d in the order %v", len(result.Held), order)
	}
	for name, retention := range retentionsOf(c) {
		if n, _ := series.ParseName(name); retention != series.Held(n.Class) {
			t.Errorf("%s is %s", name, retention)
		}
	}
	c, chain = start()
	c.tag(chain[3], bucket.Tags{series.TagRetention: series.Held(Recent)})
	c.tag(chain[1], bucket.Tags{series.TagRetention: series.Pinned})
	if result := release(t, c, Options{}); len(result.Held) != 2 || c.retention(chain[0]) != series.Held(Monthly) && c.retention(chain[0]) != series.Held(Weekly) {
		t.Errorf("below a held one: held %v again, %v", result.Held, retentionsOf(c))
	}
	c, chain = start()
	c.tag(chain[3], bucket.Tags{series.TagRetention: "recent", series.TagRetired: "2026-11-03T02:31:00Z"})
	if result := release(t, c, Options{}); len(result.Held) != 0 || c.calls["set"] != 0 {
		t.Errorf("retired, but held again: %v", result.Held)
	}
}

// A tag that says another class than the name is put right when the snapshot is due.
func TestReleaseWritesTheNamesClass(t *testing.T) {
	for _, tag := range []string{"yearly", "recent", series.Held(Yearly)} {
		c := hourly(t, lifecycletest.At("2026-11-10 12:00"), 120)
		name := slices.Sorted(maps.Keys(c.objects))[8]
		c.tag(name, bucket.Tags{series.TagRetention: tag})
		result := release(t, c, Options{})
		i := slices.IndexFunc(result.Released, func(d Decision) bool { return d.Object.Name == name })
		if c.retention(name) != "hourly" || i < 0 || !strings.Contains(result.Released[i].Reason, "its tag says "+tag) {
			t.Errorf("%s: it is %s after %v", tag, c.retention(name), result.Released)
		}
	}
}

func TestPinPinsTheChain(t *testing.T) {
	c := changing(t, lifecycletest.At("2026-11-10 12:20"), 240)
	release(t, c, Options{})
	options := Options{Terms: Terms{Policy: DefaultPolicy()}, Settle: time.Millisecond}
	all := slices.Sorted(maps.Keys(c.objects))
	find := func(taken string) (series.Name, string) {
		for _, name := range all {
			if n, _ := series.ParseName(name); n.ID.Time().Equal(lifecycletest.At(taken)) {
				return n, name
			}
		}
		t.Fatalf("nothing at %s", taken)
		return series.Name{}, ""
	}
	first, firstName := find("2026-11-05 03:20")
	second, secondName := find("2026-11-05 07:20")
	base, baseName := find("2026-11-05 00:20")
	_, fullName := find("2026-11-02 00:20")
	if first.Base != base.ID || second.Base != base.ID {
		t.Fatal("not two on one base")
	}
	var order []string
	c.before = func(operation, name string) error {
		if operation == "set" {
			order = append(order, name)
		}
		return nil
	}
	if _, err := Pin(t.Context(), c, first.ID, options); err != nil || !slices.Equal(order, []string{fullName, baseName, firstName}) {
		t.Fatalf("pinned in the order %v: %v", order, err)
	}
	c.before = nil
	if _, err := Pin(t.Context(), c, second.ID, options); err != nil {
		t.Fatal(err)
	}
	pinned := func(want ...string) {
		t.Helper()
		var got []string
		for _, name := range all {
			if c.retention(name) == series.Pinned {
				got = append(got, name)
			}
		}
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("pinned are %v, want %v", got, want)
		}
	}
	pinned(fullName, baseName, firstName, secondName)
	if _, err := Unpin(t.Context(), c, base.ID, options); !errors.Is(err, ErrNeeded) {
		t.Errorf("unpinned what is needed: %v", err)
	}
	if _, err := Unpin(t.Context(), c, first.ID, options); err != nil {
		t.Fatal(err)
	}
	pinned(fullName, baseName, secondName)
	if _, err := Unpin(t.Context(), c, second.ID, options); err != nil {
		t.Fatal(err)
	}
	pinned()
	if wrong := c.unchained(); len(wrong) > 0 || c.retention(fullName) != series.Held(Weekly) || c.retention(baseName) != series.Held(Daily) {
		t.Errorf("without chain: %v", wrong)
	}
	result := releaseAll(t, c, Options{})
	if len(result.Released) < 3 || c.retention(firstName) != "hourly" || len(c.unchained()) > 0 {
		t.Errorf("released %d, and %s is %s", len(result.Released), firstName, c.retention(firstName))
	}
}

// Prune deletes what stands on a base before the base, and keeps the base of what it
// cannot delete.
func TestPruneOfChains(t *testing.T) {
	start := func() *clockwork { return changing(t, lifecycletest.At("2026-12-20 12:20"), 24*45) }
	options := Options{Terms: Terms{Policy: Policy{Recent: 4}}}
	c := start()
	there := maps.Clone(c.objects)
	c.before = func(operation, name string) error {
		if operation != "delete" {
			return nil
		}
		n, _ := series.ParseName(name)
		for other := range c.objects {
			if o, _ := series.ParseName(other); o.Base == n.ID {
				t.Errorf("%s is deleted before %s", name, other)
			}
		}
		return nil
	}
	if _, deleted, err := Prune(t.Context(), c, options); err != nil || deleted < 24*20 || len(c.objects) != len(there)-deleted {
		t.Fatalf("deleted %d: %v", deleted, err)
	}
	c = start()
	kept := ""
	reads := map[string]int{}
	c.before = func(operation, name string) error {
		if operation != "tags" {
			return nil
		}
		c.mutex.Lock()
		reads[name]++
		again := reads[name] == 2
		c.mutex.Unlock()
		if n, _ := series.ParseName(name); again && kept == "" && n.Class == Hourly && n.ID.Time().Day() == 12 {
			kept = name
			return c.tag(name, bucket.Tags{series.TagRetention: series.Pinned})
		}
		return nil
	}
	decisions, _, err := Prune(t.Context(), c, options)
	if err != nil || kept == "" {
		t.Fatal(kept, err)
	}
	n, _ := series.ParseName(kept)
	for n.Base != "" {
		name := c.name(n.Base)
		if name == "" {
			t.Fatalf("%s is gone, and %s stands on it", n.Base, n.ID)
		}
		i := slices.IndexFunc(decisions, func(d Decision) bool { return d.ID == n.Base })
		if !strings.Contains(decisions[i].Reason, "stays because "+string(n.ID)) {
			t.Errorf("%s: %s", n.Base, decisions[i].Reason)
		}
		n, _ = series.ParseName(name)
	}
}

// What was pinned when it was due, and unpinned after that, is released with the base
// of its week: no release looks back as far before.
func TestReleaseAfterAnUnpin(t *testing.T) {
	c := changing(t, lifecycletest.At("2026-11-05 12:20"), 72) // a Thursday
	options := Options{Settle: time.Millisecond}
	var id snapshot.ID
	for name := range c.objects {
		if n, _ := series.ParseName(name); n.ID.Time().Equal(lifecycletest.At("2026-11-04 00:20")) {
			id = n.ID
		}
	}
	if _, err := Pin(t.Context(), c, id, options); err != nil {
		t.Fatal(err)
	}
	for c.now.Before(lifecycletest.At("2026-11-20 12:20")) {
		c.now = c.now.Add(time.Hour)
		c.change(t, "0123456789")
		release(t, c, Options{})
		if wrong := c.unchained(); len(wrong) > 0 {
			t.Fatalf("%s: %v", c.now, wrong)
		}
		if c.now.Equal(lifecycletest.At("2026-11-11 12:20")) {
			if _, err := Unpin(t.Context(), c, id, options); err != nil {
				t.Fatal(err)
			}
		}
	}
	if tag := c.retention(c.name(id)); tag != "daily" {
		t.Errorf("it is %s", tag)
	}
}
