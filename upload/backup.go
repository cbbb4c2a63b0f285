package upload

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// Backup takes a snapshot of the live database at path and stores it in b,
// tagged as held. If the newest snapshot has the same content already, its
// lifeboat-confirmed tag is set instead.
//
// Until the copy has passed its check nothing is visible in the bucket. An
// error that wraps ErrIncomplete comes with a valid result. Other errors wrap
// one of this package or of package snapshot where that is the reason; then no
// new snapshot can be counted on.
func Backup(ctx context.Context, b bucket.Bucket, path string, o BackupOptions) (BackupResult, error) {
	o.setDefaults(path)
	r, err := (&run{BackupOptions: o, bucket: b, path: path}).backUp(ctx)
	if errors.Is(err, bucket.ErrNotFound) && !errors.Is(err, ErrIncomplete) {
		// A backup asks for no snapshot that might not be there: the store has
		// lost what it had, or what was uploaded a moment ago.
		err = lostError{err}
	}
	return r, err
}

func (r *run) backUp(ctx context.Context) (BackupResult, error) {
	r.result.Took = map[Stage]time.Duration{}
	if err := r.prepare(); err != nil {
		return r.result, err
	}
	damaged, err := r.compare(ctx)
	if err != nil {
		return r.result, err
	}
	if err := r.waitToBeNewer(ctx); err != nil {
		return r.result, err
	}
	began := time.Now()
	r.Copy.Progress = r.stage(StageCopy)
	c, err := r.Take(ctx, r.path, r.Copy)
	if err != nil {
		return r.result, err
	}
	r.took(StageCopy, began)
	r.result.Size, r.result.PageCount, r.result.Restarts = c.Header.Size(), c.Header.PageCount, c.Restarts
	err, left := r.shipAndClose(ctx, c)
	if err == nil || errors.Is(err, ErrIncomplete) {
		err = errors.Join(err, damaged)
		if left != nil {
			left = fmt.Errorf("%w: %w", ErrIncomplete, left)
		}
	}
	return r.result, errors.Join(err, left)
}

// shipAndClose removes the copy also when the application's logger or bucket panics.
func (r *run) shipAndClose(ctx context.Context, c *snapshot.Copy) (err, left error) {
	defer func() { left = c.Close() }()
	return r.ship(ctx, c), nil
}

func (r *run) stage(s Stage) func(done, total int64) {
	return func(done, total int64) { r.Progress(s, done, total) }
}

func (r *run) took(s Stage, began time.Time) { r.result.Took[s] = time.Since(began) }

// prepare looks at what needs no bucket: a mistyped path is found before it.
func (r *run) prepare() (err error) {
	if r.name, err = series.EncodeTag(r.Name); err != nil {
		return fmt.Errorf("database name %q: %w", r.Name, err)
	}
	if _, err := sqlite.Locate(r.path); err != nil {
		return err
	}
	r.sealer, err = series.NewSealer(r.Recipients)
	return err
}

// compare reads the newest snapshot and refuses a series that is another
// database's, or that this run would harm. damaged is what to return in the end if
// the newest's tags are damaged.
func (r *run) compare(ctx context.Context) (damaged, err error) {
	err = r.findNewest(ctx)
	if errors.Is(err, bucket.ErrTagsDamaged) {
		damaged, err = fmt.Errorf("%w: tags of %s: %w", ErrIncomplete, r.newest.ID, err), nil
	}
	if err != nil {
		return nil, err
	}
	if r.newest.Encrypted && !r.sealer.Encrypts() && !r.Plaintext {
		return nil, fmt.Errorf("%w: the newest snapshot in %s is %s", ErrPlaintext, r.bucket.URL(), r.newest.ID)
	}
	if err := checkClock(r.bucket); err != nil {
		return nil, err
	}
	if old, ok := r.tags[series.TagDatabase]; ok && old != r.name && !r.Adopt {
		return nil, fmt.Errorf("%w: the newest snapshot in %s is of %q, this one would be of %q", ErrOtherDatabase, r.bucket.URL(), series.DatabaseName(r.tags), r.Name)
	}
	return damaged, nil
}

