package lifecycle

import (
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/lifecycle/lifecycletest"
	"github.com/lifeboat-sqlite/lifeboat/snapshot"
)

func TestReleaseShrinkGuard(t *testing.T) {
	c := hourly(t, lifecycletest.At("2026-11-10 12:00"), 120)
	c.now = c.now.Add(time.Hour)
	c.backup(t, "0123") // of 10 bytes before
	result := release(t, c, Options{})
	if len(result.Released) != 0 || len(result.Guarded) != 24 {
		t.Errorf("released %d, guarded %d", len(result.Released), len(result.Guarded))
	}
	if result := release(t, c, Options{Terms: Terms{IgnoreShrink: true}}); len(result.Released) != 24 || len(result.Guarded) != 0 {
		t.Errorf("with --ignore-shrink: released %d, guarded %d", len(result.Released), len(result.Guarded))
	}
}

// What unpin advises where the shrink guard keeps the snapshot releases it;
// looking at all snapshots alone does not.
func TestUnpinUnderShrinkGuard(t *testing.T) {
	c := hourly(t, lifecycletest.At("2026-11-10 12:00"), 120)
	c.now = c.now.Add(time.Hour)
	c.backup(t, "0123") // of 10 bytes before
	items, err := Load(t.Context(), c, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	options := Options{Terms: Terms{Hold: DefaultHold}, Settle: time.Millisecond}
	if _, err := Pin(t.Context(), c, items[0].ID, options); err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	options.Log = slog.New(slog.NewTextHandler(&log, nil))
	if _, err := Unpin(t.Context(), c, items[0].ID, options); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "lifecycle release --all --ignore-shrink") {
		t.Errorf("logged %s", log.String())
	}
	if result := releaseAll(t, c, Options{}); len(result.Released) != 0 {
		t.Errorf("released %d", len(result.Released))
	}
	result := releaseAll(t, c, Options{Terms: Terms{IgnoreShrink: true}})
	if !slices.ContainsFunc(result.Released, func(d Decision) bool { return d.ID == items[0].ID }) {
		t.Errorf("released %d, not the one", len(result.Released))
	}
}

// The database is lost on Friday at 17:30, and an empty one is shipped every
// hour until an operator looks on Tuesday.
func TestBadWeekend(t *testing.T) {
	for _, guard := range []bool{true, false} {
		c := newClockwork(lifecycletest.At("2026-10-20 00:00"))
		p := DefaultPolicy()
		full, empty := "the whole database", "the whole databas?"
		if guard {
			empty = ""
		}
		var friday snapshot.ID
		for ; !c.now.After(lifecycletest.At("2026-11-10 17:00")); c.now = c.now.Add(time.Hour) {
			text := full
			if c.now.After(lifecycletest.At("2026-11-06 17:30")) {
				text = empty
			}
			id := c.backup(t, text)
			if c.now.Equal(lifecycletest.At("2026-11-06 17:00")) {
				friday = id
			}
			release(t, c, Options{})
			c.expire(p)
		}
		if s := c.objects[c.name(friday)]; s.text != full {
			t.Errorf("guard %v: on Tuesday, Friday's last snapshot is %q", guard, s.text)
		}
	}
}
