package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// soon is how long before its end a snapshot may be lost although it is pinned:
// stores schedule what rules expire ahead of time.
const soon = 48 * time.Hour

// Pin keeps a snapshot and all that it stands on until Unpin: no rule and no Prune
// takes them. The base is pinned before what stands on it. Pin returns when the tags
// have lasted for o.Settle; if another command undoes one before, Pin sets it again.
// It logs a warning if a snapshot was due within 48 hours, and for a broken one. The
// decision is the one about the snapshot before, under o.Terms. A snapshot that is
// not there, or goes meanwhile, is bucket.ErrNotFound; other errors are those of the
// bucket.
func Pin(ctx context.Context, b bucket.Bucket, id snapshot.ID, o Options) (Decision, error) {
	if _, err := series.SettleTime(o.Settle); err != nil {
		return Decision{}, err
	}
	items, at, err := week(ctx, b, id)
	if err != nil {
		return Decision{}, err
	}
	chain := chainOf(items, at)
	if err := readTags(ctx, b, items, chain); err != nil {
		return Decision{}, err
	}
	decisions := Decide(items, o.Terms, series.Present(b))
	d := decisions[at]
	if d.Broken {
		o.log().Warn("the snapshot is broken: what is there of its chain is pinned", "snapshot", id, "cause", d.Why())
	}
	for _, i := range chain {
		_, err := series.ChangeTags(ctx, b, items[i].Object, pinned)
		if err != nil && !errors.Is(err, bucket.ErrTagsDamaged) { // settling writes those anew
			return d, fmt.Errorf("pin %s: %w", items[i].ID, err)
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, i := range chain {
		group.Go(func() error {
			if err := series.SettleTags(ctx, b, items[i].Object, o.Settle, pinned); err != nil {
				return fmt.Errorf("pin %s: %w", items[i].ID, err)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return d, err
	}
	for _, i := range chain {
		if d := decisions[i]; !d.Expires.IsZero() && d.Expires.Before(series.Present(b).Add(soon)) {
			o.log().Warn("pinned, but the snapshot was due within 48 hours and the store may already be deleting it: check it tomorrow, or copy it",
				"snapshot", d.ID, "due", d.Expires)
		}
	}
	return d, nil
}

// pinned is the change of tags that pins.
func pinned(tags bucket.Tags) error {
	tags[series.TagRetention] = series.Pinned
	return nil
}

// Unpin ends Pin: the snapshot is held again, and so is each that it stands on, unless
// another pinned one stands on that, too. The next ReleaseAll gives them their classes
// when they are due. The decision is about the snapshot after. One that is not pinned
// is ErrNotPinned, one on which another pinned one stands ErrNeeded; other errors are
// those of Pin.
func Unpin(ctx context.Context, b bucket.Bucket, id snapshot.ID, o Options) (Decision, error) {
	items, at, err := week(ctx, b, id)
	if err != nil {
		return Decision{}, err
	}
	bases := chainOf(items, at)
	if err := readTags(ctx, b, items, standingOn(items, bases)); err != nil {
		return Decision{}, err
	}
	if items[at].gone {
		return Decision{}, fmt.Errorf("unpin %s: %w", id, bucket.ErrNotFound)
	}
	if was := items[at].Tags[series.TagRetention]; was != series.Pinned {
		return Decision{Item: items[at]}, fmt.Errorf("unpin %s: %w but %q", id, ErrNotPinned, was)
	}
	if on := pinnedOn(items, at); on != "" {
		return Decision{Item: items[at]}, fmt.Errorf("unpin %s: %w: %s", id, ErrNeeded, on)
	}
	if err := unpin(ctx, b, items[at], o.Settle); err != nil {
		return Decision{Item: items[at]}, fmt.Errorf("unpin %s: %w", id, err)
	}
	items[at].Tags[series.TagRetention] = series.Held(items[at].Class)
	for _, i := range slices.Backward(bases[:len(bases)-1]) {
		if items[i].Tags[series.TagRetention] != series.Pinned {
			continue
		}
		if on := pinnedOn(items, i); on != "" {
			o.log().Info("stays pinned for another snapshot", "snapshot", items[i].ID, "on", on)
			continue
		}
		// Once and without settling: a Pin that comes meanwhile wins.
		if _, err := setRetention(ctx, b, items[i], series.Held(items[i].Class)); err != nil && !errors.Is(err, errMoved) {
			return Decision{Item: items[at]}, fmt.Errorf("unpin %s, which %s stands on: %w", items[i].ID, id, err)
		}
		items[i].Tags[series.TagRetention] = series.Held(items[i].Class)
	}
	d := Decide(items, o.Terms, series.Present(b))[at]
	if d.Guarded {
		o.log().Warn("unpinned, but kept by the shrink guard: if the small newest snapshot is right, lifecycle release --all --ignore-shrink releases this one (where no rules do it, prune --ignore-shrink deletes it)", "snapshot", id, "reason", d.Reason)
	}
	return d, nil
}

// unpin sets one snapshot from pinned to held, and sees to it that it lasts.
func unpin(ctx context.Context, b bucket.Bucket, item Item, settle time.Duration) error {
	unpinned := false
	return series.SettleTags(ctx, b, item.Object, settle, func(tags bucket.Tags) error {
		switch now := tags[series.TagRetention]; {
		case now == series.Pinned:
			tags[series.TagRetention], unpinned = series.Held(item.Class), true
		case !unpinned:
			return fmt.Errorf("%w but %q", ErrNotPinned, now)
		}
		return nil
	})
}

// pinnedOn returns a pinned snapshot that stands on that of items[i], or "".
func pinnedOn(items []Item, i int) snapshot.ID {
	for _, item := range items {
		if item.Base == items[i].ID && item.Tags[series.TagRetention] == series.Pinned {
			return item.ID
		}
	}
	return ""
}

// standingOn returns which of the items are bases or stand on one of them.
func standingOn(items []Item, bases []int) []int {
	which := slices.Clone(bases)
	for i, item := range items {
		if !slices.Contains(bases, i) && slices.ContainsFunc(bases, func(base int) bool { return items[base].ID == item.Base }) {
			which = append(which, i)
		}
	}
	return which
}

// week lists the snapshots from the beginning of the week of one of them, which has
// all that it stands on and all that stands on it, and returns where that one is.
func week(ctx context.Context, b bucket.Bucket, id snapshot.ID) (items []Item, at int, err error) {
	if items, err = List(ctx, b, series.Weekly.Start(id.Time())); err != nil {
		return nil, 0, err
	}
	at = slices.IndexFunc(items, func(item Item) bool { return item.ID == id })
	if at < 0 {
		return nil, 0, fmt.Errorf("%s: snapshot %s: %w", b.URL(), id, bucket.ErrNotFound)
	}
	return items, at, nil
}