// findNewest leaves the zero values for a series without snapshots. With
// ErrTagsDamaged there is a snapshot, but no tags.
func (r *run) findNewest(ctx context.Context) error {
	newest, ahead, err := series.NewestAndAhead(ctx, r.bucket)
	if ahead.Implausible {
		r.Log.Warn("a snapshot's time is implausible, so it never counts as the newest: a clock is or was wrong; run: lifeboat status "+r.bucket.URL().String(),
			"snapshot", ahead.ID, "uploaded", ahead.Object.Modified.UTC().Format(time.RFC3339), "reason", ahead.Why())
	}
	if errors.Is(err, bucket.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	r.newest = newest
	r.tags, err = r.bucket.Tags(ctx, newest.Object)
	return err
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

// ship stores the copy, unless the newest snapshot has the same content.
func (r *run) ship(ctx context.Context, c *snapshot.Copy) error {
	began := time.Now()
	digest, err := c.Digest(ctx, r.stage(StageDigest))
	if err != nil {
		return err
	}
	r.took(StageDigest, began)
	r.result.Digest = digest.String()
	if !r.Always && !r.sealer.Encrypts() && r.confirms(r.tags, c.TakenAt) {
		if done, err := r.confirm(ctx, c.TakenAt); done || err != nil {
			return err
		}
	}
	own, err := r.ownTags(ctx, c, digest)
	if err != nil {
		return err
	}
	if err := r.checkIdentity(own); err != nil {
		return err
	}
	put, err := r.put(ctx, c, digest, own)
	if err != nil && !errors.Is(err, ErrIncomplete) {
		return err
	}
	r.result.Snapshot, _ = series.SnapshotOf(put.Object, series.Present(r.bucket))
	if put.Expiration != "" {
		r.Log.Warn("a lifecycle rule of the bucket will delete this snapshot although it is held; run: lifeboat lifecycle show "+r.bucket.URL().String(),
			"snapshot", r.result.Snapshot.ID, "expiration", put.Expiration)
	}
	if s := r.result.Snapshot; s.Implausible {
		return fmt.Errorf("%w: snapshot %s is there, but never counts: %s, %s", ErrClock,
			s.ID, s.Why(), s.Object.Modified.UTC().Format(time.RFC3339))
	}
	if put.NotEncrypted {
		err = errors.Join(err, fmt.Errorf("%w: %w: %s/%s", ErrIncomplete, ErrNotEncrypted, r.bucket.URL(), put.Name))
	}
	return errors.Join(err, r.checkAlone(ctx, own))
}

// ownTags returns the tags of the new snapshot.
func (r *run) ownTags(ctx context.Context, c *snapshot.Copy, digest *snapshot.Digest) (bucket.Tags, error) {
	identity, err := series.IdentityOf(ctx, c, digest)
	if err != nil {
		return nil, err
	}
	return r.sealer.Tags(bucket.Tags{
		series.TagRetention: series.Held, series.TagDigest: r.result.Digest, series.TagDatabase: r.name,
		series.TagCheck: string(r.Check), series.TagIdentity: identity.String(),
	}), nil
}

// put uploads the archive. An error that wraps ErrIncomplete means that the
// snapshot is there all the same.
func (r *run) put(ctx context.Context, c *snapshot.Copy, digest *snapshot.Digest, tags bucket.Tags) (bucket.PutResult, error) {
	began := time.Now()
	id, err := newID(r.bucket, c.TakenAt, r.newest)
	if err != nil {
		return bucket.PutResult{}, err
	}
	done, err := r.bucket.Put(ctx, string(id)+r.sealer.Suffix(), bucket.PutOptions{
		MaxSize: r.sealer.Size(c.MaxArchiveSize()),
		Tags:    tags,
	}, r.sealer.Seal(r.archive(ctx, c, digest, id)))
	if errors.Is(err, bucket.ErrUntagged) {
		err = fmt.Errorf("%w: %w", ErrIncomplete, err)
	} else if err != nil {
		return bucket.PutResult{}, err
	}
	r.took(StageUpload, began)
	return done, err
}

// errOutdated: the newest snapshot no longer confirms anything.
var errOutdated = errors.New("the newest snapshot has other tags by now")

// confirm notes that the newest snapshot still is what the database holds. The
// copy took its time: if another command has released, pinned or deleted the
// snapshot meanwhile, it reports false, and what that did stays.
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
	return true, nil
}

// confirms reports whether the newest snapshot, with those tags, makes another
// upload needless: it has the same content, was checked as is asked for now, and no
// rule can take it.
func (r *run) confirms(tags bucket.Tags, now time.Time) bool {
	checked := tags[series.TagCheck] == string(r.Check) || tags[series.TagCheck] == string(snapshot.CheckFull) || r.Check == snapshot.CheckNone
	return r.newest.ID != "" && tags[series.TagDigest] == r.result.Digest && tags[series.TagRetention] == series.Held && checked &&
		now.Sub(r.newest.ID.Time()) < r.Refresh
}

// archive returns the function that writes the archive for Put. The check
// runs beside it; as the function returns only when both are done, nothing is
// visible in the bucket until the check has passed.
func (r *run) archive(ctx context.Context, c *snapshot.Copy, digest *snapshot.Digest, id snapshot.ID) func(io.Writer) error {
	return func(w io.Writer) error {
		group, ctx := errgroup.WithContext(ctx)
		group.Go(func() error { return r.check(ctx, c) })
		group.Go(func() error {
			_, err := c.WriteArchive(ctx, w, digest, snapshot.ArchiveOptions{
				ID: id, Database: r.Name, Tool: r.Tool, Check: r.Check, Level: r.Level, Progress: r.stage(StageUpload),
			})
			return err
		})
		return group.Wait()
	}
}

func (r *run) check(ctx context.Context, c *snapshot.Copy) error {
	if r.Check == snapshot.CheckNone {
		return nil
	}
	r.Progress(StageCheck, 0, 0)
	err := c.Check(ctx, r.Check)
	if err == nil {
		r.Progress(StageCheck, c.Header.Size(), c.Header.Size())
	}
	return err
}
