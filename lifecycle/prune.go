package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// Prune decides about all snapshots of a series and, if confirmed, deletes
// those whose time is over, oldest first: for stores that have no tags, and
// so no rules that know them. It goes by the same plan, hold and shrink guard
// as Release and the rules. It returns all decisions; those of the snapshots
// that it has deleted, or would, have the action ActExpire. After an error it
// returns those that are done too. While a snapshot lies in the future nothing
// expires, and the error is ErrFuture: one of the clocks is wrong.
//
// With upload.ErrTagsDamaged all is done but for the snapshots whose tags are
// damaged: they stay.
//
// If confirmed, it also clears away what killed backups have left: see
// upload.Sweep. That this fails is a warning in log.
//
// t.Policy must be valid under t.Hold. It needs the rights to list, to read
// tags and, if confirmed, to delete; errors of the bucket are package upload's.
func Prune(ctx context.Context, b bucket.Bucket, t Terms, confirm bool, log *slog.Logger) (decisions []Decision, deleted int, err error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if err := t.Policy.Validate(t.hold()); err != nil {
		return nil, 0, err
	}
	items, err := Load(ctx, b, time.Time{})
	if err != nil {
		return nil, 0, fmt.Errorf("look for snapshots to prune: %w", err)
	}
	decisions = Plan(items, t.at(b))
	if err := stopAtFuture(decisions); err != nil {
		return decisions, 0, err
	}
	if !confirm {
		return decisions, 0, Damaged(items)
	}
	for i := range decisions {
		d := &decisions[i]
		if d.Action != ActExpire {
			continue
		}
		if err := prune(ctx, b, d); err != nil {
			return decisions, deleted, fmt.Errorf("prune %s: %w", d.ID, err)
		}
		if d.Action == ActExpire {
			log.Info("deleted", "snapshot", d.ID, "reason", d.Reason)
			deleted++
		}
	}
	if err := upload.Sweep(ctx, b, t.at(b).Now); err != nil {
		log.Warn("what killed backups have left in the bucket was not cleared away", "err", err)
	}
	return decisions, deleted, Damaged(items)
}

// stopAtFuture keeps all snapshots while one of them lies in the future.
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

// prune deletes one snapshot, unless another command has given it another tag
// since the plan was made, or has deleted it.
func prune(ctx context.Context, b bucket.Bucket, d *Decision) error {
	err := series.DeleteIf(ctx, b, d.Object, func(tags bucket.Tags) error {
		if tags[series.TagRetention] != d.Tags[series.TagRetention] {
			return errMoved
		}
		return nil
	})
	switch {
	case errors.Is(err, errMoved), errors.Is(err, bucket.ErrTagsDamaged):
		d.Action, d.Reason = ActKeep, errMoved.Error()
		return nil
	case errors.Is(err, bucket.ErrNotFound):
		d.Action, d.Reason = ActKeep, "another command has deleted it"
		return nil
	}
	return err
}
