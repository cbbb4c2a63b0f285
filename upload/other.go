package upload

import (
	"context"
	"errors"
	"fmt"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// checkIdentity refuses a database that is another than the newest snapshot's
// although it has its name, and warns where it may be.
func (r *run) checkIdentity(own bucket.Tags) error {
	if r.Adopt || r.newest.ID == "" {
		return nil
	}
	switch series.Compare(r.tags, own) {
	case series.Foreign:
		return fmt.Errorf("%w: it has the name of the one in the newest snapshot in %s, %s, but no table and no page in common with it, or another application_id",
			ErrOtherDatabase, r.bucket.URL(), r.newest.ID)
	case series.Rewritten:
		r.Log.Warn("this database has hardly a page in common with the newest snapshot: another one of the same name must have a prefix of its own; after VACUUM or a restore all is well",
			"snapshot", r.newest.ID, "url", r.bucket.URL().String())
	}
	return nil
}

// checkAlone looks for snapshots of another database that came into the series
// since the first listing, where that had nothing to compare with: the first
// backups of two databases into one prefix do not know of each other before.
func (r *run) checkAlone(ctx context.Context, own bucket.Tags) error {
	if r.tags[series.TagDatabase] != "" && !r.Adopt {
		return nil
	}
	all, err := series.Snapshots(ctx, r.bucket, r.newest.ID.Time())
	if err != nil {
		return fmt.Errorf("%w: look for snapshots of other databases: %w", ErrIncomplete, err)
	}
	for _, s := range all {
		if s.ID <= r.newest.ID || s.ID == r.result.Snapshot.ID {
			continue
		}
		tags, err := r.bucket.Tags(ctx, s.Object)
		if errors.Is(err, bucket.ErrNotFound) || errors.Is(err, bucket.ErrTagsDamaged) {
			continue
		}
		if err != nil {
			return fmt.Errorf("%w: look at snapshot %s, which came meanwhile: %w", ErrIncomplete, s.ID, err)
		}
		if name := tags[series.TagDatabase]; name != "" && name != own[series.TagDatabase] || series.Compare(tags, own) > series.Alike {
			return fmt.Errorf("%w: %w: snapshot %s of %q came into %s meanwhile", ErrIncomplete, ErrOtherDatabase, s.ID, series.DatabaseName(tags), r.bucket.URL())
		}
	}
	return nil
}
