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

// Options are how commands work on a bucket. The zero value is good.
type Options struct {
	// Terms are what is decided under. Release needs no Policy.
	Terms
	// Settle is how long what is written must last before it counts, against other
	// commands that write at the same time: 0 for five seconds. Below 0 is an error.
	Settle time.Duration
	// Log receives what is done and what is not; nil discards it.
	Log *slog.Logger
}

// log returns a logger in any case.
func (o Options) log() *slog.Logger {
	if o.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return o.Log
}

// A Result is what Release did.
type Result struct {
	// Released are the snapshots that got their class, in the order of that.
	Released []Decision
	// Guarded are those that the shrink guard alone keeps.
	Guarded []Decision
	// Damaged is an error that names a snapshot with damaged tags, which cannot be
	// released, or nil.
	Damaged error
	// Held are the newest snapshot and what it stands on, as far as they had a class,
	// because what superseded them is gone, and are held again.
	Held []Decision
}

// Release gives every held snapshot that is due its class, what is due first before
// the others, and what stands on a base before the base. Before that it sets the
// newest and its chain back to held if they have a class, unless the newest is
// retired: no rule may expire the last snapshot. Release needs the rights to list,
// to read tags and to set them.
//
// It looks no further back than to a snapshot that was released a day ago or earlier:
// what was due before that one was done before it. ReleaseAll looks at all.
//
// It may run any number of times, and several may run at once: a snapshot that
// another command released, pinned or deleted meanwhile stays as it is, and what that
// one stands on, too. At any other failure Release stops; the result is valid then,
// and the next run goes on from there. Errors are those of the bucket.
func Release(ctx context.Context, b bucket.Bucket, o Options) (Result, error) {
	r, _, err := releaseAmong(ctx, b, o, candidates)
	return r, err
}

// ReleaseAll is Release for every snapshot of the series. It reaches what a Release
// passes over: what was unpinned, or kept by the shrink guard, for long, and what took
// days to arrive while another job went on.
func ReleaseAll(ctx context.Context, b bucket.Bucket, o Options) (Result, error) {
	r, _, err := releaseAmong(ctx, b, o, everything)
	return r, err
}

// A look returns the snapshots among which are all that are to be released, with
// their tags, and the present by the store's clock.
type look func(ctx context.Context, b bucket.Bucket, hold time.Duration) ([]Item, time.Time, error)

// releaseAmong returns the items of the look, too, with their tags from before.
func releaseAmong(ctx context.Context, b bucket.Bucket, o Options, look look) (Result, []Item, error) {
	r := releaser{bucket: b, Options: o, moved: map[snapshot.ID]snapshot.ID{}}
	r.Policy = nil // the rules have it, and a snapshot that is over is to be released, too
	items, now, err := look(ctx, b, r.hold())
	if err != nil {
		return r.result, nil, fmt.Errorf("look for snapshots to release: %w", err)
	}
	if err := r.holdNewest(ctx, items, now); err != nil {
		return r.result, nil, err
	}
	decisions := Decide(items, r.Terms, now)
	for _, d := range decisions {
		if d.Guarded {
			r.result.Guarded = append(r.result.Guarded, d)
		}
	}
	for _, d := range inOrder(decisions, ActRelease) {
		if err := r.release(ctx, *d); err != nil {
			return r.result, nil, err
		}
	}
	r.result.Damaged = Damaged(items)
	r.lookAgain(ctx)
	if guarded := r.result.Guarded; len(guarded) > 0 {
		r.log().Warn("not released by the shrink guard", "snapshots", len(guarded), "reason", guarded[0].Reason)
	}
	return r.result, items, nil
}

// A releaser is one run of Release.
type releaser struct {
	bucket bucket.Bucket
	Options
	result Result
	// moved has, for each base, a snapshot that stands on it and was not released,
	// because another command had changed its tag.
	moved map[snapshot.ID]snapshot.ID
}

