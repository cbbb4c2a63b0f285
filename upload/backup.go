package upload

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"time"

	"filippo.io/age"
	"golang.org/x/sync/errgroup"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/reason"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// A Stage is a part of the work whose progress is told.
type Stage string

// The stages, in the order in which they begin.
const (
	StageCopy   Stage = "copy"
	StageDigest Stage = "digest"
	StageUpload Stage = "upload" // compression and upload
	// StageCheck runs beside StageUpload. SQLite does not tell how far it is:
	// the progress is 0 of 0 until it has passed.
	StageCheck Stage = "check"
)

// DefaultRefresh is for how long an unchanged database is not uploaded again.
const DefaultRefresh = 7 * 24 * time.Hour

// BackupOptions says what Backup does. The zero value is usable.
type BackupOptions struct {
	// Name is the database's name in the series; "" is its file name.
	Name string
	// Adopt allows a database that differs from the newest snapshot's: by its
	// name, or by what is in it.
	Adopt bool
	// Always uploads a database that has not changed, too.
	Always bool
	// Refresh is for how long an unchanged database is not uploaded again;
	// 0 is DefaultRefresh.
	Refresh time.Duration
	// Check is how the copy is checked before it is visible in the bucket;
	// "" is snapshot.CheckQuick.
	Check snapshot.CheckLevel
	// Level is how hard to compress; "" is snapshot.LevelFastest.
	Level snapshot.Level
	// Recipients are whom the snapshot is encrypted to; without any it is not
	// encrypted. An encrypted series has no digest tags, so that each backup
	// uploads.
	Recipients []age.Recipient
	// Plaintext allows a snapshot that is not encrypted after one that is.
	Plaintext bool
	// Copy is how the copy is made. Its Progress is not called: there is one
	// for all stages below.
	Copy snapshot.CopyOptions
	// Take makes the copy; nil is snapshot.Take. One that reads in another
	// process (snapshot.TakeInto, snapshot.Adopt) keeps a hostile database's
	// harm away from this one.
	Take func(ctx context.Context, path string, o snapshot.CopyOptions) (*snapshot.Copy, error)
	// Tool is the program's name and version, for the manifest.
	Tool string
	// Progress is called with bytes of database done and to do: for StageCheck
	// and StageUpload by two goroutines at once.
	Progress func(stage Stage, done, total int64)
	// Log receives what is worth knowing; nil discards it.
	Log *slog.Logger
}

// A BackupResult says what Backup did.
type BackupResult struct {
	// Snapshot is the new one, or the newest one if Unchanged.
	Snapshot series.Snapshot
	// Unchanged: the newest snapshot has this content already.
	Unchanged bool
	// Digest identifies the database's content: see package snapshot.
	Digest string
	// Size of the database in bytes, and its pages.
	Size      int64
	PageCount int
	// Restarts is how often the copy began anew.
	Restarts int
	// Took is how long the copy, the digest and the upload took; a stage that
	// there was no need for is missing.
	Took map[Stage]time.Duration
}

// Backup takes a snapshot of the live database at path and stores it in b,
// tagged as held. If the newest snapshot has the same content already, its
// lifeboat-confirmed tag is set instead.
//
// Until the copy has passed its check nothing is visible in the bucket. An
// error that wraps ErrIncomplete comes with a valid result. Other errors wrap
// one of this package or of package snapshot where that is the reason; then no
// new snapshot can be counted on.
func Backup(ctx context.Context, b bucket.Bucket, path string, o BackupOptions) (BackupResult, error) {
	r, err := o.backup(ctx, b, path)
	if errors.Is(err, bucket.ErrNotFound) && !errors.Is(err, ErrIncomplete) {
		// A backup asks for no snapshot that might not be there: the store has
		// lost what it had, or what was uploaded a moment ago.
		err = reason.Errorf(bucket.ErrUnreachable, nil, "%v", err)
	}
	return r, err
}

