package lifecycle

import (
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/lifecycle/lifecycletest"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// Over more than a year of backups, releases and expiry, a survey has the
// same as reading every tag would, with as few requests as on the first day.
func TestSurveyHasWhatLoadHas(t *testing.T) {
	c := newClockwork(lifecycletest.At("2026-01-01 00:30"))
	surveys := 0
	for n := range 4 * 420 {
		c.now = c.now.Add(6 * time.Hour)
		c.backup(t, "0123456789")
		release(t, c, Options{})
		c.expire(DefaultPolicy())
		if n%23 > 0 {
			continue
		}
		clear(c.calls)
		got, err := Survey(t.Context(), c, DefaultHold)
		if err != nil {
			t.Fatal(err)
		}
		if c.calls["list"] != 1 || c.calls["tags"] > surveyed+readers+4 {
			t.Fatalf("%d snapshots were surveyed with %v", len(got), c.calls)
		}
		want, err := Load(t.Context(), c, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != len(want) {
			t.Fatalf("%d snapshots, want %d", len(got), len(want))
		}
		for i := range want {
			if got[i].ID != want[i].ID || got[i].Held() != want[i].Held() || got[i].Released() != want[i].Released() {
				t.Fatalf("%s: got %v, want %v", want[i].ID, got[i].Tags, want[i].Tags)
			}
		}
		surveys++
	}
	if surveys < 70 {
		t.Errorf("only %d surveys", surveys)
	}
}

func TestSurveyWithoutReleases(t *testing.T) {
	c := hourly(t, lifecycletest.At("2026-11-10 12:00"), 150)
	items, err := Survey(t.Context(), c, DefaultHold)
	if err != nil {
		t.Fatal(err)
	}
	held := 0
	for _, item := range items {
		if item.Held() {
			held++
		}
	}
	if held != 150 || items[149].Tags[series.TagDatabase] != "app.db" {
		t.Errorf("%d of %d held, the newest with %v", held, len(items), items[len(items)-1].Tags)
	}
	empty, err := Survey(t.Context(), newClockwork(c.now), DefaultHold)
	if err != nil || len(empty) != 0 {
		t.Errorf("of nothing: %v, %v", empty, err)
	}
}

// Where releases have ended, a limited survey reads few tags, and what it says of those that
// it knows is so.
func TestSurveyUpTo(t *testing.T) {
	for _, released := range []int{0, 300, 595} {
		c := hourly(t, lifecycletest.At("2026-11-10 12:00"), released)
		if released > 0 {
			c.now = c.now.Add(DefaultHold)
			c.backup(t, "0123456789")
			c.now = c.now.Add(DefaultHold)
			release(t, c, Options{})
		}
		for range 700 {
			c.now = c.now.Add(time.Hour)
			c.backup(t, "0123456789")
		}
		want, err := Load(t.Context(), c, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		clear(c.calls)
		items, err := SurveyUpTo(t.Context(), c, DefaultHold, 64)
		if err != nil {
			t.Fatal(err)
		}
		if c.calls["tags"] > surveyed+64+11 {
			t.Errorf("%d of %d released: %v", released, len(items), c.calls)
		}
		if len(items) != len(want) {
			t.Fatalf("%d snapshots, want %d", len(items), len(want))
		}
		found, unknown := 0, 0
		for i, item := range items {
			if item.Held() != want[i].Held() || item.Released() != want[i].Released() {
				t.Errorf("%s: got %v, want %v", item.ID, item.Tags, want[i].Tags)
			}
			if item.Released() != "" {
				found++
			}
			if !item.TagsKnown {
				unknown++
			}
		}
		if found != released || unknown < 500 {
			t.Errorf("%d of %d were released, %d are not known", found, released, unknown)
		}
	}
}

// What the newest stands on has its tags read, however much is newer.
func TestSurveyReadsTheNewestsChain(t *testing.T) {
	c := newClockwork(lifecycletest.At("2026-11-23 00:30"))
	base := c.change(t, "0123456789")
	for range 2 * surveyed {
		c.now = c.now.Add(time.Hour)
		c.change(t, "1")
	}
	if err := c.tag(c.name(base), bucket.Tags{series.TagRetention: string(series.Monthly)}); err != nil {
		t.Fatal(err)
	}
	items, err := Survey(t.Context(), c, DefaultHold)
	if err != nil {
		t.Fatal(err)
	}
	if newest := items[len(items)-1]; newest.Chain()[0].ID != base || items[0].ID != base {
		t.Fatalf("%s does not stand on %s", newest.Name, base)
	}
	if items[0].Released() != series.Monthly {
		t.Errorf("the base has %v, known: %v", items[0].Tags, items[0].TagsKnown)
	}
}
