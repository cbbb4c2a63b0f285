package upload

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/pause"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/cache"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// ship stores what was read, unless the newest snapshot has the same content.
func (r *run) ship(ctx context.Context, p plan, c *content) error {
	r.result.Digest = c.digest.String()
	if r.checked(c.TakenAt) == r.result.Digest {
		began := time.Now()
		done, err := r.confirm(ctx, c.TakenAt)
		r.step("confirm the newest", began, "snapshot", r.newest.ID)
		if done || err != nil {
			return err
		}
	}
	own, name, err := r.admit(ctx, p, c)
	if err != nil {
		return err
	}
	var manifest snapshot.Manifest
	put, err := r.put(ctx, name, c, own, &manifest)
	if err != nil && !errors.Is(err, ErrIncomplete) {
		return err
	}
	began := time.Now()
	lost := r.stands(ctx, put, p)
	r.step("look at what it stands on", began, "object", put.Name, "size", put.Size)
	if errors.Is(lost, errAnew) {
		return lost
	}
	r.note(put, p, c)
	if s := r.result.Snapshot; s.Implausible {
		return fmt.Errorf("%w: snapshot %s is there, but never counts: %s, %s", ErrClock,
			s.ID, s.Why(), s.Object.Modified.UTC().Format(time.RFC3339))
	}
	if put.NotEncrypted {
		err = errors.Join(err, fmt.Errorf("%w: %w: %s/%s", ErrIncomplete, ErrNotEncrypted, r.bucket.URL(), put.Name))
	}
	if lost == nil {
		r.remember(ctx, put.Object, c, manifest)
		r.keepState(ctx, r.result.Snapshot, c.TakenAt)
	}
	return errors.Join(err, lost, r.checkAlone(ctx, own))
}

// admit returns the tags and the name of the new snapshot, if it may come into this
// series and stand on its base.
func (r *run) admit(ctx context.Context, p plan, c *content) (own bucket.Tags, name series.Name, err error) {
	if own, err = r.ownTags(ctx, c); err != nil {
		return nil, name, err
	}
	if err := r.readTags(ctx); err != nil {
		return nil, name, err
	}
	if err := r.checkIdentity(own); err != nil {
		return nil, name, err
	}
	if name, err = r.nameOf(p, c); err != nil || p.full() {
		return own, name, err
	}
	if err := r.holds(ctx, p.base.Chain()); err != nil {
		r.noBases = append(r.noBases, p.base.ID)
		return nil, name, err
	}
	return own, name, nil
}

// nameOf returns the name of the new snapshot. If its time is one at which it may not
// stand on the base, the error wraps errAnew.
func (r *run) nameOf(p plan, c *content) (series.Name, error) {
	id, err := newID(r.bucket, c.TakenAt, r.last())
	if err != nil {
		return series.Name{}, err
	}
	name := series.Name{ID: id, Class: r.class(p, c.Header.Size(), id.Time()), Encrypted: r.sealer.Encrypts()}
	if p.full() {
		return name, nil
	}
	name.Base = p.base.ID
	if !slices.ContainsFunc(series.Bases(r.tail, name.Class, id.Time()), func(s series.Snapshot) bool { return s.ID == p.base.ID }) {
		return name, fmt.Errorf("%w: another period has begun since it was chosen", errAnew)
	}
	return name, nil
}

// ownTags returns the tags of the new snapshot.
func (r *run) ownTags(ctx context.Context, c *content) (bucket.Tags, error) {
	identity, err := series.IdentityOf(ctx, c.Taken, c.digest)
	if err != nil {
		return nil, err
	}
	return r.sealer.Tags(bucket.Tags{
		series.TagDigest: r.result.Digest, series.TagDatabase: r.name,
		series.TagCheck: string(r.Check), series.TagIdentity: identity.String(),
	}), nil
}

