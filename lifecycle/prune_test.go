package lifecycle

import (
	"bytes"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

func TestPrune(t *testing.T) {
	c := newClockwork(at("2025-09-01 06:00"))
	for range 450 {
		c.now = c.now.Add(day)
		c.backup(t, "0123456789")
	}
	terms := Terms{Policy: DefaultPolicy(), Hold: DefaultHold}
	decisions, err := WouldPrune(t.Context(), c, terms)
	if err != nil || len(c.objects) != 450 || len(decisions) != 450 {
		t.Fatalf("a dry run left %d of %d: %v", len(c.objects), len(decisions), err)
	}
	would := len(slices.DeleteFunc(slices.Clone(decisions), func(d Decision) bool { return d.Action != ActExpire }))
	if _, deleted, err := Prune(t.Context(), c, terms, nil); err != nil || deleted != would || len(c.objects) != 450-would {
		t.Fatalf("deleted %d instead of %d: %v", deleted, would, err)
	}
	golden(t, "prune-daily", strings.Join(c.retentions(), "\n")+"\n")
	if _, deleted, err := Prune(t.Context(), c, terms, nil); err != nil || deleted != 0 {
		t.Errorf("the second run deleted %d: %v", deleted, err)
	}
}

// Released before or not, the same snapshots stay.
func TestPruneGoesByReleasesToo(t *testing.T) {
	c := newClockwork(at("2025-09-01 06:00"))
	for range 450 {
		c.now = c.now.Add(day)
		c.backup(t, "0123456789")
		release(t, c, Options{})
		if _, _, err := Prune(t.Context(), c, Terms{Policy: DefaultPolicy(), Hold: DefaultHold}, nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range c.objects {
		s.tags = nil
	}
	var names []string
	for _, r := range c.retentions() {
		names = append(names, strings.Fields(r)[0])
	}
	golden(t, "prune-daily-names", strings.Join(names, "\n")+"\n")
}

func TestPruneIsCareful(t *testing.T) {
	start := func() (*clockwork, Terms) {
		c := hourly(t, at("2026-11-10 12:00"), 240)
		return c, Terms{Policy: DefaultPolicy(), Hold: DefaultHold}
	}
	c, terms := start()
	if _, _, err := Prune(t.Context(), c, Terms{Policy: Policy{Recent: 1}, Hold: DefaultHold}, nil); err == nil || len(c.objects) != 240 {
		t.Errorf("pruned under a policy that is under the hold: %v", err)
	}
	if _, _, err := Prune(t.Context(), c, Terms{Policy: Policy{Recent: 1}}, nil); err == nil || len(c.objects) != 240 {
		t.Errorf("pruned without a hold: %v", err)
	}
	if _, _, err := Prune(t.Context(), c, Terms{}, nil); err == nil || len(c.objects) != 240 {
		t.Errorf("pruned without a policy: %v", err)
	}
	c.now = c.now.Add(time.Hour)
	c.backup(t, "")
	if _, deleted, err := Prune(t.Context(), c, terms, nil); deleted != 0 || err != nil {
		t.Errorf("deleted %d although the newest is empty: %v", deleted, err)
	}
	terms.IgnoreShrink = true
	if _, deleted, err := Prune(t.Context(), c, terms, nil); deleted == 0 || err != nil {
		t.Errorf("with --ignore-shrink: deleted %d: %v", deleted, err)
	}

	// One is pinned after the decision, another goes by itself.
	c, terms = start()
	var reads atomic.Int32
	first := ""
	c.before = func(operation, name string) error {
		if operation == "tags" {
			switch reads.Add(1) {
			case 241: // after all have been read once
				first = name
				c.tag(name, bucket.Tags{series.TagRetention: series.Pinned})
			case 242:
				delete(c.objects, name)
			}
		}
		return nil
	}
	decisions, _, err := Prune(t.Context(), c, terms, nil)
	if reason := decisions[0].Reason; reason != errMoved.Error() {
		t.Errorf("what was pinned meanwhile stays, since %s", reason)
	}
	if _, found := c.objects[first]; !found || err != nil || decisions[0].Action != ActKeep {
		t.Errorf("what was pinned meanwhile is gone: %v", err)
	}
	c, terms = start()
	reads.Store(0)
	c.before = func(operation, _ string) error {
		if operation == "tags" && reads.Add(1) == 241 {
			return bucket.ErrTagsDamaged
		}
		return nil
	}
	decisions, deleted, err := Prune(t.Context(), c, terms, nil)
	if reason := decisions[0].Reason; err != nil || decisions[0].Action != ActKeep || deleted == 0 || !strings.Contains(reason, "damaged") {
		t.Errorf("tags that were damaged meanwhile: %s, since %s; %v", decisions[0].Action, reason, err)
	}
	c, terms = start()
	c.before = func(operation, _ string) error {
		if operation == "delete" {
			return bucket.ErrRefused
		}
		return nil
	}
	if _, deleted, err := Prune(t.Context(), c, terms, nil); !errors.Is(err, bucket.ErrRefused) || deleted != 0 {
		t.Errorf("refused: %d, %v", deleted, err)
	}
}

// While something lies in the future one of the clocks is wrong, and nothing
// is deleted; a dry run does not announce it either.
func TestPruneDeletesNothingWhileSomethingLiesInTheFuture(t *testing.T) {
	for what, lead := range map[string]struct{ taken, uploaded time.Duration }{
		"an ID": {day, 0}, "an upload": {-day, day}, "both": {365 * day, 365 * day},
	} {
		c := hourly(t, at("2026-11-10 12:00"), 240)
		release(t, c, Options{})
		ahead := snapshot.NewID(c.now.Add(lead.taken))
		c.objects[name(ahead)] = stored{object: bucket.Object{Name: name(ahead), Size: 10, Modified: c.now.Add(lead.uploaded)}}
		terms := Terms{Policy: DefaultPolicy(), Hold: DefaultHold}
		wrong := func(decisions []Decision, err error) bool {
			goes := slices.ContainsFunc(decisions, func(d Decision) bool { return d.Action == ActExpire })
			return !errors.Is(err, ErrFuture) || goes || !strings.Contains(err.Error(), string(ahead))
		}
		if decisions, err := WouldPrune(t.Context(), c, terms); wrong(decisions, err) {
			t.Errorf("%s: %v", what, err)
		}
		if decisions, deleted, err := Prune(t.Context(), c, terms, nil); wrong(decisions, err) || deleted != 0 {
			t.Errorf("%s: %d deleted, %v", what, deleted, err)
		}
		delete(c.objects, name(ahead))
		if _, deleted, err := Prune(t.Context(), c, terms, nil); deleted == 0 || err != nil {
			t.Errorf("%s: without it %d are deleted, %v", what, deleted, err)
		}
	}
}

func TestPinAndUnpin(t *testing.T) {
	c := hourly(t, at("2026-11-10 12:00"), 150)
	release(t, c, Options{})
	items, err := Load(t.Context(), c, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	terms := Terms{Policy: DefaultPolicy(), Hold: DefaultHold, Settle: time.Millisecond}
	for _, test := range []struct {
		place int
		after string
		warns bool
	}{{0, "hourly", true}, {16, "daily", false}, {60, "held", true}, {120, "held", false}, {149, "held", false}} {
		var log bytes.Buffer
		logger := slog.New(slog.NewTextHandler(&log, nil))
		item := items[test.place]
		before, err := Pin(t.Context(), c, item.ID, terms, logger)
		if err != nil || c.objects[item.Object.Name].tags[series.TagRetention] != series.Pinned {
			t.Fatalf("%d: not pinned: %v", test.place, err)
		}
		if warned := strings.Contains(log.String(), "48 hours"); warned != test.warns {
			t.Errorf("%d: due %v, warned: %v", test.place, before.Expires, warned)
		}
		if _, err := Pin(t.Context(), c, item.ID, terms, nil); err != nil {
			t.Errorf("%d: pinned again: %v", test.place, err)
		}
		year := c.now.Add(365 * day)
		for _, d := range Decide([]Item{{Snapshot: item.Snapshot, Tags: c.objects[item.Object.Name].tags, TagsKnown: true}, items[149]}, terms, year)[:1] {
			if d.Action != ActKeep {
				t.Errorf("%d: pinned, but %s", test.place, d.Action)
			}
		}
		if _, err := Unpin(t.Context(), c, item.ID, terms, nil); err != nil {
			t.Fatalf("%d: %v", test.place, err)
		}
		if tags := c.objects[item.Object.Name].tags; tags[series.TagRetention] != test.after || tags[series.TagDatabase] != "app.db" {
			t.Errorf("%d: after unpin: %v, want %s", test.place, tags, test.after)
		}
		if _, err := Unpin(t.Context(), c, item.ID, terms, nil); !errors.Is(err, ErrNotPinned) {
			t.Errorf("%d: unpinned twice", test.place)
		}
	}
	if _, err := Pin(t.Context(), c, "20200101T000000Z-000000", terms, nil); !errors.Is(err, bucket.ErrNotFound) {
		t.Errorf("pinned what is not there: %v", err)
	}
	// A pin that the store forgets, or that another command overwrites, is an error.
	c.before = func(operation, name string) error {
		if operation == "set" {
			c.before = func(string, string) error { return c.tag(name, bucket.Tags{series.TagRetention: "hourly"}) }
		}
		return nil
	}
	if _, err := Pin(t.Context(), c, items[3].ID, terms, nil); err == nil {
		t.Error("a lost pin is not seen")
	}
}
