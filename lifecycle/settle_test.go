package lifecycle

import (
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// A time to settle below 0 is an error before anything is written.
func TestSettleBelowZero(t *testing.T) {
	c := hourly(t, at("2026-11-10 12:00"), 2)
	items, err := Load(t.Context(), c, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Pin(t.Context(), c, items[0].ID, Terms{Settle: -1}, nil); err == nil {
		t.Error("pin settles in less than no time")
	}
	if got := c.retention(items[0].Object.Name); got != series.Held {
		t.Errorf("the tag is %q, want %q", got, series.Held)
	}
	f := &forgetful{}
	rules := f.bucket(t)
	before := f.document
	if _, err := Freeze(t.Context(), rules, -1); err == nil || f.document != before {
		t.Errorf("freeze settles in less than no time: %v", err)
	}
}
