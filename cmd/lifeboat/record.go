package main

import (
	"context"
	"fmt"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// record sets the tag lifeboat-verified to now, the time of a drill of the snapshot
// that succeeded, and keeps the other tags. An error wraps errNotRecorded alone: the
// drill itself is as good without the tag.
func record(ctx context.Context, b bucket.Bucket, s series.Snapshot, now time.Time) error {
	_, err := series.ChangeTags(ctx, b, s.Object, func(tags bucket.Tags) error {
		series.Stamp(tags, series.TagVerified, now)
		return nil
	})
	if err != nil {
		return fmt.Errorf("%w: snapshot %s: %v", errNotRecorded, s.ID, err)
	}
	return nil
}
