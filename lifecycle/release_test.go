package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/lifecycle/lifecycletest"
	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

func release(t *testing.T, c *clockwork, o Options) Result {
	t.Helper()
	result, err := Release(t.Context(), c, o)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func releaseAll(t *testing.T, c *clockwork, o Options) Result {
	t.Helper()
	result, err := ReleaseAll(t.Context(), c, o)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// hourly makes n hourly backups, the last of them now.
func hourly(t testing.TB, now time.Time, n int) *clockwork {
	c := newClockwork(now.Add(-time.Duration(n) * time.Hour))
	for range n {
		c.now = c.now.Add(time.Hour)
		c.backup(t, "0123456789")
	}
	return c
}

// name is the name of a snapshot's object that the test itself puts there.
func name(id snapshot.ID) string { return series.Name{ID: id, Class: series.Daily}.String() }

func TestReleaseOldestFirstAndOnce(t *testing.T) {
	c := hourly(t, lifecycletest.At("2026-11-10 12:00"), 150)
	var order []string
	c.before = func(operation, name string) error {
		if operation == "set" {
			order = append(order, name)
		}
		return nil
	}
	result := release(t, c, Options{})
	if len(result.Released) != 53 || !slices.IsSorted(order) || len(order) != 53 {
		t.Fatalf("released %d snapshots, in order: %v", len(result.Released), slices.IsSorted(order))
	}
	lifecycletest.Golden(t, "release-hourly", strings.Join(c.retentions(), "\n")+"\n")
	for _, s := range c.objects {
		if s.tags[series.TagDatabase] != "app.db" {
			t.Errorf("%s has lost its other tags: %v", s.object.Name, s.tags)
		}
	}
	if again := release(t, c, Options{}); len(again.Released) != 0 {
		t.Errorf("the second run released %d again", len(again.Released))
	}
}

// A job that was killed between upload and release leaves work to the next.
func TestReleaseMakesGood(t *testing.T) {
	c := hourly(t, lifecycletest.At("2026-11-10 12:00"), 150)
	killed := errors.New("killed")
	n := 0
	c.before = func(operation, _ string) error {
		if operation == "set" {
			if n++; n > 20 {
				return killed
			}
		}
		return nil
	}
	result, err := Release(t.Context(), c, Options{})
	if !errors.Is(err, killed) || len(result.Released) != 20 {
		t.Fatalf("%d released, %v", len(result.Released), err)
	}
	c.before = nil
	if result := release(t, c, Options{}); len(result.Released) != 33 {
		t.Errorf("the next run released %d", len(result.Released))
	}
	// And a year without any release.
	c = hourly(t, lifecycletest.At("2026-11-10 12:00"), 2000)
	if result := release(t, c, Options{}); len(result.Released) != 2000-97 {
		t.Errorf("after a long time: %d released", len(result.Released))
	}
}

func TestReleaseLooksBackFarEnough(t *testing.T) {
	c := hourly(t, lifecycletest.At("2026-11-10 12:00"), 150)
	release(t, c, Options{})
	// An upload that began 20 hours before the youngest released snapshot
	// ends now; after the hold it is released, although younger ones were.
	released := c.now.Add(-DefaultHold - time.Hour)
	late := snapshot.NewID(released.Add(-20 * time.Hour))
	c.objects[name(late)] = stored{object: bucket.Object{Name: name(late), Size: 10, Modified: released},
		tags: bucket.Tags{series.TagRetention: series.Held(series.Daily)}}
	// Pinned ones do not stop the search.
	for n, s := range c.objects {
		if s.object.Modified.Before(c.now.Add(-DefaultHold-day)) && s.object.Modified.After(c.now.Add(-DefaultHold-day-5*time.Hour)) {
			c.tag(n, bucket.Tags{series.TagRetention: series.Pinned})
		}
	}
	c.now = c.now.Add(time.Minute)
	result := release(t, c, Options{})
	if len(result.Released) != 1 || result.Released[0].ID != late {
		t.Errorf("released %v, want the late one", result.Released)
	}
	// Much older ones are for --all.
	old := snapshot.NewID(c.now.Add(-6 * day))
	c.objects[name(old)] = stored{object: bucket.Object{Name: name(old), Size: 10, Modified: c.now.Add(-6 * day)},
		tags: bucket.Tags{series.TagRetention: series.Held(series.Daily)}}
	if result := release(t, c, Options{}); len(result.Released) != 0 {
		t.Errorf("released %v", result.Released)
	}
	if result := releaseAll(t, c, Options{}); len(result.Released) != 1 || result.Released[0].ID != old {
		t.Errorf("with --all: released %v", result.Released)
	}
}

// An upload begins on a Sunday and ends in the week after, in which another job makes
// snapshots, too. No release comes between the end of its hold and a time at which the
// listing begins after it.
func TestReleaseReachesASlowUpload(t *testing.T) {
	for _, took := range []time.Duration{10 * time.Hour, 23 * time.Hour, 46 * time.Hour} {
		c := hourly(t, lifecycletest.At("2026-11-08 23:00"), 48)
		late := snapshot.NewID(c.now.Add(time.Minute))
		arrives := c.now.Add(took)
		for c.now.Before(arrives.Add(DefaultHold - 2*time.Hour)) {
			c.now = c.now.Add(time.Hour)
			c.backup(t, "0123456789")
			release(t, c, Options{})
			if c.now.Equal(arrives) {
				c.objects[name(late)] = stored{object: bucket.Object{Name: name(late), Size: 10, Modified: arrives},
					tags: bucket.Tags{series.TagRetention: series.Held(series.Daily)}}
			}
		}
		if c.retention(name(late)) != "held-daily" {
			t.Fatalf("after an upload of %v: too early", took)
		}
		c.now = lifecycletest.At("2026-11-19 12:00")
		for range 2 {
			c.now = c.now.Add(time.Hour)
			c.backup(t, "0123456789")
		}
		release(t, c, Options{})
		if c.retention(name(late)) != "daily" {
			t.Errorf("after an upload of %v: %s", took, c.retention(name(late)))
		}
	}
}

func TestReleaseLosesRaces(t *testing.T) {
	denied := fmt.Errorf("set tags: %w: 403", bucket.ErrRefused)
	for what, race := range map[string]func(c *clockwork, name string) error{
		"another job released it, and now the store refuses": func(c *clockwork, name string) error {
			c.tag(name, bucket.Tags{series.TagRetention: "daily"})
			return denied
		},
		"an operator deleted it": func(c *clockwork, name string) error {
			delete(c.objects, name)
			return nil
		},
		"it was deleted, and the store refuses": func(c *clockwork, name string) error {
			delete(c.objects, name)
			return denied
		},
	} {
		c := hourly(t, lifecycletest.At("2026-11-10 12:00"), 120)
		n := 0
		c.before = func(operation, name string) error {
			if operation == "set" {
				if n++; n == 5 {
					return race(c, name)
				}
			}
			return nil
		}
		if result := release(t, c, Options{}); len(result.Released) != 22 {
			t.Errorf("%s: released %d, want 22 of 23", what, len(result.Released))
		}
	}

	// What goes between the listing and the first look is not missed.
	gone := hourly(t, lifecycletest.At("2026-11-10 12:00"), 120)
	gone.before = func(operation, name string) error {
		if operation == "tags" && strings.HasPrefix(name, "20261106T0") {
			gone.mutex.Lock()
			defer gone.mutex.Unlock()
			delete(gone.objects, name)
		}
		return nil
	}
	if result := release(t, gone, Options{}); len(result.Released) != 13 {
		t.Errorf("gone meanwhile: released %d, want 13", len(result.Released))
	}

	// A pin that comes after the first look stays.
	c := hourly(t, lifecycletest.At("2026-11-10 12:00"), 120)
	var reads atomic.Int32
	c.before = func(operation, name string) error {
		if operation == "tags" {
			if n := reads.Add(1); n > 24 && n < 27 { // 23 and the newest are read before
				c.tag(name, bucket.Tags{series.TagRetention: series.Pinned})
			}
		}
		return nil
	}
	if result := release(t, c, Options{}); len(result.Released) != 21 {
		t.Errorf("pinned meanwhile: released %d, want 21 of 23", len(result.Released))
	}

	// A refusal that is none of these is an error.
	c = hourly(t, lifecycletest.At("2026-11-10 12:00"), 120)
	c.before = func(operation, _ string) error {
		if operation == "set" {
			return denied
		}
		return nil
	}
	if result, err := Release(t.Context(), c, Options{}); !errors.Is(err, bucket.ErrRefused) || len(result.Released) != 0 {
		t.Errorf("refused: %v, %v", result, err)
	}
}

// Two jobs, or a job and an operator, release at once.
func TestReleaseTwiceAtOnce(t *testing.T) {
	c := hourly(t, lifecycletest.At("2026-11-10 12:00"), 150)
	errs := make(chan error)
	for range 2 {
		go func() {
			_, err := Release(t.Context(), c, Options{})
			errs <- err
		}()
	}
	if err := errors.Join(<-errs, <-errs); err != nil {
		t.Fatal(err)
	}
	lifecycletest.Golden(t, "release-hourly", strings.Join(c.retentions(), "\n")+"\n")
}

// A machine's clock that is a week ahead releases, prunes and unpins nothing
// before its time.
func TestStoresClockCounts(t *testing.T) {
	c := hourly(t, time.Now().Add(-7*day), 80)
	for _, release := range []func(context.Context, bucket.Bucket, Options) (Result, error){Release, ReleaseAll} {
		if result, err := release(t.Context(), c, Options{}); err != nil || len(result.Released) != 0 {
			t.Errorf("released %d: %v", len(result.Released), err)
		}
	}
	steady := hourly(t, time.Now().Add(-2*day), 200)
	release(t, steady, Options{})
	if result, err := Release(t.Context(), steady, Options{}); err != nil || len(result.Released) != 0 {
		t.Errorf("released %d: %v", len(result.Released), err)
	}
	options := Options{Terms: Terms{Policy: DefaultPolicy(), Hold: DefaultHold}, Settle: time.Millisecond}
	if _, deleted, err := Prune(t.Context(), c, options); err != nil || deleted != 0 {
		t.Errorf("pruned %d: %v", deleted, err)
	}
	items, err := Load(t.Context(), c, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Pin(t.Context(), c, items[0].ID, options); err != nil {
		t.Fatal(err)
	}
	if d, err := Unpin(t.Context(), c, items[0].ID, options); err != nil || d.Action != ActKeep {
		t.Errorf("unpinned with %s: %v", d.Action, err)
	}
}

// There are no backups for a year, under any policy: the newest is still there.
func TestDeadJobCostsNothing(t *testing.T) {
	rounds(t, 100, func(t *testing.T, r *rand.Rand) {
		terms, _ := randomTerms(r)
		c := newClockwork(lifecycletest.At("2026-11-01 00:00"))
		var newest snapshot.ID
		for range 1 + r.IntN(30) {
			c.now = c.now.Add(time.Duration(r.Int64N(int64(2*day))) + time.Second)
			newest = c.backup(t, "0123456789")
			release(t, c, Options{Terms: Terms{Hold: terms.Hold, IgnoreShrink: true}})
			c.expire(terms.Policy)
		}
		superseded := len(c.objects) // within the last hold, all of them
		for range 24 {
			c.now = c.now.Add(16 * day)
			release(t, c, Options{Terms: Terms{Hold: terms.Hold, IgnoreShrink: true}})
			c.expire(terms.Policy)
		}
		s, found := c.objects[c.name(newest)]
		if !found || !series.IsHeld(s.tags[series.TagRetention]) || len(c.objects) > superseded {
			t.Errorf("after a year without backups: %v", c.retentions())
		}
	})
}
