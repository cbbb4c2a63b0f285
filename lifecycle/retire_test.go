package lifecycle

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/lifecycle/lifecycletest"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// atOnce retires a series however lately it was backed up.
var atOnce = Options{Terms: Terms{Hold: NoHold}}

// tenDays is a series of a database that is then gone: chains, releases, a pinned snapshot.
func tenDays(t *testing.T) (c *clockwork, pinned []string) {
	t.Helper()
	c = changing(t, lifecycletest.At("2026-11-10 12:20"), 240)
	release(t, c, Options{})
	names := slices.Sorted(maps.Keys(c.objects))
	for name := names[len(names)-100]; name != ""; {
		pinned = append(pinned, name)
		c.tag(name, bucket.Tags{series.TagRetention: series.Pinned})
		n, _ := series.ParseName(name)
		name = ""
		for _, base := range names {
			if b, _ := series.ParseName(base); b.ID == n.Base {
				name = base
			}
		}
	}
	if len(pinned) < 2 {
		t.Fatal("the pinned one stands on nothing")
	}
	return c, pinned
}

// wholly fails the test unless all of the series has its class but what is pinned, and
// the newest alone is marked.
func wholly(t *testing.T, c *clockwork, pinned []string) {
	t.Helper()
	names := slices.Sorted(maps.Keys(c.objects))
	for i, name := range names {
		n, _ := series.ParseName(name)
		want := string(n.Class)
		if slices.Contains(pinned, name) {
			want = series.Pinned
		}
		if got := c.retention(name); got != want {
			t.Errorf("%s is %s", name, got)
		}
		if marked := c.objects[name].tags[series.TagRetired] != ""; marked != (i == len(names)-1) {
			t.Errorf("%s is marked as retired: %v", name, marked)
		}
	}
}

