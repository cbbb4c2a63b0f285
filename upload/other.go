package upload

import (
	"context"
	"errors"
	"fmt"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// checkIdentity refuses a database that is another than the newest snapshot's
// although it has its name, and warns where it may be.
func (o *BackupOptions) checkIdentity(b bucket.Bucket, newest series.Snapshot, tags, own bucket.Tags) error {
	if o.Adopt || newest.ID == "" {
		return nil
	}
	switch series.Compare(tags, own) {
	case series.Foreign:
		return fmt.Errorf("%w: it has the name of the one in the newest snapshot in %s, %s, but no table and no page in common with it, or another application_id",
			ErrOtherDatabase, b.URL(), newest.ID)
	case series.Rewritten:
		o.Log.Warn("this database has hardly a page in common with the newest snapshot: another one of the same name must have a prefix of its own; after VACUUM or a restore all is well",
			"snapshot", newest.ID, "url", b.URL().String())
	}
	return nil
}

// checkAlone looks for snapshots of another database that came into the series
// since the first listing, where that had nothing to compare with: the first
// backups of two databases into one prefix do not know of each other before.
func (o *BackupOptions) checkAlone(ctx context.Context, b bucket.Bucket, newest series.Snapshot, tags, own bucket.Tags, id snapshot.ID) error {
	if tags[series.TagDatabase] != "" && !o.Adopt {
		return nil
	}
	all, err := series.Snapshots(ctx, b, newest.ID.Time())
	if err != nil {
		return fmt.Errorf("%w: look for snapshots of other databases: %w", ErrIncomplete, err)
	}
	for _, s := range all {
		if s.ID <= newest.ID || s.ID == id {
			continue
		}
		tags, err := b.Tags(ctx, s.Object)
		if errors.Is(err, bucket.ErrNotFound) || errors.Is(err, bucket.ErrTagsDamaged) {
			continue
		}
		if err != nil {
			return fmt.Errorf("%w: look at snapshot %s, which came meanwhile: %w", ErrIncomplete, s.ID, err)
		}
		if name := tags[series.TagDatabase]; name != "" && name != own[series.TagDatabase] || series.Compare(tags, own) > series.Alike {
			return fmt.Errorf("%w: %w: snapshot %s of %q came into %s meanwhile", ErrIncomplete, ErrOtherDatabase, s.ID, series.DatabaseName(tags), b.URL())
		}
	}
	return nil
}
