package lifecycle

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// soon is how long before its end a snapshot may be lost although it is pinned:
// stores schedule what rules expire ahead of time.
const soon = 48 * time.Hour

// Pin keeps a snapshot until Unpin: no rule and no Prune takes it. Pin returns when
// the tag has lasted for t.Settle; if another command undoes it before, Pin sets it
// again. It logs a warning if the snapshot was due within 48 hours. The decision is
// the one about the snapshot before, under t. A snapshot that is not there, or goes
// meanwhile, is bucket.ErrNotFound; other errors are those of the bucket.
func Pin(ctx context.Context, b bucket.Bucket, id snapshot.ID, t Terms, log *slog.Logger) (Decision, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	d, err := find(ctx, b, id, t, func(bucket.Tags) {})
	if err != nil {
		return d, err
	}
	err = series.SettleTags(ctx, b, d.Object, t.Settle, func(tags bucket.Tags) error {
		tags[series.TagRetention] = series.Pinned
		return nil
	})
	if err != nil {
		return d, fmt.Errorf("pin %s: %w", id, err)
	}
	if !d.Expires.IsZero() && d.Expires.Before(series.Present(b).Add(soon)) {
		log.Warn("pinned, but the snapshot was due within 48 hours and the store may already be deleting it: check it tomorrow, or copy it",
			"snapshot", id, "due", d.Expires)
	}
	return d, nil
}

// Unpin ends Pin: the snapshot gets the class that it would have by now, or is held
// if it is the newest or not yet due. The decision has which. A snapshot that is
// not pinned is ErrNotPinned; other errors are those of Pin.
func Unpin(ctx context.Context, b bucket.Bucket, id snapshot.ID, t Terms, log *slog.Logger) (Decision, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	was := ""
	d, err := find(ctx, b, id, t, func(tags bucket.Tags) {
		was = tags[series.TagRetention]
		tags[series.TagRetention] = series.Held
	})
	if err != nil {
		return d, err
	}
	if was != series.Pinned {
		return d, fmt.Errorf("unpin %s: %w but %q", id, ErrNotPinned, was)
	}
	to := series.Held
	if d.Action != ActKeep {
		to = string(d.Class)
	}
	unpinned := false
	err = series.SettleTags(ctx, b, d.Object, t.Settle, func(tags bucket.Tags) error {
		switch now := tags[series.TagRetention]; {
		case now == series.Pinned:
			tags[series.TagRetention], unpinned = to, true
		case !unpinned:
			return fmt.Errorf("%w but %q", ErrNotPinned, now)
		}
		return nil
	})
	if err != nil {
		return d, fmt.Errorf("unpin %s: %w", id, err)
	}
	if d.Guarded {
		log.Warn("unpinned, but kept by the shrink guard: if the small newest snapshot is right, lifecycle release --all --ignore-shrink releases this one (where no rules do it, prune --ignore-shrink deletes it)", "snapshot", id, "reason", d.Reason)
	}
	return d, nil
}

// find returns the decision about one snapshot, made after edit has changed the
// tags that were read.
func find(ctx context.Context, b bucket.Bucket, id snapshot.ID, t Terms, edit func(bucket.Tags)) (Decision, error) {
	items, err := list(ctx, b, id.Time())
	if err != nil {
		return Decision{}, err
	}
	for i, item := range items {
		if item.ID != id {
			continue
		}
		if err := items[i].readTags(ctx, b); err != nil {
			return Decision{}, err
		}
		items[i].Tags = maps.Clone(items[i].Tags)
		edit(items[i].Tags)
		return Decide(items, t, series.Present(b))[i], nil
	}
	return Decision{}, fmt.Errorf("%s: snapshot %s: %w", b.URL(), id, bucket.ErrNotFound)
}
