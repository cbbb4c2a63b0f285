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

// surveyed is how many of the newest snapshots have their tags read by Survey, due
// or not.
const surveyed = 32

// Survey returns all snapshots of a series, sorted by ID, for callers that look
// often: unlike Load, it does not read the tags of each. It reads the tags of the
// newest 32, and of those that are due, as far back as Release does: to a released
// one at least a day older than the hold. Where releases are done that is about as
// many as a day has snapshots, however long the series is.
//
// Other snapshots that are not due have unknown tags, which Decide takes for held. Older
// ones get the tag with which they were released, their class, which follows from
// the times. So Survey misses that an old snapshot is pinned.
//
// hold is as in Terms. Errors are those of the bucket.
func Survey(ctx context.Context, b bucket.Bucket, hold time.Duration) ([]Item, error) {
	items, err := list(ctx, b, time.Time{})
	if err != nil {
		return nil, err
	}
	o := Options{Hold: hold}
	o.setDefaults()
	now := series.Present(b)
	known := map[snapshot.ID]Item{}
	released, err := o.readBack(ctx, b, items, now, known)
	if err != nil {
		return nil, fmt.Errorf("read the tags of the snapshots that are due: %w", err)
	}
	var unread []int
	for i := max(0, len(items)-surveyed); i < len(items); i++ {
		if _, read := known[items[i].ID]; !read {
			unread = append(unread, i)
		}
	}
	if err := readTags(ctx, b, items, unread); err != nil {
		return nil, fmt.Errorf("read the tags of the newest snapshots: %w", err)
	}
	for _, i := range unread {
		known[items[i].ID] = items[i]
	}
	for i, d := range Decide(items, Terms{Hold: o.Hold}, now)[:released] {
		if _, read := known[d.ID]; !read && d.Class != "" {
			items[i].Tags, items[i].TagsKnown = bucket.Tags{series.TagRetention: string(d.Class)}, true
		}
	}
	return slices.DeleteFunc(items, func(item Item) bool {
		found, read := known[item.ID]
		return read && !found.TagsKnown // gone meanwhile
	}), nil
}
