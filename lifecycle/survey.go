package lifecycle

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// surveyed is how many of the newest snapshots have their tags read by Survey, due
// or not.
const surveyed = 32

// Survey returns all snapshots of a series, sorted by ID, for callers that look
// often: unlike Load, it does not read the tags of each. It reads the tags of the
// newest 32, of what the newest that counts stands on, and of those that are due, as far
// back as Release does. Where releases are done that is about as many as a day has
// snapshots, however long the series is.
//
// Other snapshots that are not due have unknown tags, which Decide takes for held. What
// was due before gets the tag of its release, its class. So Survey misses that an old
// snapshot is pinned.
//
// hold is as in Terms. Errors are those of the bucket.
func Survey(ctx context.Context, b bucket.Bucket, hold time.Duration) ([]Item, error) {
	return SurveyUpTo(ctx, b, hold, allDue)
}

// SurveyUpTo is Survey with few requests also where releases are not done. Of the snapshots
// that are due it reads the tags of at most twice as many as most. If none of the last most
// was released, and there are as many before them, it looks by bisection for where released
// ones begin, and due ones between the two have unknown tags.
func SurveyUpTo(ctx context.Context, b bucket.Bucket, hold time.Duration, most int) ([]Item, error) {
	items, err := List(ctx, b, time.Time{})
	if err != nil {
		return nil, err
	}
	if err := readTags(ctx, b, items, newestAndChain(items)); err != nil {
		return nil, fmt.Errorf("read the tags of the newest snapshots: %w", err)
	}
	items = withoutGone(items)
	if _, err := readBack(ctx, b, items, Terms{Hold: hold}.hold(), series.Present(b), most); err != nil {
		return nil, fmt.Errorf("read the tags of the snapshots that are due: %w", err)
	}
	return withoutGone(items), nil
}

// newestAndChain returns which of the items are the newest ones, or what the newest that
// counts stands on.
func newestAndChain(items []Item) []int {
	first := max(0, len(items)-surveyed)
	var which []int
	for i, item := range slices.Backward(items) {
		if item.Counts() {
			which = slices.DeleteFunc(chainOf(items, i), func(part int) bool { return part >= first })
			break
		}
	}
	for i := first; i < len(items); i++ {
		which = append(which, i)
	}
	return which
}
