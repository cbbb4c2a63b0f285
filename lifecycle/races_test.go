package lifecycle

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lifeboat-sqlite/lifeboat/lifecycle/lifecycletest"
	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// An announcing bucket closes a channel when a tag has been written.
type announcing struct {
	*clockwork
	written chan struct{}
	writes  atomic.Int32
}

func (a *announcing) SetTags(_ context.Context, o bucket.Object, tags bucket.Tags) error {
	err := a.tag(o.Name, tags)
	a.writes.Add(1)
	if a.written != nil {
		close(a.written)
		a.written = nil
	}
	return err
}

// A pin that comes between a release's read and its write is undone by that,
// and comes back before Pin returns. The time is a bubble's: on a busy machine a
// release could write after the pin has settled.
func TestPinOutlastsARelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := hourly(t, lifecycletest.At("2026-11-10 12:00"), 120)
		var pinned snapshot.ID
		var pin errgroup.Group
		var once sync.Once
		var b *announcing
		c.before = func(operation, object string) error {
			if operation != "set" {
				return nil
			}
			once.Do(func() {
				pinned = snapshot.ID(object[:len("20261123T201500Z-3f9c2a")])
				b = &announcing{clockwork: c, written: make(chan struct{})}
				written := b.written
				pin.Go(func() error {
					_, err := Pin(t.Context(), b, pinned, Options{Terms: Terms{Hold: DefaultHold}, Settle: time.Second})
					return err
				})
				<-written
			})
			return nil
		}
		var log strings.Builder
		release(t, c, Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
		if err := pin.Wait(); err != nil {
			t.Fatal(err)
		}
		if tag := c.retention(c.name(pinned)); tag != series.Pinned || b.writes.Load() < 2 {
			t.Errorf("pinned %d times, and it is %q", b.writes.Load(), tag)
		}
		if result := releaseAll(t, c, Options{}); len(result.Released) != 0 || c.retention(c.name(pinned)) != series.Pinned {
			t.Errorf("the next release: %v", result.Released)
		}
	})
}

// A release warns of what another command has undone in the meantime.
func TestReleaseLooksAgain(t *testing.T) {
	for tag, warns := range map[string]bool{series.Held(series.Daily): true, series.Pinned: false} {
		c := hourly(t, lifecycletest.At("2026-11-10 12:00"), 120)
		first := ""
		sets := 0
		c.before = func(operation, object string) error {
			if operation == "set" {
				if sets++; sets == 1 {
					first = object
				} else if sets == 5 {
					return c.tag(first, bucket.Tags{series.TagRetention: tag})
				}
			}
			return nil
		}
		var log strings.Builder
		if result := release(t, c, Options{Log: slog.New(slog.NewTextHandler(&log, nil))}); len(result.Released) != 23 {
			t.Errorf("released %d", len(result.Released))
		}
		if warned := strings.Contains(log.String(), "changed its tag since"); warned != warns {
			t.Errorf("%s: warned %v", tag, warned)
		}
	}
}

// Two unpins, or an unpin and a release after it: the snapshot is given back
// once.
func TestUnpinOnce(t *testing.T) {
	c := hourly(t, lifecycletest.At("2026-11-10 12:00"), 150)
	items, err := Load(t.Context(), c, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	options := Options{Terms: Terms{Policy: DefaultPolicy(), Hold: DefaultHold}, Settle: time.Millisecond}
	item := items[3]
	if _, err := Pin(t.Context(), c, item.ID, options); err != nil {
		t.Fatal(err)
	}
	reads := 0
	c.before = func(operation, object string) error {
		if operation == "tags" {
			if reads++; reads == 2 { // the first is for the decision
				return c.tag(object, bucket.Tags{series.TagRetention: series.Held(series.Daily)})
			}
		}
		return nil
	}
	if _, err := Unpin(t.Context(), c, item.ID, options); !errors.Is(err, ErrNotPinned) {
		t.Errorf("unpinned what is held by now: %v", err)
	}
	c.before = nil
	if tag := c.retention(item.Object.Name); tag != series.Held(series.Daily) {
		t.Errorf("it is %q", tag)
	}
	// A release that follows at once is no contest.
	if _, err := Pin(t.Context(), c, item.ID, options); err != nil {
		t.Fatal(err)
	}
	sets := 0
	c.before = func(operation, object string) error {
		if operation == "tags" && sets > 0 {
			return c.tag(object, bucket.Tags{series.TagRetention: "yearly"})
		}
		if operation == "set" {
			sets++
		}
		return nil
	}
	if _, err := Unpin(t.Context(), c, item.ID, options); err != nil || sets != 1 {
		t.Errorf("unpinned with %d writes: %v", sets, err)
	}
}

// Two prunes at once delete each snapshot once, and both succeed.
func TestPruneTwiceAtOnce(t *testing.T) {
	c := hourly(t, lifecycletest.At("2026-09-10 12:00"), 1500)
	terms := Terms{Policy: DefaultPolicy(), Hold: DefaultHold}
	if _, err := WouldPrune(t.Context(), c, terms); err != nil {
		t.Fatal(err)
	}
	before := len(c.objects)
	var deleted atomic.Int32
	var both errgroup.Group
	for range 2 {
		both.Go(func() error {
			_, n, err := Prune(t.Context(), c, Options{Terms: terms})
			deleted.Add(int32(n))
			return err
		})
	}
	if err := both.Wait(); err != nil {
		t.Fatal(err)
	}
	gone := before - len(c.objects)
	if decisions, err := WouldPrune(t.Context(), c, terms); err != nil || gone == 0 {
		t.Errorf("%d are gone: %v", gone, err)
	} else {
		for _, d := range decisions {
			if d.Action == ActExpire {
				t.Errorf("%s is still there", d.ID)
			}
		}
	}
	if n := int(deleted.Load()); n < gone {
		t.Errorf("%d are gone, of which %d were counted", gone, n)
	}
}