// put uploads the archive. An error that wraps ErrIncomplete means that the
// snapshot is there all the same.
func (r *run) put(ctx context.Context, name series.Name, c *content, tags bucket.Tags, m *snapshot.Manifest) (bucket.PutResult, error) {
	began := time.Now()
	tags[series.TagRetention] = series.Held(name.Class)
	done, err := r.bucket.Put(ctx, name.String(), bucket.PutOptions{
		MaxSize:    r.sealer.Size(c.maxSize),
		LockLonger: name.Class.Stands(),
		Tags:       tags,
	}, r.sealer.Seal(r.write(ctx, c, name.ID, m)))
	if errors.Is(err, bucket.ErrUntagged) {
		err = fmt.Errorf("%w: %w", ErrIncomplete, err)
	} else if err != nil {
		return bucket.PutResult{}, err
	}
	r.took(StageUpload, began)
	return done, err
}

// stands returns nil if what was uploaded is a full snapshot, or one that stands on
// what it was read against. Otherwise the error wraps errAnew: it is no base, and a
// full snapshot follows.
func (r *run) stands(ctx context.Context, put bucket.PutResult, p plan) error {
	if p.full() {
		return nil
	}
	s, err := r.listed(ctx, put.Name, p.base.Chain()[0].ID.Time())
	if err == nil && s.Broken {
		err = fmt.Errorf("%w: %s", errAnew, s.Why())
	}
	if err == nil {
		chain := s.Chain()
		err = r.holds(ctx, chain[:len(chain)-1])
	}
	if err == nil {
		return nil
	}
	if errors.Is(err, errAnew) {
		r.Log.Warn("what the new snapshot stands on was changed during the upload; a full one follows", "snapshot", put.Name, "base", p.base.ID, "reason", err)
		r.full = true
		return err
	}
	return fmt.Errorf("%w: look at what %s stands on: %w", ErrIncomplete, put.Name, err)
}

// looks is how often listed looks for an object, a second apart: some stores list late.
const looks = 5

// listed returns the snapshot with that name, with all that it stands on, as the
// listing of the snapshots since that time has it. The error wraps errAnew if it is
// not there.
func (r *run) listed(ctx context.Context, name string, since time.Time) (series.Snapshot, error) {
	for look := 1; ; look++ {
		all, err := series.Snapshots(ctx, r.bucket, since)
		if err != nil {
			return series.Snapshot{}, err
		}
		if i := slices.IndexFunc(all, func(s series.Snapshot) bool { return s.Object.Name == name }); i >= 0 {
			return all[i], nil
		}
		if look == looks {
			return series.Snapshot{}, fmt.Errorf("%w: %s has gone again", errAnew, name)
		}
		if err := pause.For(ctx, time.Second); err != nil {
			return series.Snapshot{}, err
		}
	}
}

// note fills in the result.
func (r *run) note(put bucket.PutResult, p plan, c *content) {
	s, _ := series.SnapshotOf(put.Object, series.Present(r.bucket))
	if !p.full() {
		s = s.On(p.base)
	}
	r.describe(s, p, c)
	if put.Expiration != "" {
		r.Log.Warn("a lifecycle rule of the bucket will delete this snapshot although it is held; run: lifeboat lifecycle show "+r.bucket.URL().String(),
			"snapshot", s.ID, "expiration", put.Expiration)
	}
}

// describe fills in what the new snapshot is.
func (r *run) describe(s series.Snapshot, p plan, c *content) {
	r.result.Snapshot, r.result.ArchivePages, r.result.WhyFull, r.result.ForWant = s, c.pages, p.why, p.forWant && c.Header.Size() > smallest
	r.result.First = len(r.tail) == 0
}

// remember puts what the next snapshots can stand on into the cache, and takes out what
// is gone. What fails costs them a full one.
func (r *run) remember(ctx context.Context, o bucket.Object, c *content, m snapshot.Manifest) {
	entry := cache.Entry{
		Object: o, Encryption: r.encryption, Reference: snapshot.Reference{ID: m.ID, Digest: m.Digest, Manifest: m.Hash()},
		PageSize: m.PageSize, PageCount: m.PageCount, Check: r.Check,
	}
	if err := r.cache.Forget(ctx, r.tail); err != nil {
		r.Log.Debug("the cache keeps what is no longer in the bucket", "reason", err)
	}
	pages := bufio.NewReaderSize(io.NewSectionReader(c.digest.Pages(), 0, math.MaxInt64), 1<<20)
	if err := r.cache.Put(ctx, entry, pages, m.ID.Time()); err != nil {
		r.Log.Debug("the cache does not keep the new snapshot, so that none can stand on it", "snapshot", m.ID, "reason", err)
	}
}