func (o *BackupOptions) backup(ctx context.Context, b bucket.Bucket, path string) (BackupResult, error) {
	o.setDefaults(path)
	r := BackupResult{Took: map[Stage]time.Duration{}}
	name, err := series.EncodeTag(o.Name)
	if err != nil {
		return r, fmt.Errorf("database name %q: %w", o.Name, err)
	}
	if _, err := sqlite.Locate(path); err != nil {
		return r, err // a mistyped path is told before anything about the bucket
	}
	sealer, err := series.NewSealer(o.Recipients)
	if err != nil {
		return r, err
	}
	newest, tags, err := o.newestWithTags(ctx, b)
	var damaged error
	if errors.Is(err, bucket.ErrTagsDamaged) {
		damaged, err = fmt.Errorf("%w: tags of %s: %w", ErrIncomplete, newest.ID, err), nil
	}
	if err != nil {
		return r, err
	}
	if newest.Encrypted && !sealer.Encrypts() && !o.Plaintext {
		return r, fmt.Errorf("%w: the newest snapshot in %s is %s", ErrPlaintext, b.URL(), newest.ID)
	}
	if err := checkClock(b); err != nil {
		return r, err
	}
	if old, ok := tags[series.TagDatabase]; ok && old != name && !o.Adopt {
		return r, fmt.Errorf("%w: the newest snapshot in %s is of %q, this one would be of %q", ErrOtherDatabase, b.URL(), series.DatabaseName(tags), o.Name)
	}

	if err := o.waitToBeNewer(ctx, newest); err != nil {
		return r, err
	}
	began := time.Now()
	o.Copy.Progress = o.stage(StageCopy)
	c, err := o.Take(ctx, path, o.Copy)
	if err != nil {
		return r, err
	}
	r.took(StageCopy, began)
	r.Size, r.PageCount, r.Restarts = c.Header.Size(), c.Header.PageCount, c.Restarts
	err = o.ship(ctx, b, c, sealer, newest, tags, name, &r)
	left := c.Close()
	if err == nil || errors.Is(err, ErrIncomplete) {
		err = errors.Join(err, damaged)
		if left != nil {
			left = fmt.Errorf("%w: %w", ErrIncomplete, left)
		}
	}
	return r, errors.Join(err, left)
}

