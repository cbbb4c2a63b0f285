package lifecycle

import (
	"cmp"
	"context"
	"math"
	"slices"
	"sort"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

const (
	// lookBack is for how long a released snapshot must have been due for Release to
	// trust that all that was due before it was released, too: a deletion can make
	// another one due earlier than it was then.
	lookBack = day
	// slowest is how long the upload of a snapshot may last that is older than what
	// Release lists. A longer one may be left to ReleaseAll, if the next snapshot was
	// taken meanwhile, by another job.
	slowest = 2 * day
	// window is how much older than the hold the snapshots are that Release lists at
	// least: enough where a release comes every day. It lists everything if that does
	// not take it far enough.
	window = slowest + lookBack + day
	// allDue, as the most of readBack, is no limit.
	allDue = math.MaxInt
)

// everything returns the whole series, with the tags of all that is due.
func everything(ctx context.Context, b bucket.Bucket, hold time.Duration) ([]Item, time.Time, error) {
	items, err := List(ctx, b, time.Time{})
	if err != nil {
		return nil, time.Time{}, err
	}
	now := series.Present(b)
	err = readTags(ctx, b, items, lastDueFirst(items, waits(items, hold), now))
	return withoutGone(items), now, err
}

// candidates returns the newest part of the series, with the tags of all in it that
// may be due and not yet released. It begins with a week, so that chains are whole.
func candidates(ctx context.Context, b bucket.Bucket, hold time.Duration) ([]Item, time.Time, error) {
	from := series.Weekly.Start(series.Present(b).Add(-hold - window))
	items, err := List(ctx, b, from)
	if err != nil {
		return nil, time.Time{}, err
	}
	now := series.Present(b)
	done, err := readBack(ctx, b, items, hold, now, allDue)
	if err == nil && reaches(items, from, done.Add(-hold)) {
		err = readAbove(ctx, b, items)
		return withoutGone(items), now, err
	}
	if err != nil {
		return nil, time.Time{}, err
	}
	known := map[snapshot.ID]Item{}
	for _, item := range items {
		known[item.ID] = item
	}
	if items, err = List(ctx, b, time.Time{}); err != nil {
		return nil, time.Time{}, err
	}
	for i := range items {
		if item, read := known[items[i].ID]; read {
			items[i] = Item{Snapshot: items[i].Snapshot, Tags: item.Tags, TagsKnown: item.TagsKnown, Damaged: item.Damaged, assumed: item.assumed}
		}
	}
	now = series.Present(b)
	if _, err = readBack(ctx, b, items, hold, now, allDue); err == nil {
		err = readAbove(ctx, b, items)
	}
	return withoutGone(items), now, err
}

// reaches reports whether all that is older than the items, which begin at from, was
// in the bucket and superseded by then: at the latest it is when the oldest of the
// items, which supersedes it, has arrived, and the slowest upload that began before.
func reaches(items []Item, from, then time.Time) bool {
	i := slices.IndexFunc(items, func(item Item) bool { return item.Counts() })
	return i >= 0 && !latest(items[i].Object.Modified, from.Add(slowest)).After(then)
}

// readBack reads the tags of the snapshots that are due, from the one that was due
// last backwards, until it meets one that was released and was due lookBack ago. As
// Release goes by the time at which they are due, all that was due before that one
// was released before it. It gets the tag of that here, unread, so that an old one
// which is pinned, or was unpinned, is missed.
//
// After about so many as most, if more than as many are left, it leaps: see leap. done is
// when the one that it met was due, zero if it met none or has leapt.
func readBack(ctx context.Context, b bucket.Bucket, items []Item, hold time.Duration, now time.Time, most int) (done time.Time, err error) {
	all := waits(items, hold)
	due := lastDueFirst(items, all, now)
	isDone := func(i int) bool { return items[i].Released() != "" && !all[i].due.After(now.Add(-lookBack)) }
	for read := 0; len(due) > 0; read += readers {
		if read >= most && len(due) > most { // a few more cost less than what leap leaves unknown
			return time.Time{}, leap(ctx, b, items, due, isDone)
		}
		batch := due[:min(readers, len(due))]
		due = due[len(batch):]
		unknown := slices.DeleteFunc(slices.Clone(batch), func(i int) bool { return items[i].TagsKnown })
		if err := readTags(ctx, b, items, unknown); err != nil {
			return time.Time{}, err
		}
		for _, i := range batch {
			if isDone(i) {
				assumeReleased(items, due)
				return all[i].due, nil
			}
		}
	}
	return time.Time{}, nil
}

// assumeReleased gives the tag of their release, unread, to those whose tags are not known.
func assumeReleased(items []Item, which []int) {
	for _, i := range which {
		if !items[i].TagsKnown {
			items[i].Tags, items[i].TagsKnown, items[i].assumed = bucket.Tags{series.TagRetention: string(items[i].Class)}, true, true
		}
	}
}

// leap bisects the snapshots that are due, the last one first, for the last one that was
// released, as all that was due before it was. Those that it leaps over keep unknown tags.
func leap(ctx context.Context, b bucket.Bucket, items []Item, due []int, isDone func(i int) bool) error {
	var err error
	first := sort.Search(len(due), func(at int) bool {
		if i := due[at]; err == nil && !items[i].TagsKnown {
			err = readTags(ctx, b, items, []int{i})
		}
		return err != nil || isDone(due[at])
	})
	if err != nil {
		return err
	}
	assumeReleased(items, due[first:])
	return nil
}

// readAbove reads the tags, which readBack has assumed, of what stands on a base that
// has not been released: after an unpin it may be held as the base is.
func readAbove(ctx context.Context, b bucket.Bucket, items []Item) error {
	for {
		bases := map[snapshot.ID]bool{}
		for _, item := range items {
			bases[item.ID] = item.TagsKnown && !item.assumed && item.unreleased()
		}
		var above []int
		for i, item := range items {
			if item.assumed && bases[item.Base] {
				above = append(above, i)
			}
		}
		if len(above) == 0 {
			return nil
		}
		if err := readTags(ctx, b, items, above); err != nil {
			return err
		}
	}
}

// lastDueFirst returns which of the items are due by the listing, in the reverse of
// the order in which Release gives them their classes.
func lastDueFirst(items []Item, all []wait, now time.Time) []int {
	var due []int
	for i, item := range items {
		if !item.Implausible && !all[i].due.IsZero() && !now.Before(all[i].due) {
			due = append(due, i)
		}
	}
	slices.SortFunc(due, func(a, b int) int {
		return cmp.Or(all[b].due.Compare(all[a].due), byLength(items[b].Class, items[a].Class), cmp.Compare(b, a))
	})
	return due
}

// chainOf returns where the snapshot of items[i] and what it stands on are among the
// items, the full one first.
func chainOf(items []Item, i int) []int {
	var chain []int
	for _, s := range items[i].Chain() {
		if at, found := slices.BinarySearchFunc(items, s.ID, func(item Item, id snapshot.ID) int { return cmp.Compare(item.ID, id) }); found {
			chain = append(chain, at)
		}
	}
	return chain
}
