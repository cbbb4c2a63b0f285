package copies

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// carried are the tags that come along. The others are each place's own: a pin, a
// release, a drill, a retirement.
var carried = []string{series.TagDatabase, series.TagIdentity, series.TagCheck, series.TagDigest, series.TagConfirmed}

// tagsFor returns the tags of a snapshot at the target: held as its class, and what the
// source's tags say of the database. A manifest that was verified knows better. What
// Lifeboat does not write stays behind: the target might refuse it, and the snapshot with it.
func (r *run) tagsFor(s series.Snapshot, source bucket.Tags, m snapshot.Manifest) bucket.Tags {
	tags := bucket.Tags{series.TagRetention: series.Held(s.Class), series.TagOrigin: r.origin}
	for _, key := range carried {
		if value := source[key]; value != "" && series.IsTag(value) {
			tags[key] = value
		}
	}
	if r.confirmedIn(source).IsZero() {
		delete(tags, series.TagConfirmed)
	}
	if s.Encrypted {
		delete(tags, series.TagDigest)
	} else if m.Digest != "" {
		tags[series.TagDigest] = m.Digest
	}
	if name, err := series.EncodeTag(m.Database); err == nil && name != "" {
		tags[series.TagDatabase] = name
	}
	return tags
}

// confirmedIn returns when tags say that a snapshot was confirmed, the zero time for
// never, for what we did not write, and for a time that lies in the future by the clock of
// either place: a forgery that would stand above all later confirmations.
func (r *run) confirmedIn(tags bucket.Tags) time.Time {
	at, err := time.Parse(time.RFC3339, tags[series.TagConfirmed])
	for _, b := range []bucket.Bucket{r.from, r.to} {
		if err != nil || at.After(series.Present(b).Add(series.MaxAhead)) {
			return time.Time{}
		}
	}
	return at
}

// sourceTags returns a snapshot's tags at the source: none where they are damaged, or may
// not be read.
func (r *run) sourceTags(ctx context.Context, s series.Snapshot) (bucket.Tags, error) {
	tags, damaged, err := series.ReadTags(ctx, r.from, s.Object)
	if damaged != nil || errors.Is(err, bucket.ErrRefused) {
		if !r.toldOfTags {
			r.Log.Warn("tags of the source cannot be read: what was last confirmed is not known at the target, nor are the names of encrypted databases", "snapshot", s.ID, "cause", errors.Join(damaged, err))
		}
		r.toldOfTags = true
		return nil, nil
	}
	return tags, err
}

// admit refuses a target that is another database's.
func (r *run) admit(ctx context.Context) error {
	newest, ok := series.NewestOf(r.source)
	if !ok {
		newest = r.source[len(r.source)-1]
	}
	tags, err := r.sourceTags(ctx, newest)
	if err != nil {
		return err
	}
	var m snapshot.Manifest
	if tags[series.TagDatabase] == "" && !newest.Encrypted {
		if archive, err := openArchive(ctx, r.from, newest, nil); err == nil { // else it is refused when its turn comes
			m = archive.Manifest()
		}
	}
	if r.origin, err = r.findOrigin(ctx); err != nil {
		return err
	}
	r.newest = r.tagsFor(newest, tags, m)
	if len(r.target) == 0 {
		return upload.CheckPlace(ctx, r.to, r.Log)
	}
	if !r.Adopt && !slices.ContainsFunc(r.target, func(t series.Snapshot) bool { return indexOf(r.source, t) >= 0 }) {
		return fmt.Errorf("%w: none of the snapshots in %s, of which the newest is %s, is in %s", upload.ErrOtherDatabase,
			r.to.URL(), r.target[len(r.target)-1].ID, r.from.URL())
	}
	return r.checkAlone(ctx, r.target)
}

// indexOf returns where a listing has the same snapshot, -1 if it has not.
func indexOf(all []series.Snapshot, s series.Snapshot) int {
	return slices.IndexFunc(all, func(t series.Snapshot) bool { return t.Object.Name == s.Object.Name && t.Object.Size == s.Object.Size })
}

// checkAlone returns an error if a target has snapshots that are not the source's, and the
// newest of them was copied from another place, or is another database's than those that
// the source took before and after it. What is older than all at the source, and was copied
// from there, has outlived it.
func (r *run) checkAlone(ctx context.Context, target []series.Snapshot) error {
	for _, t := range slices.Backward(target) {
		if r.Adopt || r.knows(t) {
			continue
		}
		tags, _, err := series.ReadTags(ctx, r.to, t.Object)
		if errors.Is(err, bucket.ErrNotFound) {
			continue
		}
		outlived := len(r.target) > 0 && t.ID < r.source[0].ID
		if outlived && errors.Is(err, bucket.ErrRefused) {
			return nil
		}
		if err != nil {
			return err
		}
		if origin := tags[series.TagOrigin]; origin != "" && origin != r.origin {
			return fmt.Errorf("%w: %s has snapshot %s, which is not in %s and was copied from another place", upload.ErrOtherDatabase,
				r.to.URL(), t.ID, r.from.URL())
		}
		if outlived {
			return nil
		}
		fits, err := r.fits(ctx, t.ID, tags)
		if err == nil && !fits {
			err = fmt.Errorf("%w: %s has snapshot %s of %q, which is not in %s, whose database is %q", upload.ErrOtherDatabase,
				r.to.URL(), t.ID, series.DatabaseName(tags), r.from.URL(), series.DatabaseName(r.newest))
		}
		return err
	}
	return nil
}

