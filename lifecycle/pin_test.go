package lifecycle

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/lifecycle/lifecycletest"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

func TestPinAndUnpin(t *testing.T) {
	c := hourly(t, lifecycletest.At("2026-11-10 12:00"), 150)
	release(t, c, Options{})
	items, err := Load(t.Context(), c, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	options := Options{Terms: Terms{Policy: DefaultPolicy(), Hold: DefaultHold}, Settle: time.Millisecond}
	for _, test := range []struct {
		place int
		after string
		warns bool
	}{
		{0, "held-monthly", false}, {17, "held-daily", false}, {16, "held-hourly", true}, {60, "held-hourly", false}, {120, "held-hourly", false}, {149, "held-hourly", false},
	} {
		var log bytes.Buffer
		logger := slog.New(slog.NewTextHandler(&log, nil))
		item := items[test.place]
		loud := options
		loud.Log = logger
		before, err := Pin(t.Context(), c, item.ID, loud)
		if err != nil || c.objects[item.Object.Name].tags[series.TagRetention] != series.Pinned {
			t.Fatalf("%d: not pinned: %v", test.place, err)
		}
		if warned := strings.Contains(log.String(), "48 hours"); warned != test.warns {
			t.Errorf("%d: due %v, warned: %v", test.place, before.Expires, warned)
		}
		if _, err := Pin(t.Context(), c, item.ID, options); err != nil {
			t.Errorf("%d: pinned again: %v", test.place, err)
		}
		year := c.now.Add(365 * day)
		for _, d := range Decide([]Item{{Snapshot: item.Snapshot, Tags: c.objects[item.Object.Name].tags, TagsKnown: true}, items[149]}, options.Terms, year)[:1] {
			if d.Action != ActKeep {
				t.Errorf("%d: pinned, but %s", test.place, d.Action)
			}
		}
		if _, err := Unpin(t.Context(), c, item.ID, options); err != nil {
			t.Fatalf("%d: %v", test.place, err)
		}
		if tags := c.objects[item.Object.Name].tags; tags[series.TagRetention] != test.after || tags[series.TagDatabase] != "app.db" {
			t.Errorf("%d: after unpin: %v, want %s", test.place, tags, test.after)
		}
		if _, err := Unpin(t.Context(), c, item.ID, options); !errors.Is(err, ErrNotPinned) {
			t.Errorf("%d: unpinned twice", test.place)
		}
	}
	if _, err := Pin(t.Context(), c, "20200101T000000Z-000000", options); !errors.Is(err, bucket.ErrNotFound) {
		t.Errorf("pinned what is not there: %v", err)
	}
	// A pin that the store forgets, or that another command overwrites, is an error.
	c.before = func(operation, name string) error {
		if operation == "set" {
			c.before = func(string, string) error { return c.tag(name, bucket.Tags{series.TagRetention: "hourly"}) }
		}
		return nil
	}
	if _, err := Pin(t.Context(), c, items[3].ID, options); err == nil {
		t.Error("a lost pin is not seen")
	}
}
