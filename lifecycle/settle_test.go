package lifecycle

import (
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/lifecycle/lifecycletest"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// A time to settle below 0 is an error before anything is written.
func TestSettleBelowZero(t *testing.T) {
	c := hourly(t, lifecycletest.At("2026-11-10 12:00"), 2)
	items, err := Load(t.Context(), c, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Pin(t.Context(), c, items[0].ID, Options{Terms: Terms{}, Settle: -1}); err == nil {
		t.Error("pin settles in less than no time")
	}
	if got := c.retention(items[0].Object.Name); got != series.Held(series.Monthly) {
		t.Errorf("the tag is %q, want %q", got, series.Held(series.Monthly))
	}
}
