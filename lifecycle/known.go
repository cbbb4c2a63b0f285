package lifecycle

import (
	"context"
	"slices"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// afterBackup returns the look of a Release right after a backup: at what that has
// listed, if it is the whole series. Tags that are known are not read again: the newest
// snapshot was held a moment ago, and what this machine's cache knows to be released
// stays so until pin and unpin.
func afterBackup(done upload.BackupResult) look {
	if done.Listed == nil {
		return candidates
	}
	return func(ctx context.Context, b bucket.Bucket, hold time.Duration) ([]Item, time.Time, error) {
		items := make([]Item, len(done.Listed))
		for i, s := range done.Listed {
			items[i].Snapshot = s
			switch {
			case s.ID == done.Snapshot.ID:
				items[i].Tags, items[i].TagsKnown = bucket.Tags{series.TagRetention: series.Held(s.Class)}, true
			case slices.Contains(done.Released, s.Object.Name):
				items[i].Tags, items[i].TagsKnown, items[i].assumed = bucket.Tags{series.TagRetention: string(s.Class)}, true, true
			}
		}
		now := series.Present(b)
		_, err := readBack(ctx, b, items, hold, now, allDue)
		if err == nil {
			err = readAbove(ctx, b, items)
		}
		return withoutGone(items), now, err
	}
}

// releasedAmong returns the names of those items that are released, as far as that is
// known.
func releasedAmong(items []Item, r Result) (names []string) {
	for _, item := range items {
		now := slices.ContainsFunc(r.Released, func(d Decision) bool { return d.ID == item.ID })
		if now || item.TagsKnown && item.Damaged == nil && item.Released() == item.Class {
			names = append(names, item.Object.Name)
		}
	}
	return names
}
