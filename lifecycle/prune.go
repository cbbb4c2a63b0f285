package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// Prune deletes the snapshots of a series whose time is over, what stands on a base
// before the base: for stores that have no tags, and so no rules that know them. It
// decides as Release and the rules do, under the same hold and shrink guard. It
// returns all decisions, and how many snapshots it has deleted: those with the action
// ActExpire. After an error it returns those that are done too.
//
// While a snapshot lies in the future nothing is deleted, and the error is
// ErrFuture: one of the clocks is wrong. With bucket.ErrTagsDamaged everything is
// done but for the snapshots whose tags are damaged, which stay, as does what they
// stand on.
//
// It also clears away what killed backups have left: see bucket.Sweeper. If that
// fails it logs a warning.
//
// o.Policy must be valid under o.Hold. Prune needs the rights to list, to read
// tags and to delete; its errors are those of package bucket.
func Prune(ctx context.Context, b bucket.Bucket, o Options) (decisions []Decision, deleted int, err error) {
	decisions, err = WouldPrune(ctx, b, o.Terms)
	damaged := err
	if err != nil && !errors.Is(err, bucket.ErrTagsDamaged) {
		return decisions, 0, err
	}
	left := map[snapshot.ID]snapshot.ID{} // what still stands on a base
	for _, d := range inOrder(decisions, ActExpire) {
		if on, found := left[d.ID]; found {
			d.keep(fmt.Sprintf("stays because %s, which stands on it, does", on))
		} else if err := prune(ctx, b, d); err != nil {
			return decisions, deleted, fmt.Errorf("prune %s: %w", d.ID, err)
		}
		if d.Action != ActExpire {
			left[d.Base] = d.ID
			continue
		}
		o.log().Info("deleted", "snapshot", d.ID, "reason", d.Reason)
		deleted++
	}
	if sweeper, ok := bucket.As[bucket.Sweeper](b); ok {
		if err := sweeper.Sweep(ctx, series.Present(b)); err != nil {
			o.log().Warn("could not clear away what killed backups have left in the bucket", "err", err)
		}
	}
	return decisions, deleted, damaged
}

// WouldPrune returns the decisions by which Prune would delete, and deletes
// nothing. Its errors are those of Prune; it does not need the right to delete.
func WouldPrune(ctx context.Context, b bucket.Bucket, t Terms) ([]Decision, error) {
	if err := t.Validate(); err != nil {
		return nil, err
	}
	items, err := Load(ctx, b, time.Time{})
	if err != nil {
		return nil, fmt.Errorf("look for snapshots to prune: %w", err)
	}
	decisions := Decide(items, t, series.Present(b))
	if err := stopAtFuture(decisions); err != nil {
		return decisions, err
	}
	return decisions, Damaged(items)
}

// stopAtFuture keeps all snapshots while one of them is from the future.
func stopAtFuture(decisions []Decision) error {
	i := slices.IndexFunc(decisions, func(d Decision) bool { return d.Future })
	if i < 0 {
		return nil
	}
	id := decisions[i].ID
	for i := range decisions {
		if d := &decisions[i]; d.Action == ActExpire {
			d.Action, d.Reason = ActKeep, fmt.Sprintf("%s; stays because %s lies in the future", d.Reason, id)
		}
	}
	return fmt.Errorf("prune: %w: %s", ErrFuture, id)
}

// prune deletes one snapshot, unless another command has changed its tag or deleted
// it since the decision.
func prune(ctx context.Context, b bucket.Bucket, d *Decision) error {
	err := series.DeleteIf(ctx, b, d.Object, func(tags bucket.Tags) error {
		if tags[series.TagRetention] != d.Tags[series.TagRetention] {
			return errMoved
		}
		return nil
	})
	switch {
	case errors.Is(err, errMoved):
		d.Action, d.Reason = ActKeep, errMoved.Error()
		return nil
	case errors.Is(err, bucket.ErrTagsDamaged):
		d.Action, d.Reason = ActKeep, "its tags have been damaged meanwhile"
		return nil
	case errors.Is(err, bucket.ErrNotFound):
		d.Action, d.Reason = ActKeep, "another command has deleted it"
		return nil
	}
	return err
}
