package upload

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// errOutdated: the newest snapshot no longer confirms anything.
var errOutdated = errors.New("the newest snapshot has other tags by now")

// confirm notes that the newest snapshot still is what the database holds. Reading
// took its time: if another command has released, pinned or deleted the snapshot
// meanwhile, it reports false, and what that did stays.
func (r *run) confirm(ctx context.Context, now time.Time) (bool, error) {
	_, err := series.ChangeTags(ctx, r.bucket, r.newest.Object, func(tags bucket.Tags) error {
		if !r.confirms(tags, now) {
			return errOutdated
		}
		series.Stamp(tags, series.TagConfirmed, now)
		tags[series.TagDatabase] = r.name
		return nil
	})
	if errors.Is(err, errOutdated) || errors.Is(err, bucket.ErrNotFound) || errors.Is(err, bucket.ErrTagsDamaged) {
		return false, nil
	}
	r.result.Snapshot, r.result.Unchanged = r.newest, true
	if err != nil {
		return false, fmt.Errorf("%w: confirm %s: %w", ErrIncomplete, r.newest.ID, err)
	}
	r.keepState(ctx, r.newest, now)
	return true, nil
}

// confirms reports whether the newest snapshot, with those tags, makes another upload of
// the content that was read needless.
func (r *run) confirms(tags bucket.Tags, now time.Time) bool {
	known := r.confirmable(tags, now)
	return series.IsHeld(tags[series.TagRetention]) && known != "" && known == r.result.Digest
}

// checked returns the digest of content that is in the bucket and has passed its check,
// or "". Tags that were not read count as those of a held snapshot.
func (r *run) checked(now time.Time) string {
	if r.read && !series.IsHeld(r.tags[series.TagRetention]) {
		return ""
	}
	return r.confirmable(r.tags, now)
}

// confirmable returns the digest of the newest snapshot's content if it can be
// confirmed while it is held, and else "". It must be known and checked as is asked for
// now; and a new snapshot would be kept for no more than hours, or no longer than it is: what
// was current when a longer period began is kept as such. One that is retired confirms
// nothing: only a newer snapshot ends that.
func (r *run) confirmable(tags bucket.Tags, now time.Time) string {
	if r.Always || tags[series.TagRetired] != "" {
		return ""
	}
	newest := r.newestContent(tags)
	if newest.check != r.Check && newest.check != snapshot.CheckFull && r.Check != snapshot.CheckNone {
		return ""
	}
	if class := series.ClassAt(r.newest.ID.Time(), now); class.Longer(series.Hourly) && class.Longer(r.newest.Class) {
		return ""
	}
	return newest.digest
}
