package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

const (
	// lookBack is how much older than the hold a released snapshot must be for
	// Release to trust that all before it are done: uploads can finish out of
	// order.
	lookBack = day
	// window is how much older than the hold the snapshots are that Release
	// lists at first. If all of those are still held, it lists everything.
	window = 3 * day
)

// Options are how Release works. The zero value is good.
type Options struct {
	// Hold is as in Terms.
	Hold time.Duration
	// All looks at every snapshot of the series.
	All bool
	// IgnoreShrink overrides the shrink guard.
	IgnoreShrink bool
	// Log receives what is released and what stays; nil discards it.
	Log *slog.Logger
}

// A Result is what Release did.
type Result struct {
	// Released are the snapshots that got their class, oldest first.
	Released []Decision
	// Guarded are those that the shrink guard alone keeps.
	Guarded []Decision
	// Damaged is an error that names a snapshot with damaged tags, which cannot be
	// released, or nil.
	Damaged error
	// Held is the newest snapshot, if it had a class because what superseded it is
	// gone, and is held again.
	Held []Decision
}

// Release gives every held snapshot that is due its class, oldest first. Before
// that it sets the newest back to held if it has a class: no rule may expire the
// last snapshot. Release needs the rights to list, to read tags and to set them.
//
// It may run any number of times, and several may run at once: a snapshot that
// another command released, pinned or deleted meanwhile stays as it is. At any other
// failure Release stops, so that all snapshots before a released one are done; the
// result is valid then too. Errors are those of the bucket.
func Release(ctx context.Context, b bucket.Bucket, o Options) (Result, error) {
	o.setDefaults()
	var result Result
	items, now, err := o.candidates(ctx, b)
	if err != nil {
		return result, fmt.Errorf("look for snapshots to release: %w", err)
	}
	terms := Terms{Hold: o.Hold, IgnoreShrink: o.IgnoreShrink}
	if result.Held, err = o.holdNewest(ctx, b, items, terms, now); err != nil {
		return result, err
	}
	for _, d := range Decide(items, terms, now) {
		if d.Guarded {
			result.Guarded = append(result.Guarded, d)
		}
		if d.Action == ActKeep {
			continue
		}
		done, err := setRetention(ctx, b, d.Item, series.Held, string(d.Class))
		if err != nil {
			return result, fmt.Errorf("release %s as %s: %w", d.ID, d.Class, err)
		}
		if !done {
			o.Log.Info("not released: another command was faster", "snapshot", d.ID)
			continue
		}
		o.Log.Info("released", "snapshot", d.ID, "class", d.Class, "reason", d.Reason)
		result.Released = append(result.Released, d)
	}
	if result.Damaged = Damaged(items); result.Damaged != nil {
		o.Log.Warn("a snapshot with damaged tags is not released until lifeboat pin and unpin have written them anew", "cause", result.Damaged)
	}
	o.lookAgain(ctx, b, result.Released)
	if len(result.Guarded) > 0 {
		o.Log.Warn("not released by the shrink guard", "snapshots", len(result.Guarded), "reason", result.Guarded[0].Reason)
	}
	return result, nil
}

// holdNewest sets the newest snapshot back to held if it has a class, and
// returns the decision about it from before.
func (o *Options) holdNewest(ctx context.Context, b bucket.Bucket, items []Item, t Terms, now time.Time) ([]Decision, error) {
	i := len(items) - 1
	for i >= 0 && items[i].Implausible {
		i--
	}
	if i < 0 {
		return nil, nil
	}
	if err := readTags(ctx, b, items, []int{i}); err != nil {
		return nil, fmt.Errorf("look at the newest snapshot: %w", err)
	}
	class := items[i].Released()
	if class == "" {
		return nil, nil
	}
	d := Decide(items, t, now)[i]
	done, err := setRetention(ctx, b, d.Item, string(class), series.Held)
	if err != nil {
		return nil, fmt.Errorf("hold the newest, %s, which was released as %s: %w", d.ID, class, err)
	}
	if !done {
		o.Log.Info("not held again: another command was faster", "snapshot", d.ID)
		return nil, nil
	}
	o.Log.Warn("held again: it is the newest, but was released, and a rule would have taken it", "snapshot", d.ID, "class", class)
	return []Decision{d}, nil
}