// release gives one snapshot its class.
func (r *releaser) release(ctx context.Context, d Decision) error {
	if on, found := r.moved[d.ID]; found {
		r.log().Info("not released: another command keeps what stands on it", "snapshot", d.ID, "on", on)
		r.moved[d.Base] = d.ID
		return nil
	}
	written, err := setRetention(ctx, r.bucket, d.Item, string(d.Class))
	switch {
	case errors.Is(err, errMoved), errors.Is(err, bucket.ErrTagsDamaged):
		r.moved[d.Base] = d.ID
	case errors.Is(err, bucket.ErrNotFound): // also one that a rule expired at once
	case err != nil:
		return fmt.Errorf("release %s as %s: %w", d.ID, d.Class, err)
	}
	if !written {
		r.log().Info("not released: another command was faster", "snapshot", d.ID)
		return nil
	}
	r.log().Info("released", "snapshot", d.ID, "class", d.Class, "reason", d.Reason)
	r.result.Released = append(r.result.Released, d)
	return nil
}

// holdNewest sets the newest snapshot and what it stands on back to held, as far as
// they have a class, the base first. A base may have one below a held snapshot: a
// release that had listed before it came may have written after it.
func (r *releaser) holdNewest(ctx context.Context, items []Item, now time.Time) error {
	newest := len(items) - 1
	for newest >= 0 && !items[newest].Counts() {
		newest--
	}
	if newest < 0 {
		return nil
	}
	chain := chainOf(items, newest)
	unread := slices.DeleteFunc(slices.Clone(chain), func(i int) bool { return items[i].TagsKnown && !items[i].assumed })
	if err := readTags(ctx, r.bucket, items, unread); err != nil {
		return fmt.Errorf("look at the newest snapshot and what it stands on: %w", err)
	}
	if items[newest].Tags[series.TagRetired] != "" {
		return nil
	}
	decisions := Decide(items, r.Terms, now)
	for _, i := range chain {
		if err := r.holdAgain(ctx, decisions[i]); err != nil {
			return err
		}
		if items[i].Released() != "" {
			items[i].Tags[series.TagRetention] = series.Held(items[i].Class)
		}
	}
	return nil
}

// holdAgain sets one snapshot back to held, if it has a class.
func (r *releaser) holdAgain(ctx context.Context, d Decision) error {
	class := d.Released()
	if class == "" {
		return nil
	}
	written, err := setRetention(ctx, r.bucket, d.Item, series.Held(d.Class))
	switch {
	case errors.Is(err, errMoved), errors.Is(err, bucket.ErrTagsDamaged), errors.Is(err, bucket.ErrNotFound):
		r.log().Info("not held again: another command was faster", "snapshot", d.ID)
		return nil
	case err != nil:
		return fmt.Errorf("hold %s again, which is needed, but was released as %s: %w", d.ID, class, err)
	}
	if written {
		r.log().Warn("held again: it is the newest or what that stands on, but was released, and a rule would have taken it", "snapshot", d.ID, "class", class)
		r.result.Held = append(r.result.Held, d)
	}
	return nil
}

// errMoved: a snapshot's retention tag is no longer the one that was read.
var errMoved = errors.New("its retention tag has changed meanwhile")

// setRetention changes a snapshot's retention tag from the value that was read, or
// from held where none was, and keeps its other tags. It reports whether anything
// was written. With a third value it does nothing, and the error is errMoved.
func setRetention(ctx context.Context, b bucket.Bucket, item Item, to string) (written bool, err error) {
	from := series.Held(item.Class)
	if item.TagsKnown {
		from = item.Tags[series.TagRetention]
	}
	return series.ChangeTags(ctx, b, item.Object, func(tags bucket.Tags) error {
		switch tags[series.TagRetention] {
		case from:
			tags[series.TagRetention] = to
		case to:
		default:
			return errMoved
		}
		return nil
	})
}

// lookAgain logs a warning for each released snapshot to which another command,
// which had read the tags before, has given another tag.
func (r *releaser) lookAgain(ctx context.Context) {
	released := r.result.Released
	items := make([]Item, len(released))
	which := make([]int, len(released))
	for i, d := range released {
		items[i], which[i] = Item{Snapshot: d.Snapshot}, i
	}
	if err := readTags(ctx, r.bucket, items, which); err != nil {
		r.log().Warn("cannot check whether the released snapshots stay released", "err", err)
		return
	}
	for i, item := range items {
		now := item.Tags[series.TagRetention]
		if item.TagsKnown && now != string(released[i].Class) && now != series.Pinned {
			r.log().Warn("released, but another command has changed its tag since", "snapshot", item.ID, "class", released[i].Class, "tag", now)
		}
	}
}