// All gets its class, what stands on a base before that, and stays so.
func TestRetire(t *testing.T) {
	c, pinned := tenDays(t)
	before := c.retentions()
	would, err := WouldRetire(t.Context(), c, Terms{Policy: DefaultPolicy(), Hold: NoHold})
	if err != nil || !slices.Equal(before, c.retentions()) {
		t.Fatalf("a dry run changed tags, or failed: %v", err)
	}
	count := len(slices.DeleteFunc(would, func(d Decision) bool { return d.Action != ActRelease }))
	c.before = func(operation, name string) error {
		if wrong := c.unchained(); operation == "set" && len(wrong) > 0 {
			t.Errorf("before %s: stand on what is released: %v", name, wrong)
		}
		return nil
	}
	decisions, released, err := Retire(t.Context(), c, Options{Terms: Terms{Policy: DefaultPolicy(), Hold: NoHold}})
	if err != nil || released != count || released < 90 || len(decisions) != len(c.objects) {
		t.Errorf("released %d of %d, would have %d: %v", released, len(decisions), count, err)
	}
	wholly(t, c, pinned)
	items, err := Load(t.Context(), c, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	after := Decide(items, Terms{Policy: DefaultPolicy()}, c.now)
	if got := after[len(after)-1].Reason; !strings.HasPrefix(got, "the newest, hourly, retired at 2026-11-") || !strings.HasSuffix(got, ", kept for 6d") {
		t.Errorf("the newest: %s", got)
	}
	c.calls["set"] = 0
	if _, released, err := Retire(t.Context(), c, atOnce); err != nil || released != 0 || c.calls["set"] != 0 {
		t.Errorf("the second run released %d: %v", released, err)
	}
	release(t, c, Options{})
	if _, err := ReleaseAll(t.Context(), c, Options{}); err != nil || c.calls["set"] != 0 {
		t.Errorf("a release changed a retired series: %v", err)
	}
}

// Wherever a run is killed, the next one does the rest.
func TestRetireAfterAKill(t *testing.T) {
	for _, kill := range []int{1, 2, 3, 10, 50} {
		c, pinned := tenDays(t)
		writes := 0
		killed := errors.New("killed")
		c.before = func(operation, _ string) error {
			if operation == "set" {
				if writes++; writes == kill {
					return killed
				}
			}
			return nil
		}
		if _, _, err := Retire(t.Context(), c, atOnce); !errors.Is(err, killed) {
			t.Fatalf("at %d: %v", kill, err)
		}
		if wrong := c.unchained(); len(wrong) > 0 {
			t.Errorf("killed at %d: stand on what is released: %v", kill, wrong)
		}
		c.before = nil
		release(t, c, Options{}) // holds nothing again
		if left := left(t, c); (left > 0) != (kill > 1) {
			t.Errorf("killed at %d: %d are left", kill, left)
		}
		if _, _, err := Retire(t.Context(), c, atOnce); err != nil {
			t.Fatal(err)
		}
		wholly(t, c, pinned)
		if left := left(t, c); left != 0 {
			t.Errorf("killed at %d, and run again: %d are left", kill, left)
		}
	}
}

func left(t *testing.T, c *clockwork) int {
	t.Helper()
	items, err := Load(t.Context(), c, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	return Unretired(items)
}

// A series that was backed up lately is not retired by a slip: not one that was
// confirmed lately either. One that has been marked is, by a second run.
func TestRetireOnlyWhatIsGone(t *testing.T) {
	c, _ := tenDays(t)
	names := slices.Sorted(maps.Keys(c.objects))
	newest, before := c.objects[names[len(names)-1]], c.retentions()
	refused := func(is bool, when string) {
		t.Helper()
		if _, err := WouldRetire(t.Context(), c, Terms{}); errors.Is(err, ErrInUse) != is {
			t.Errorf("%s: %v", when, err)
		}
	}
	refused(true, "at once")
	c.now = c.now.Add(DefaultHold + time.Hour)
	refused(false, "after the hold")
	series.Stamp(newest.tags, series.TagConfirmed, c.now)
	refused(true, "confirmed")
	series.Stamp(newest.tags, series.TagConfirmed, c.now.Add(time.Hour))
	refused(false, "confirmed in the future")
	series.Stamp(newest.tags, series.TagConfirmed, c.now)
	if _, released, err := Retire(t.Context(), c, Options{}); !errors.Is(err, ErrInUse) || released > 0 || !slices.Equal(before, c.retentions()) {
		t.Errorf("released %d: %v", released, err)
	}
	series.Stamp(newest.tags, series.TagRetired, c.now)
	if _, _, err := Retire(t.Context(), c, Options{}); err != nil {
		t.Errorf("marked: %v", err)
	}
}

// The next backup ends it: it uploads, and its snapshot is the newest and held.
func TestBackupEndsARetirement(t *testing.T) {
	c, _ := tenDays(t)
	names := slices.Sorted(maps.Keys(c.objects))
	if _, _, err := Retire(t.Context(), c, atOnce); err != nil {
		t.Fatal(err)
	}
	c.now = c.now.Add(time.Hour)
	fresh := c.name(c.backup(t, "0123456789"))
	release(t, c, Options{})
	if n, _ := series.ParseName(fresh); c.retention(fresh) != series.Held(n.Class) {
		t.Errorf("the new one is %s", c.retention(fresh))
	}
	items, err := Load(t.Context(), c, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range Decide(items, Terms{Policy: DefaultPolicy()}, c.now) {
		if old := d.Object.Name == names[len(names)-1]; old && strings.Contains(d.Reason, "retired") {
			t.Errorf("the old newest: %s", d.Reason)
		}
	}
}

// Where prune carries out retention, a retired newest goes when its time is over.
func TestPruneTakesARetiredNewest(t *testing.T) {
	c := changing(t, lifecycletest.At("2026-11-10 12:20"), 240)
	options := Options{Terms: Terms{Policy: Policy{Recent: 6, Hourly: 8, Daily: 17, Weekly: 60, Monthly: 400, Yearly: 800}}}
	if _, _, err := Retire(t.Context(), c, Options{Terms: Terms{Policy: options.Policy, Hold: NoHold}}); err != nil {
		t.Fatal(err)
	}
	prune := func() int {
		if _, _, err := Prune(t.Context(), c, options); err != nil {
			t.Fatal(err)
		}
		return len(c.objects)
	}
	if left := prune(); left == 0 || left == 240 {
		t.Errorf("at once: %d are left", left)
	}
	c.now = c.now.Add(401 * day)
	if left := prune(); left != 0 {
		t.Errorf("when all their times are over, %d are left: %v", left, c.retentions())
	}
}

// What stays keeps what it stands on, whatever its tag is.
func TestRetireKeepsBases(t *testing.T) {
	for tag, damaged := range map[string]error{series.Pinned: nil, "by hand": nil, "": nil, "held-daily": bucket.ErrTagsDamaged} {
		c := changing(t, lifecycletest.At("2026-11-03 12:20"), 48)
		items, err := Load(t.Context(), c, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		at := slices.IndexFunc(items, func(i Item) bool { return i.Class == Hourly && !i.Full() })
		items[at].Tags[series.TagRetention], items[at].Damaged = tag, damaged
		for _, d := range retire(items, nil) {
			stays := slices.ContainsFunc(items[at].Chain(), func(s series.Snapshot) bool { return s.ID == d.ID })
			if stays != (d.Action == ActKeep) {
				t.Errorf("above is %q: %s of %s: %s, %s", tag, items[at].ID, d.ID, d.Action, d.Reason)
			}
		}
	}
}

func TestRetireIsCareful(t *testing.T) {
	if _, _, err := Retire(t.Context(), newClockwork(lifecycletest.At("2026-11-10 12:00")), Options{}); !errors.Is(err, bucket.ErrNotFound) {
		t.Errorf("an empty series: %v", err)
	}
	c, _ := tenDays(t)
	before := c.retentions()
	c.now = c.now.Add(-time.Hour)
	if _, released, err := Retire(t.Context(), c, atOnce); !errors.Is(err, ErrFuture) || released != 0 || !slices.Equal(before, c.retentions()) {
		t.Errorf("with a snapshot from the future: %d, %v", released, err)
	}
	c.now = c.now.Add(time.Hour)
	came := false
	c.before = func(operation, _ string) error {
		if operation == "set" && !came {
			came = true
			c.now = c.now.Add(time.Hour)
			c.backup(t, "0123456789")
		}
		return nil
	}
	if _, released, err := Retire(t.Context(), c, atOnce); !errors.Is(err, bucket.ErrChanged) || released != 0 {
		t.Errorf("with a backup meanwhile: %d, %v", released, err)
	}
}
