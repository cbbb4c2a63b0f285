package lifecycle

import (
	"bytes"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/lifecycle/lifecycletest"
	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

func TestPrune(t *testing.T) {
	c := newClockwork(lifecycletest.At("2025-09-01 06:00"))
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
	if _, deleted, err := Prune(t.Context(), c, Options{Terms: terms}); err != nil || deleted != would || len(c.objects) != 450-would {
		t.Fatalf("deleted %d instead of %d: %v", deleted, would, err)
	}
	lifecycletest.Golden(t, "prune-daily", strings.Join(c.retentions(), "\n")+"\n")
	if _, deleted, err := Prune(t.Context(), c, Options{Terms: terms}); err != nil || deleted != 0 {
		t.Errorf("the second run deleted %d: %v", deleted, err)
	}
}

// Released before or not, the same snapshots stay.
func TestPruneGoesByReleasesToo(t *testing.T) {
	c := newClockwork(lifecycletest.At("2025-09-01 06:00"))
	for range 450 {
		c.now = c.now.Add(day)
		c.backup(t, "0123456789")
		release(t, c, Options{})
		if _, _, err := Prune(t.Context(), c, Options{Terms: Terms{Policy: DefaultPolicy(), Hold: DefaultHold}}); err != nil {
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
	lifecycletest.Golden(t, "prune-daily-names", strings.Join(names, "\n")+"\n")
}

func TestPruneIsCareful(t *testing.T) {
	start := func() (*clockwork, Terms) {
		c := hourly(t, lifecycletest.At("2026-11-10 12:00"), 240)
		return c, Terms{Policy: DefaultPolicy(), Hold: DefaultHold}
	}
	c, terms := start()
	if _, _, err := Prune(t.Context(), c, Options{Terms: Terms{Policy: Policy{Recent: 1}, Hold: DefaultHold}}); err == nil || len(c.objects) != 240 {
		t.Errorf("pruned under a policy that is under the hold: %v", err)
	}
	if _, _, err := Prune(t.Context(), c, Options{Terms: Terms{Policy: Policy{Recent: 1}}}); err == nil || len(c.objects) != 240 {
		t.Errorf("pruned without a hold: %v", err)
	}
	if _, _, err := Prune(t.Context(), c, Options{Terms: Terms{}}); err == nil || len(c.objects) != 240 {
		t.Errorf("pruned without a policy: %v", err)
	}
	c.now = c.now.Add(time.Hour)
	c.backup(t, "")
	if _, deleted, err := Prune(t.Context(), c, Options{Terms: terms}); deleted != 0 || err != nil {
		t.Errorf("deleted %d although the newest is empty: %v", deleted, err)
	}
	terms.IgnoreShrink = true
	if _, deleted, err := Prune(t.Context(), c, Options{Terms: terms}); deleted == 0 || err != nil {
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
	decisions, _, err := Prune(t.Context(), c, Options{Terms: terms})
	if reason := decisions[1].Reason; reason != errMoved.Error() { // 0 is the monthly one
		t.Errorf("what was pinned meanwhile stays, since %s", reason)
	}
	if _, found := c.objects[first]; !found || err != nil || decisions[1].Action != ActKeep {
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
	decisions, deleted, err := Prune(t.Context(), c, Options{Terms: terms})
	if reason := decisions[1].Reason; err != nil || decisions[1].Action != ActKeep || deleted == 0 || !strings.Contains(reason, "damaged") {
		t.Errorf("tags that were damaged meanwhile: %s, since %s; %v", decisions[0].Action, reason, err)
	}
	c, terms = start()
	c.before = func(operation, _ string) error {
		if operation == "delete" {
			return bucket.ErrRefused
		}
		return nil
	}
	if _, deleted, err := Prune(t.Context(), c, Options{Terms: terms}); !errors.Is(err, bucket.ErrRefused) || deleted != 0 {
		t.Errorf("refused: %d, %v", deleted, err)
	}
}

// While something lies in the future one of the clocks is wrong, and nothing
// is deleted; a dry run does not announce it either.
func TestPruneDeletesNothingWhileSomethingLiesInTheFuture(t *testing.T) {
	for what, lead := range map[string]struct{ taken, uploaded time.Duration }{
		"an ID": {day, 0}, "an upload": {-day, day}, "both": {365 * day, 365 * day},
	} {
		c := hourly(t, lifecycletest.At("2026-11-10 12:00"), 240)
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
		if decisions, deleted, err := Prune(t.Context(), c, Options{Terms: terms}); wrong(decisions, err) || deleted != 0 {
			t.Errorf("%s: %d deleted, %v", what, deleted, err)
		}
		delete(c.objects, name(ahead))
		if _, deleted, err := Prune(t.Context(), c, Options{Terms: terms}); deleted == 0 || err != nil {
			t.Errorf("%s: without it %d are deleted, %v", what, deleted, err)
		}
	}
}

// A directory keeps tags beside the snapshots and has no rules: prune deletes
// both, and nothing that is pinned or the newest.
func TestPruneDirectory(t *testing.T) {
	b, err := upload.OpenURL(t.Context(), bucket.URL{Dir: filepath.Join(t.TempDir(), "series")}, upload.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 30 {
		lifecycletest.Put(t, b, time.Now().Add(time.Duration(i-30)*time.Hour), series.Held(series.Daily), "0123456789")
	}
	now := time.Now().Add(DefaultHold + 2*time.Hour)
	if result, err := Release(t.Context(), lifecycletest.Timed{Bucket: b, Now: now}, Options{}); err != nil || len(result.Released) != 29 {
		t.Fatalf("released %d: %v", len(result.Released), err)
	}
	items, err := Load(t.Context(), b, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Pin(t.Context(), lifecycletest.Timed{Bucket: b, Now: now}, items[3].ID, Options{Terms: Terms{Hold: DefaultHold}, Settle: time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	terms := Terms{Policy: Policy{Recent: 4}, Hold: DefaultHold}
	if _, deleted, err := Prune(t.Context(), lifecycletest.Timed{Bucket: b, Now: now.Add(6 * day)}, Options{Terms: terms}); err != nil || deleted != 28 {
		t.Fatalf("deleted %d: %v", deleted, err)
	}
	equal(t, "after prune", lifecycletest.Retentions(t, b), series.Pinned, series.Held(series.Daily))
	var names bytes.Buffer
	for object, err := range b.List(t.Context(), "") {
		names.WriteString(object.Name + "\n")
		if err != nil {
			t.Fatal(err)
		}
	}
	if strings.Count(names.String(), "\n") != 2 {
		t.Errorf("left behind: %s", names.String())
	}
}

func equal(t testing.TB, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}
