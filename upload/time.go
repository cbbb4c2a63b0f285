package upload

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/pause"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// last returns the ID of the series' last snapshot that is not implausible, "" if there
// is none. It may be broken: the next one must be newer than that, too, or the order of
// the two is left to chance.
func (r *run) last() snapshot.ID {
	for _, s := range slices.Backward(r.tail) {
		if !s.Implausible {
			return s.ID
		}
	}
	return ""
}

// waitToBeNewer waits until a snapshot that is taken now has a later second
// than the last one. That is a matter of a second, or of minutes where the
// machine that took the last one has a clock that is ahead.
func (r *run) waitToBeNewer(ctx context.Context) error {
	last := r.last()
	until := last.Time().Add(time.Second)
	if wait := time.Until(until); wait > 2*time.Second {
		r.Log.Info("waiting, so that the new snapshot is newer than the last: a clock is ahead", "newest", last, "wait", wait.Round(time.Second))
	}
	// The clock may be set meanwhile: look again.
	for wait := time.Until(until); wait > 0; wait = time.Until(until) {
		if err := pause.For(ctx, min(wait, time.Second)); err != nil {
			return fmt.Errorf("wait until a snapshot is newer than %s: %w", last, err)
		}
	}
	return nil
}

// newID returns the ID of a snapshot that was taken at that time, by this
// machine's clock, and follows on the last one. If it would be implausible as soon as
// it is there, it is ErrClock.
func newID(b bucket.Bucket, taken time.Time, last snapshot.ID) (snapshot.ID, error) {
	// The clock may have been set back a little since waitToBeNewer.
	if next := last.Time().Add(time.Second); taken.Before(next) {
		taken = next
	}
	now := series.Present(b)
	if ahead := taken.Sub(now); ahead > series.MaxAhead {
		return "", fmt.Errorf("%w: it was set back during the backup, by %s: a snapshot of %s would never count",
			ErrClock, ahead.Round(time.Second), taken.UTC().Format(time.RFC3339))
	}
	return snapshot.NewID(taken), nil
}
