package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// readers is how many tags are read at once.
const readers = 8

// Load returns the snapshots of a series that were taken at after or later
// (the zero time: all), sorted by ID, with their tags. A snapshot that goes
// meanwhile is left out. Errors are those of the bucket.
func Load(ctx context.Context, b bucket.Bucket, after time.Time) ([]Item, error) {
	items, err := List(ctx, b, after)
	if err != nil {
		return nil, err
	}
	return ReadTags(ctx, b, items)
}

// ReadTags returns the snapshots, as List returns them, with their tags, as Load does.
func ReadTags(ctx context.Context, b bucket.Bucket, items []Item) ([]Item, error) {
	items, which := slices.Clone(items), make([]int, len(items))
	for i := range items {
		which[i] = i
	}
	if err := readTags(ctx, b, items, which); err != nil {
		return nil, err
	}
	return withoutGone(items), nil
}

// List returns what Load does without the tags, for callers whose credentials may
// not read those.
func List(ctx context.Context, b bucket.Bucket, after time.Time) ([]Item, error) {
	snapshots, err := series.Snapshots(ctx, b, after)
	if err != nil {
		return nil, err
	}
	items := make([]Item, len(snapshots))
	for i, s := range snapshots {
		items[i].Snapshot = s
	}
	return items, nil
}

// readTags reads the tags of some of the items. One that is no longer there is gone.
func readTags(ctx context.Context, b bucket.Bucket, items []Item, which []int) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(readers)
	for _, i := range which {
		group.Go(func() error {
			err := items[i].readTags(ctx, b)
			if items[i].gone = errors.Is(err, bucket.ErrNotFound); items[i].gone {
				return nil
			}
			return err
		})
	}
	return group.Wait()
}

// withoutGone returns the items that are still there, as far as they were read.
func withoutGone(items []Item) []Item {
	return slices.DeleteFunc(items, func(item Item) bool { return item.gone })
}

// readTags reads the item's tags: an empty set if it has none, or damaged ones.
func (i *Item) readTags(ctx context.Context, b bucket.Bucket) error {
	tags, damaged, err := series.ReadTags(ctx, b, i.Object)
	i.Damaged, i.assumed = damaged, false
	if err == nil && tags == nil {
		tags = bucket.Tags{}
	}
	i.Tags, i.TagsKnown = tags, err == nil
	return err
}

// Damaged returns an error that names the newest of the items with damaged
// tags, as far as they have been read, and nil if there is none.
func Damaged(items []Item) error {
	damaged := slices.DeleteFunc(slices.Clone(items), func(i Item) bool { return i.Damaged == nil })
	switch last := len(damaged) - 1; {
	case last < 0:
		return nil
	case last == 0:
		return fmt.Errorf("snapshot %s: %w", damaged[0].ID, damaged[0].Damaged)
	default:
		return fmt.Errorf("snapshot %s, and %d others: %w", damaged[last].ID, last, damaged[last].Damaged)
	}
}
