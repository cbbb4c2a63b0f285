package lifecycle

import (
	"errors"
	"log/slog"
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

func TestReleaseAfterTheNewestWasDeleted(t *testing.T) {
	c := hourly(t, lifecycletest.At("2026-11-10 12:00"), 150)
	release(t, c, Options{})
	before := len(c.objects)
	for n, s := range c.objects {
		if s.object.Modified.After(c.now.Add(-2 * time.Hour)) {
			delete(c.objects, n)
		}
	}
	if len(c.objects) != before-2 {
		t.Fatal("not deleted")
	}
	if result := release(t, c, Options{}); len(result.Released) != 0 {
		t.Errorf("released %v", result.Released)
	}
	retentions := c.retentions()
	if last := retentions[len(retentions)-1]; !strings.Contains(last, " held-") {
		t.Errorf("the newest is %s", last)
	}
}

// What superseded a released snapshot is gone: it is the newest, and no rule
// may take it.
func TestReleaseHoldsTheNewest(t *testing.T) {
	start := func() (*clockwork, string) {
		c := newClockwork(lifecycletest.At("2026-11-01 12:00"))
		for range 3 {
			c.now = c.now.Add(time.Hour)
			c.backup(t, "0123456789")
		}
		c.now = c.now.Add(time.Hour)
		last := c.backup(t, "0123456789")
		c.now = c.now.Add(DefaultHold + time.Hour)
		release(t, c, Options{})
		delete(c.objects, c.name(last))
		ahead := snapshot.NewID(c.now.Add(day)) // implausible: not the newest
		c.objects[name(ahead)] = stored{object: bucket.Object{Name: name(ahead), Size: 10, Modified: c.now}, tags: bucket.Tags{series.TagRetention: "daily"}}
		for _, n := range slices.Backward(slices.Sorted(maps.Keys(c.objects))) {
			if n != name(ahead) {
				return c, n
			}
		}
		return c, ""
	}
	c, newest := start()
	if tag := c.objects[newest].tags[series.TagRetention]; tag != "recent" && tag != "hourly" {
		t.Fatalf("%s is %q before", newest, tag)
	}
	var log strings.Builder
	result := release(t, c, Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	if len(result.Held) != 1 || c.name(result.Held[0].ID) != newest || len(result.Released) != 0 || !strings.Contains(log.String(), "level=WARN") {
		t.Errorf("held %v, released %v, log %s", result.Held, result.Released, log.String())
	}
	if tags := c.objects[newest].tags; tags[series.TagRetention] != series.Held(series.Hourly) || tags[series.TagDatabase] != "app.db" {
		t.Errorf("the newest has %v", tags)
	}
	clear(c.calls)
	if again := release(t, c, Options{}); len(again.Held)+len(again.Released) != 0 || c.calls["set"] != 0 {
		t.Errorf("the second run: held %v, released %v", again.Held, again.Released)
	}
	c.now = c.now.Add(400 * day)
	if c.expire(DefaultPolicy()); len(c.objects) != 1 {
		t.Errorf("after a year: %v", c.retentions())
	}

	c, newest = start()
	c.before = func(operation, _ string) error {
		if operation == "set" {
			return bucket.ErrRefused
		}
		return nil
	}
	if result, err := Release(t.Context(), c, Options{}); !errors.Is(err, bucket.ErrRefused) || len(result.Held) != 0 || !strings.Contains(err.Error(), newest[:16]) {
		t.Errorf("refused: %v, %v", result.Held, err)
	}
}