// fits reports whether a snapshot with these tags can have been in the source: it is of
// the database of the newest one, or of one that was taken just before or after it. A
// database that was renamed has had another name.
func (r *run) fits(ctx context.Context, id snapshot.ID, tags bucket.Tags) (bool, error) {
	if sameDatabase(tags, r.newest) {
		return true, nil
	}
	after := slices.IndexFunc(r.source, func(s series.Snapshot) bool { return s.ID > id })
	if after < 0 {
		return false, nil
	}
	for _, s := range r.source[max(after-1, 0) : after+1] {
		has, err := r.sourceTags(ctx, s)
		if errors.Is(err, bucket.ErrNotFound) {
			continue
		}
		if err != nil {
			return false, err
		}
		if len(has) > 0 && sameDatabase(tags, has) {
			return true, nil
		}
	}
	return false, nil
}

// sameDatabase reports whether tags of two snapshots can be those of one database.
func sameDatabase(a, b bucket.Tags) bool {
	name, other := a[series.TagDatabase], b[series.TagDatabase]
	return (name == "" || other == "" || name == other) && series.Compare(a, b) != series.Foreign
}

// beside does what is to be done beside the objects. Its errors wrap ErrPartly.
func (r *run) beside(ctx context.Context) error {
	err := errors.Join(r.repair(ctx), r.confirm(ctx), r.lookAgain(ctx))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrPartly, err)
	}
	return nil
}

// repair sets the tags of the object that was uploaded last before this run, where a store
// has lost those that came with it and the run was killed before it could set them again.
func (r *run) repair(ctx context.Context) error {
	var last series.Snapshot
	for _, t := range r.target {
		if !t.Object.Modified.Before(last.Object.Modified) {
			last = t
		}
	}
	i := slices.IndexFunc(r.source, func(s series.Snapshot) bool { return s.Object.Name == last.Object.Name })
	if i < 0 {
		return nil
	}
	tags, damaged, err := series.ReadTags(ctx, r.to, last.Object)
	if err != nil || damaged != nil || tags[series.TagRetention] != "" {
		return err
	}
	has, err := r.sourceTags(ctx, r.source[i])
	if err != nil {
		return err
	}
	_, err = series.ChangeTags(ctx, r.to, last.Object, func(tags bucket.Tags) error {
		if tags[series.TagRetention] == "" {
			for key, value := range r.tagsFor(r.source[i], has, snapshot.Manifest{}) {
				tags[key] = value
			}
		}
		return nil
	})
	return err
}

// confirm brings the time of the last unchanged backup along, where the newest snapshot
// was at the target before.
func (r *run) confirm(ctx context.Context) error {
	newest, at := r.toConfirm()
	if at.IsZero() {
		return nil
	}
	pinned, changed := false, false
	_, err := series.ChangeTags(ctx, r.to, newest.Object, func(tags bucket.Tags) error {
		pinned = tags[series.TagRetention] == series.Pinned
		if r.isConfirmedBy(at, tags) {
			tags[series.TagConfirmed], changed = r.newest[series.TagConfirmed], true
		}
		return nil
	})
	switch {
	case pinned && errors.Is(err, bucket.ErrRefused):
		r.Log.Warn("the newest snapshot is pinned at the target, and these credentials may not change its tags, so that the time of the last unchanged backup is not known there", "snapshot", newest.ID, "cause", err)
		return nil
	case err != nil:
		return fmt.Errorf("confirm %s: %w", newest.ID, err)
	}
	if changed {
		r.result.Confirmed = at
	}
	return nil
}

// toConfirm returns the target's copy of the source's newest snapshot, which was there
// before, and the time of the last unchanged backup, the zero time if there is none.
func (r *run) toConfirm() (copied series.Snapshot, at time.Time) {
	newest, ok := series.NewestOf(r.source)
	i := slices.IndexFunc(r.target, func(t series.Snapshot) bool { return t.Object.Name == newest.Object.Name })
	if !ok || i < 0 {
		return copied, at
	}
	return r.target[i], r.confirmedIn(r.newest)
}

// isConfirmedBy reports whether a backup that was unchanged at a time confirms a copy with
// these tags later than it was.
func (r *run) isConfirmedBy(at time.Time, tags bucket.Tags) bool {
	retention := tags[series.TagRetention]
	return r.confirmedIn(tags).Before(at) && (retention == series.Pinned || series.IsHeld(retention))
}

// foreseeConfirm notes the time that confirm would bring along.
func (r *run) foreseeConfirm(ctx context.Context) error {
	newest, at := r.toConfirm()
	if at.IsZero() {
		return nil
	}
	tags, damaged, err := series.ReadTags(ctx, r.to, newest.Object)
	if err == nil && damaged == nil && r.isConfirmedBy(at, tags) {
		r.result.Confirmed = at
	}
	if errors.Is(err, bucket.ErrRefused) || errors.Is(err, bucket.ErrNotFound) {
		return nil // the copy itself will say so
	}
	return err
}

// lookAgain looks for snapshots of another database that came into a target which was
// empty before: the first copies of two databases do not know of each other. Of two that
// look when their first object is there, one sees the other's at least.
func (r *run) lookAgain(ctx context.Context) error {
	if len(r.target) > 0 {
		return nil
	}
	all, err := listTarget(ctx, r.to)
	if err != nil {
		return err
	}
	return r.checkAlone(ctx, all)
}
