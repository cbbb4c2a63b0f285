package lifecycle

import (
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// Over more than a year of backups, releases and expiry, a survey has the
// same as reading every tag would, with as few requests as on the first day.
func TestSurveyHasWhatLoadHas(t *testing.T) {
	c := newClockwork(at("2026-01-01 00:30"))
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
	c := hourly(t, at("2026-11-10 12:00"), 150)
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
