package upload

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/cache"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// confirmedLately reports whether the database still is what this machine uploaded or
// confirmed less than ConfirmEvery ago. Then the bucket is asked nothing. The database is
// read and hashed all the same.
func (r *run) confirmedLately(ctx context.Context) (bool, error) {
	if r.ConfirmEvery <= 0 || r.preview != nil {
		return false, nil
	}
	now := time.Now()
	state, err := r.cache.State()
	if err != nil {
		r.Log.Debug("when the newest snapshot was confirmed is not known", "reason", err)
		return false, nil
	}
	if age := now.Sub(state.Confirmed); age < 0 || age >= r.ConfirmEvery {
		return false, nil
	}
	newest, ok := series.NewestOf(series.Of(state.Chain, now))
	if !ok || newest.Object != state.Chain[len(state.Chain)-1] {
		return false, nil
	}
	r.newest, r.lostBase = newest, false
	if r.hasLostBase() {
		return false, nil
	}
	var same bool
	err = r.Around(ctx, func(ctx context.Context) (err error) {
		same, _, err = r.hashesTo(ctx, r.checked(now))
		return err
	})
	if err != nil || !same {
		r.newest = series.Snapshot{}
		return false, err
	}
	r.result.Snapshot, r.result.Unchanged, r.result.Confirmed = newest, true, state.Confirmed
	return true, nil
}

// readOrConfirm reads the database as planned, or confirms the newest snapshot where that
// has its content, and reports that it has.
func (r *run) readOrConfirm(ctx context.Context, p *plan) (c *content, confirmed bool, err error) {
	var same bool
	var taken snapshot.Taken
	err = r.Around(ctx, func(ctx context.Context) (err error) {
		if same, taken, err = r.isCurrent(ctx, *p); err == nil && !same {
			c, err = r.readAs(ctx, p)
		}
		return err
	})
	if err != nil || !same {
		return c, false, r.closed(c, err)
	}
	began := time.Now()
	confirmed, err = r.confirm(ctx, taken.TakenAt)
	r.step("confirm the newest", began, "snapshot", r.newest.ID)
	if confirmed || err != nil {
		return nil, confirmed, err
	}
	err = r.Around(ctx, func(ctx context.Context) (err error) {
		c, err = r.readAs(ctx, p)
		return err
	})
	return c, false, r.closed(c, err)
}

// closed closes what was read if there is an error, which it returns.
func (r *run) closed(c *content, err error) error {
	if err != nil && c != nil {
		return errors.Join(err, c.close())
	}
	return err
}

// isCurrent reports whether the database has the content of the newest snapshot. That is
// found out without a copy, which p would make. It reports false where a copy is needed
// to know, and where it is not the same. A database that may be read only so fast is not
// read twice, as one that has changed would be.
func (r *run) isCurrent(ctx context.Context, p plan) (bool, snapshot.Taken, error) {
	if !p.full() || r.preview != nil || r.changed || r.Copy.MaxRate > 0 {
		return false, snapshot.Taken{}, nil
	}
	return r.hashesTo(ctx, r.checked(time.Now()))
}

// hashesTo reads the database and reports whether its content has that digest, "" for
// one that is not known. It notes what was read in the result.
func (r *run) hashesTo(ctx context.Context, known string) (bool, snapshot.Taken, error) {
	if known == "" || r.Copy.Method == snapshot.MethodVacuum {
		return false, snapshot.Taken{}, nil
	}
	began := time.Now()
	o := r.Copy
	o.Progress = r.stage(StageRead)
	taken, digest, err := r.Hash(ctx, r.path, o)
	var unfit *snapshot.BaseError
	if errors.As(err, &unfit) {
		return false, taken, nil // a copy can be made of it
	}
	if err != nil {
		return false, taken, err
	}
	r.took(StageRead, began)
	r.changed = digest != known
	r.result.Digest, r.result.Size, r.result.PageCount, r.result.Restarts = digest, taken.Header.Size(), taken.Header.PageCount, taken.Restarts
	return !r.changed, taken, nil
}

// keepState notes in the cache what the newest snapshot is, and that it was confirmed
// then. What fails costs the next runs requests.
func (r *run) keepState(ctx context.Context, newest series.Snapshot, confirmed time.Time) {
	if r.cache == nil {
		return
	}
	state, err := r.cache.State()
	if err != nil && !errors.Is(err, cache.ErrUnknown) {
		r.Log.Debug("the state in the cache is made anew", "reason", err)
		state = cache.State{}
	}
	state.Chain, state.Confirmed = nil, confirmed.UTC()
	for _, s := range newest.Chain() {
		state.Chain = append(state.Chain, s.Object)
	}
	state.Released = slices.DeleteFunc(state.Released, func(name string) bool {
		return !slices.ContainsFunc(r.tail, func(s series.Snapshot) bool { return s.Object.Name == name })
	})
	r.result.Released = state.Released
	if err := r.cache.PutState(ctx, state); err != nil {
		r.Log.Debug("the cache does not keep when the newest snapshot was confirmed", "reason", err)
	}
}

// listingLasts is for how long what was listed tells what is there.
const listingLasts = time.Minute

// noteListed puts the listing into the result.
func (r *run) noteListed() {
	if !r.whole || r.result.Snapshot.ID == "" || time.Since(r.listedAt) > listingLasts {
		return
	}
	var objects []bucket.Object
	for _, s := range r.tail {
		objects = append(objects, s.Object)
	}
	if !r.result.Unchanged {
		objects = append(objects, r.result.Snapshot.Object)
	}
	r.result.Listed = series.Of(objects, series.Present(r.bucket))
}
