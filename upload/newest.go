package upload

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// compare finds the newest snapshot and refuses a series that is another
// database's, or that this run would harm.
func (r *run) compare(ctx context.Context) error {
	if err := r.findNewest(ctx); err != nil {
		return err
	}
	if r.newest.Encrypted && !r.sealer.Encrypts() && !r.Plaintext {
		return fmt.Errorf("%w: the newest snapshot in %s is %s", ErrPlaintext, r.bucket.URL(), r.newest.ID)
	}
	if err := checkClock(r.bucket); err != nil {
		return err
	}
	if len(r.tail) == 0 {
		if err := CheckPlace(ctx, r.bucket, r.Log); err != nil {
			return err
		}
	}
	if _, err := r.cache.Lookup(r.newest.Object); err == nil && r.preview == nil {
		return nil // its content is known, and confirm reads the tags before it writes them
	}
	return r.readTags(ctx)
}

// readTags reads the newest snapshot's tags, and refuses a series that is another
// database's. Damaged tags are none.
func (r *run) readTags(ctx context.Context) (err error) {
	if r.read {
		return nil
	}
	r.tags, err = r.bucket.Tags(ctx, r.newest.Object)
	if errors.Is(err, bucket.ErrTagsDamaged) {
		r.damaged, err = fmt.Errorf("%w: tags of %s: %w", ErrIncomplete, r.newest.ID, err), nil
	}
	if err != nil {
		return err
	}
	r.read = true
	if old, ok := r.tags[series.TagDatabase]; ok && old != r.name && !r.Adopt {
		return fmt.Errorf("%w: the newest snapshot in %s is of %q, this one would be of %q", ErrOtherDatabase, r.bucket.URL(), series.DatabaseName(r.tags), r.Name)
	}
	return nil
}

// findNewest leaves the zero values for a series without snapshots.
func (r *run) findNewest(ctx context.Context) (err error) {
	r.newest, r.tags, r.lostBase, r.read = series.Snapshot{}, nil, false, true // of an earlier attempt
	r.listedAt = time.Now()
	if r.tail, r.whole, err = series.Tail(ctx, r.bucket); errors.Is(err, bucket.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	r.warnOfLast()
	newest, ok := series.NewestOf(r.tail)
	if !ok {
		return nil
	}
	r.newest, r.read = newest, false
	r.lostBase = r.hasLostBase()
	return nil
}

// warnOfLast warns of a last snapshot that does not count.
func (r *run) warnOfLast() {
	if len(r.tail) == 0 {
		return
	}
	switch last := r.tail[len(r.tail)-1]; {
	case last.Implausible:
		r.Log.Warn("a snapshot's time is implausible, so it never counts as the newest: a clock is or was wrong; run: lifeboat status "+r.bucket.URL().String(),
			"snapshot", last.ID, "uploaded", last.Object.Modified.UTC().Format(time.RFC3339), "reason", last.Why())
	case last.Broken:
		r.Log.Warn("the last snapshot is broken, so that it never counts as the newest; run: lifeboat status "+r.bucket.URL().String(),
			"snapshot", last.ID, "reason", last.Why())
	}
}

// checkClock compares this machine's clock with the store's, whose answers
// have been seen by now. A snapshot's ID comes from the former, and whatever
// decides which one is the newest comes from IDs.
func checkClock(b bucket.Bucket) error {
	if offset, _ := b.ClockOffset(); offset.Abs() > series.MaxAhead {
		direction := "behind"
		if offset < 0 {
			direction = "ahead of"
		}
		return fmt.Errorf("%w: it is %s %s the store's", ErrClock, offset.Abs().Round(time.Second), direction)
	}
	return nil
}