func (o *BackupOptions) setDefaults(path string) {
	if o.Name == "" {
		o.Name = filepath.Base(path)
	}
	if o.Refresh == 0 {
		o.Refresh = DefaultRefresh
	}
	if o.Check == "" {
		o.Check = snapshot.CheckQuick
	}
	if o.Take == nil {
		o.Take = snapshot.Take
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Progress == nil {
		o.Progress = func(Stage, int64, int64) {}
	}
	if o.Copy.Log == nil {
		o.Copy.Log = o.Log
	}
}

func (o *BackupOptions) stage(s Stage) func(done, total int64) {
	return func(done, total int64) { o.Progress(s, done, total) }
}

func (r *BackupResult) took(s Stage, began time.Time) { r.Took[s] = time.Since(began) }

// newestWithTags returns the zero values for a series without snapshots. With
// ErrTagsDamaged there is a snapshot, but no tags.
func (o *BackupOptions) newestWithTags(ctx context.Context, b bucket.Bucket) (series.Snapshot, bucket.Tags, error) {
	newest, ahead, err := series.NewestAndAhead(ctx, b)
	if ahead.Implausible {
		o.Log.Warn("a snapshot's time is implausible, so it never counts as the newest: a clock is or was wrong; lifeboat status says what to do",
			"snapshot", ahead.ID, "uploaded", ahead.Object.Modified.UTC().Format(time.RFC3339), "reason", ahead.Why())
	}
	if errors.Is(err, bucket.ErrNotFound) {
		return series.Snapshot{}, nil, nil
	}
	if err != nil {
		return series.Snapshot{}, nil, err
	}
	tags, err := b.Tags(ctx, newest.Object)
	return newest, tags, err
}

// checkClock compares this machine's clock with the store's, whose answers
// have been seen by now. A snapshot's ID comes from the former, and whatever
// decides which one is the newest comes from IDs.
func checkClock(b bucket.Bucket) error {
	if offset := b.ClockOffset(); offset.Abs() > series.MaxAhead {
		direction := "behind"
		if offset < 0 {
			direction = "ahead of"
		}
		return fmt.Errorf("%w: it is %s %s the store's", ErrClock, offset.Abs().Round(time.Second), direction)
	}
	return nil
}

// ship stores the copy, unless the newest snapshot has the same content.
func (o *BackupOptions) ship(ctx context.Context, b bucket.Bucket, c *snapshot.Copy, sealer series.Sealer, newest series.Snapshot, tags bucket.Tags, name string, r *BackupResult) error {
	began := time.Now()
	digest, err := c.Digest(ctx, o.stage(StageDigest))
	if err != nil {
		return err
	}
	r.took(StageDigest, began)
	r.Digest = digest.String()
	if !o.Always && !sealer.Encrypts() && o.confirms(newest, tags, r.Digest, c.TakenAt) {
		if done, err := o.confirm(ctx, b, newest, name, c.TakenAt, r); done || err != nil {
			return err
		}
	}

	identity, err := series.IdentityOf(ctx, c, digest)
	if err != nil {
		return err
	}
	own := sealer.Tags(bucket.Tags{series.TagRetention: series.Held, series.TagDigest: r.Digest, series.TagDatabase: name, series.TagCheck: string(o.Check), series.TagIdentity: identity.String()})
	if err := o.checkIdentity(b, newest, tags, own); err != nil {
		return err
	}
	began = time.Now()
	id, err := newID(b, c.TakenAt, newest)
	if err != nil {
		return err
	}
	object, err := b.Put(ctx, string(id)+sealer.Suffix(), bucket.PutOptions{
		MaxSize: sealer.Size(c.MaxArchiveSize()),
		Tags:    own,
	}, sealer.Seal(o.archive(ctx, c, digest, id)))
	if errors.Is(err, bucket.ErrUntagged) {
		err = fmt.Errorf("%w: %w", ErrIncomplete, err)
	} else if err != nil {
		return err
	}
	r.took(StageUpload, began)
	r.Snapshot, _ = series.SnapshotOf(object, series.Present(b))
	if object.Expiration != "" {
		o.Log.Warn("a lifecycle rule of the bucket will delete this snapshot although it is held; run: lifeboat lifecycle show "+b.URL().String(),
			"snapshot", r.Snapshot.ID, "expiration", object.Expiration)
	}
	if r.Snapshot.Implausible {
		return fmt.Errorf("%w: snapshot %s is there, but never counts: %s, %s", ErrClock,
			r.Snapshot.ID, r.Snapshot.Why(), r.Snapshot.Object.Modified.UTC().Format(time.RFC3339))
	}
	if object.NotEncrypted {
		err = errors.Join(err, fmt.Errorf("%w: %w: %s/%s", ErrIncomplete, ErrNotEncrypted, b.URL(), object.Name))
	}
	return errors.Join(err, o.checkAlone(ctx, b, newest, tags, own, r.Snapshot.ID))
}

// errOutdated: the newest snapshot no longer confirms anything.
var errOutdated = errors.New("the newest snapshot has other tags by now")

// confirm notes that the newest snapshot still is what the database holds. The
// copy took its time: if another command has released, pinned or deleted the
// snapshot meanwhile, it reports false, and what that did stays.
func (o *BackupOptions) confirm(ctx context.Context, b bucket.Bucket, newest series.Snapshot, name string, now time.Time, r *BackupResult) (bool, error) {
	_, err := series.ChangeTags(ctx, b, newest.Object, func(tags bucket.Tags) error {
		if !o.confirms(newest, tags, r.Digest, now) {
			return errOutdated
		}
		series.Stamp(tags, series.TagConfirmed, now)
		tags[series.TagDatabase] = name
		return nil
	})
	if errors.Is(err, errOutdated) || errors.Is(err, bucket.ErrNotFound) || errors.Is(err, bucket.ErrTagsDamaged) {
		return false, nil
	}
	r.Snapshot, r.Unchanged = newest, true
	if err != nil {
		return false, fmt.Errorf("%w: confirm %s: %w", ErrIncomplete, newest.ID, err)
	}
	return true, nil
}

// confirms tells whether the newest snapshot makes another upload needless:
// it has the same content, was checked as is asked for now, and no rule can
// take it.
func (o *BackupOptions) confirms(newest series.Snapshot, tags bucket.Tags, digest string, now time.Time) bool {
	checked := tags[series.TagCheck] == string(o.Check) || tags[series.TagCheck] == string(snapshot.CheckFull) || o.Check == snapshot.CheckNone
	return newest.ID != "" && tags[series.TagDigest] == digest && tags[series.TagRetention] == series.Held && checked &&
		now.Sub(newest.ID.Time()) < o.Refresh
}

// archive returns the function that writes the archive for Put. The check
// runs beside it; as the function returns only when both are done, nothing is
// visible in the bucket until the check has passed.
func (o *BackupOptions) archive(ctx context.Context, c *snapshot.Copy, digest *snapshot.Digest, id snapshot.ID) func(io.Writer) error {
	return func(w io.Writer) error {
		group, ctx := errgroup.WithContext(ctx)
		group.Go(func() error { return o.check(ctx, c) })
		group.Go(func() error {
			_, err := c.WriteArchive(ctx, w, digest, snapshot.ArchiveOptions{
				ID: id, Database: o.Name, Tool: o.Tool, Check: o.Check, Level: o.Level, Progress: o.stage(StageUpload),
			})
			return err
		})
		return group.Wait()
	}
}

func (o *BackupOptions) check(ctx context.Context, c *snapshot.Copy) error {
	if o.Check == snapshot.CheckNone {
		return nil
	}
	o.Progress(StageCheck, 0, 0)
	err := c.Check(ctx, o.Check)
	if err == nil {
		o.Progress(StageCheck, c.Header.Size(), c.Header.Size())
	}
	return err
}