func (o *Options) setDefaults() {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
}

// candidates returns the newest part of the series, with the tags of all that may
// be due in it, and the present by the store's clock. It reaches back to a released
// snapshot that is older than the hold by lookBack.
func (o *Options) candidates(ctx context.Context, b bucket.Bucket) ([]Item, time.Time, error) {
	known := map[snapshot.ID]Item{}
	if !o.All {
		items, err := list(ctx, b, series.Present(b).Add(-holdOf(o.Hold)-window))
		if err != nil {
			return nil, time.Time{}, err
		}
		now := series.Present(b)
		if first, err := o.readBack(ctx, b, items, now, known); err != nil || first > 0 {
			return items[first:], now, err
		}
	}
	items, err := list(ctx, b, time.Time{})
	if err != nil {
		return nil, time.Time{}, err
	}
	now := series.Present(b)
	first, err := o.readBack(ctx, b, items, now, known)
	return items[first:], now, err
}

// readBack reads the tags of the snapshots that are due, from the newest backwards,
// until it meets one that was released long enough ago. It returns the index after
// that one, or 0, and adds what it reads to known.
func (o *Options) readBack(ctx context.Context, b bucket.Bucket, items []Item, now time.Time, known map[snapshot.ID]Item) (int, error) {
	var due []int
	for i, d := range Decide(items, Terms{Hold: o.Hold, IgnoreShrink: true}, now) {
		if d.Action == ActRelease {
			due = append(due, i)
		}
	}
	for len(due) > 0 {
		batch := due[max(0, len(due)-readers):]
		due = due[:len(due)-len(batch)]
		var unknown []int
		for _, i := range batch {
			read := known[items[i].ID]
			items[i].Tags, items[i].TagsKnown, items[i].Damaged = read.Tags, read.TagsKnown, read.Damaged
			if !read.TagsKnown {
				unknown = append(unknown, i)
			}
		}
		if err := readTags(ctx, b, items, unknown); err != nil {
			return 0, err
		}
		for _, i := range slices.Backward(batch) {
			known[items[i].ID] = items[i]
			old := !items[i].ID.Time().After(now.Add(-holdOf(o.Hold) - lookBack))
			if !o.All && old && items[i].Released() != "" {
				return i + 1, nil
			}
		}
	}
	return 0, nil
}

// errMoved: a snapshot's retention tag is no longer the one that was read.
var errMoved = errors.New("its retention tag has changed meanwhile")

// setRetention changes a snapshot's retention tag from one value to another and
// keeps its other tags. It reports false if it did not: the tag has a third value,
// or the snapshot is gone. A snapshot that a rule expires at once is no failure.
func setRetention(ctx context.Context, b bucket.Bucket, item Item, from, to string) (bool, error) {
	written, err := series.ChangeTags(ctx, b, item.Object, func(tags bucket.Tags) error {
		switch tags[series.TagRetention] {
		case from:
			tags[series.TagRetention] = to
		case to:
		default:
			return errMoved
		}
		return nil
	})
	switch {
	case errors.Is(err, errMoved), errors.Is(err, bucket.ErrTagsDamaged):
		return false, nil
	case errors.Is(err, bucket.ErrNotFound):
		return written, nil
	}
	return written, err
}

// lookAgain logs a warning for each released snapshot to which another command,
// which had read the tags before, has given another tag.
func (o *Options) lookAgain(ctx context.Context, b bucket.Bucket, released []Decision) {
	items := make([]Item, len(released))
	which := make([]int, len(released))
	for i, d := range released {
		items[i], which[i] = Item{Snapshot: d.Snapshot}, i
	}
	if err := readTags(ctx, b, items, which); err != nil {
		o.Log.Warn("cannot check whether the released snapshots stay released", "err", err)
		return
	}
	for i, item := range items {
		now := item.Tags[series.TagRetention]
		if item.TagsKnown && now != string(released[i].Class) && now != series.Pinned {
			o.Log.Warn("released, but another command has changed its tag since", "snapshot", item.ID, "class", released[i].Class, "tag", now)
		}
	}
}
