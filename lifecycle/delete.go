package lifecycle

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// Delete deletes one snapshot under the guards of Prune. It must not be the newest that
// counts, nor pinned, nor have anything standing on it; it must have been superseded for
// o.Hold, and the newest must weigh at least half of it, unless o.IgnoreShrink. While
// another one lies in the future the error is ErrFuture. One that is implausible itself
// need not be superseded for long, since nothing counts on its time: it is enough that a
// snapshot which counts was uploaded after it.
//
// Errors wrap ErrNewest, ErrPinned, ErrBase, ErrTooSoon or ErrShrunk where that is the
// reason; a snapshot that is not there is bucket.ErrNotFound, one whose tags are damaged
// bucket.ErrTagsDamaged, one that another command has changed meanwhile
// bucket.ErrChanged. It needs the rights to list, to read tags and to delete.
func Delete(ctx context.Context, b bucket.Bucket, id snapshot.ID, o Options) (Item, error) {
	item, err := WouldDelete(ctx, b, id, o.Terms)
	if err != nil {
		return item, err
	}
	err = series.DeleteIf(ctx, b, item.Object, func(tags bucket.Tags) error {
		if tags[series.TagRetention] != item.Tags[series.TagRetention] {
			return fmt.Errorf("%w: %w", bucket.ErrChanged, errMoved)
		}
		return nil
	})
	if err != nil {
		return item, fmt.Errorf("delete %s: %w", id, err)
	}
	o.log().Info("deleted", "snapshot", id)
	return item, nil
}

// WouldDelete returns the snapshot that Delete would delete, and deletes nothing. Its
// errors are those of Delete; it does not need the right to delete.
func WouldDelete(ctx context.Context, b bucket.Bucket, id snapshot.ID, t Terms) (Item, error) {
	items, err := List(ctx, b, time.Time{})
	if err != nil {
		return Item{}, err
	}
	at := slices.IndexFunc(items, func(i Item) bool { return i.ID == id })
	if at < 0 {
		return Item{}, fmt.Errorf("%s: snapshot %s: %w", b.URL(), id, bucket.ErrNotFound)
	}
	if err := items[at].readTags(ctx, b); err != nil {
		return items[at], err
	}
	if err := mayDelete(items, at, t, series.Present(b)); err != nil {
		return items[at], fmt.Errorf("delete %s: %w", id, err)
	}
	return items[at], nil
}

// mayDelete returns why one of a series' snapshots must stay at now, or nil.
func mayDelete(items []Item, at int, t Terms, now time.Time) error {
	item := items[at]
	newest := -1
	for i := range items {
		if items[i].Counts() {
			newest = i
		}
	}
	on := slices.IndexFunc(items, func(i Item) bool { return i.Base == item.ID })
	future := slices.IndexFunc(items, func(i Item) bool { return i.Future && i.ID != item.ID })
	switch {
	case item.Damaged != nil:
		return item.Damaged
	case item.Tags[series.TagRetention] == series.Pinned:
		return ErrPinned
	case on >= 0:
		return fmt.Errorf("%w: %s", ErrBase, items[on].ID)
	case newest < 0 || newest == at:
		return ErrNewest
	case future >= 0:
		return fmt.Errorf("%w: %s", ErrFuture, items[future].ID)
	case item.Implausible:
		return overtaken(items, item.Object.Modified, now)
	}
	due := waits(items, t.hold())[at].due
	switch {
	case due.IsZero() || now.Before(due):
		return fmt.Errorf("%w: less than %s", ErrTooSoon, words(t.hold()))
	case !t.IgnoreShrink && 2*items[newest].Weight() < item.Weight():
		return fmt.Errorf("%w: the newest, %s, weighs %d bytes and this one %d", ErrShrunk, items[newest].ID, items[newest].Weight(), item.Weight())
	}
	return nil
}

// overtaken returns an error unless one of the items that counts was uploaded after that
// time. A time in the future proves nothing: then one that counts is enough.
func overtaken(items []Item, uploaded, now time.Time) error {
	wrong := uploaded.After(now.Add(series.MaxAhead))
	if slices.ContainsFunc(items, func(i Item) bool { return i.Counts() && (wrong || i.Object.Modified.After(uploaded)) }) {
		return nil
	}
	return fmt.Errorf("%w: none that counts was uploaded after it, so back up first", ErrTooSoon)
}
