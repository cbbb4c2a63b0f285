package lifecycle

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/needs"
)

// byRelease is Release.
func byRelease(l *life) error {
	_, err := Release(context.Background(), l, l.options())
	return err
}

// live lets a life last, and returns what went wrong in it.
func (l *life) live(steps int) error {
	for range steps {
		if err := l.step(); err != nil {
			return err
		}
		if len(l.lost) > 0 {
			return errors.New(l.lost[0])
		}
	}
	if err := l.end(); err != nil {
		return err
	}
	if len(l.lost) > 0 {
		return errors.New(l.lost[0])
	}
	return nil
}

// A life of some months.
func TestSimulation(t *testing.T) {
	rounds(t, 1, func(t *testing.T, r *rand.Rand) { newLife(r, byRelease).report(t, 4000) })
}

// lives is how many lives each half of TestSimulationOfYears has, and enough how many
// differentials they must have.
const lives, enough = 26, 200_000

// Years of snapshots in which jobs and releases die, uploads are slow, stores late,
// policies edited, caches lost. Nothing that is held, pinned, or not over ever loses
// what it stands on, and each release reaches all that is due.
func TestSimulationOfYears(t *testing.T) {
	needs.Time(t)
	var differentials atomic.Int64
	t.Run("at once", func(t *testing.T) {
		for _, half := range []string{"a", "b"} {
			t.Run(half, func(t *testing.T) {
				t.Parallel()
				rounds(t, lives, func(t *testing.T, r *rand.Rand) {
					l := newLife(r, byRelease)
					l.report(t, 8000)
					differentials.Add(int64(l.differentials))
				})
			})
		}
	})
	if n := differentials.Load(); n < enough && *onlySeed == 0 {
		t.Errorf("only %d differentials", n)
	}
}

// report lets a life last, and fails the test if anything went wrong in it.
func (l *life) report(t *testing.T, steps int) {
	if err := l.live(steps); err != nil {
		t.Error(err)
	}
	t.Logf("every %v, hold %v, kept %v: %d differentials, %d full ones; %d without a base when they arrived, %d without one after their own time", l.pace, l.hold, l.keep, l.differentials, l.fulls, l.void, l.early)
}

// The simulation notices mistakes that were made once, or nearly.
func TestSimulationNotices(t *testing.T) {
	needs.Time(t)
	for what, mistake := range map[string]func(*life) error{
		"bases first": func(l *life) error {
			items, now, err := everything(context.Background(), l, l.hold)
			if err != nil {
				return err
			}
			return l.give(Decide(items, l.options().Terms, now))
		},
		"one look back by age": func(l *life) error {
			items, now, err := everything(context.Background(), l, l.hold)
			if err != nil {
				return err
			}
			first := 0
			for i, item := range items {
				if item.Released() != "" && item.ID.Time().Before(now.Add(-l.hold-lookBack)) {
					first = i + 1
				}
			}
			var order []Decision
			for _, d := range inOrder(Decide(items[first:], l.options().Terms, now), ActRelease) {
				order = append(order, *d)
			}
			return l.give(order)
		},
		"a base for which its own hold is enough": func(l *life) error {
			items, now, err := everything(context.Background(), l, l.hold)
			if err != nil {
				return err
			}
			var own []Decision
			for i := range items[:max(0, len(items)-1)] {
				if items[i].Held() && !now.Before(latest(items[i].Object.Modified, items[i+1].Object.Modified).Add(l.hold)) {
					own = append(own, Decision{Item: items[i], Action: ActRelease})
				}
			}
			return l.give(own)
		},
		"no ladder": func(l *life) error {
			l.keep[string(Hourly)], l.keep[string(Daily)] = l.keep[string(Recent)], l.keep[string(Recent)]
			return byRelease(l)
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(100) {
				l := newLife(rand.New(rand.NewPCG(seed, 1)), mistake)
				if err := l.live(3000); err != nil {
					t.Logf("life %d: %v", seed, err)
					return
				}
			}
			t.Error("not noticed in a hundred lives")
		})
	}
}

// give writes the classes of decisions to be released in their order.
func (l *life) give(decisions []Decision) error {
	for _, d := range decisions {
		if d.Action != ActRelease {
			continue
		}
		if _, err := setRetention(context.Background(), l, d.Item, string(d.Class)); err != nil && !errors.Is(err, errMoved) && !errors.Is(err, bucket.ErrNotFound) {
			return err
		}
	}
	return nil
}
