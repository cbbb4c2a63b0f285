package fetch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"filippo.io/age"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/reason"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// ErrGone: an object that the snapshot needs is not, or no longer, in the bucket.
var ErrGone = errors.New("an object that the snapshot needs is gone")

// An Opener opens chains of one series. What two chains in a row have in common is
// opened once.
type Opener struct {
	Bucket bucket.Bucket
	// Identities decrypt encrypted objects: for each of them one must fit.
	Identities []age.Identity
	Log        *slog.Logger

	open []*object // of the latest chain, the full one first
}

// A Chain is a snapshot and all that it stands on, open for ranged reads.
type Chain struct {
	*snapshot.Chain
	// Snapshots are those whose objects are read, the full one first.
	Snapshots []series.Snapshot
	// Changed is the size of all pages in the differentials, in bytes.
	Changed int64
}

// Bytes returns the size of all objects of the chain.
func (c *Chain) Bytes() int64 {
	var bytes int64
	for _, s := range c.Snapshots {
		bytes += s.Object.Size
	}
	return bytes
}

// Open opens the chain of a snapshot, also of a broken one: whether the objects belong
// together is proved by the hashes in the manifests, not by names and times. It is valid until the next call of Open or
// Close. In a versioned bucket a base that was deleted or overwritten is replaced by
// that version of it on which the snapshot stands. An error about one object is a
// *snapshot.ArchiveError. It wraps ErrGone, snapshot.ErrDamaged, or what
// snapshot.OpenArchive, series.Decrypt and the bucket return.
func (o *Opener) Open(ctx context.Context, s series.Snapshot) (*Chain, error) {
	chain, err := o.objects(ctx, s)
	for _, before := range o.open {
		if !slices.Contains(chain, before) {
			err = errors.Join(err, before.close())
		}
	}
	o.open = chain
	if err != nil {
		return nil, err
	}
	opened := &Chain{}
	var archives []*snapshot.Archive
	for _, part := range chain {
		opened.Snapshots = append(opened.Snapshots, part.Snapshot)
		archives = append(archives, part.archive)
		m := part.archive.Manifest()
		opened.Changed += int64(m.Pages) * int64(m.PageSize) // 0 of a full one
	}
	if opened.Chain, err = snapshot.NewChain(archives...); err != nil {
		return nil, fmt.Errorf("open snapshot %s: %w", s.ID, err)
	}
	return opened, nil
}

// Close closes what is open.
func (o *Opener) Close() error {
	var errs []error
	for _, part := range o.open {
		errs = append(errs, part.close())
	}
	o.open = nil
	return errors.Join(errs...)
}

// objects opens the objects of a chain, from the top down. What it returns with an
// error is open, too.
func (o *Opener) objects(ctx context.Context, s series.Snapshot) ([]*object, error) {
	listed := o.openListed(ctx, s.Chain())
	top := listed[len(listed)-1]
	if top.err != nil {
		return nil, fmt.Errorf("open %w", top.err)
	}
	chain := []*object{top.object}
	for !chain[0].Full() {
		base, err := o.base(ctx, chain[0].archive.Manifest().Base, listed)
		if err != nil {
			return chain, fmt.Errorf("open snapshot %s: it stands on %w", s.ID, err)
		}
		chain = slices.Insert(chain, 0, base)
		if len(chain) > len(series.Classes()) { // a base has a longer class
			return chain, fmt.Errorf("open %w", about(s, fmt.Errorf("%w: its chain is longer than any can be", snapshot.ErrDamaged)))
		}
	}
	return chain, nil
}

// A listed snapshot is one whose object was opened as it was listed, or could not be.
type listed struct {
	series.Snapshot
	object *object
	err    error
}

// openListed opens the objects of a chain as it was listed, all at once: each takes
// the store at least one answer. Which of them belong together is for their manifests
// to say.
func (o *Opener) openListed(ctx context.Context, chain []series.Snapshot) []listed {
	all := make([]listed, len(chain))
	var group sync.WaitGroup
	for i, s := range chain {
		group.Go(func() {
			all[i].Snapshot = s
			all[i].object, all[i].err = o.reuse(ctx, s)
		})
	}
	group.Wait()
	for _, l := range all {
		if l.object != nil && !slices.Contains(o.open, l.object) {
			o.open = append(o.open, l.object)
		}
	}
	return all
}

// reuse opens a snapshot's object, unless it is open already.
func (o *Opener) reuse(ctx context.Context, s series.Snapshot) (*object, error) {
	for _, part := range o.open {
		if part.Object == s.Object {
			return part, nil
		}
	}
	return o.openObject(ctx, s)
}

// base opens the base that a manifest names: as it was listed, or that version of it.
func (o *Opener) base(ctx context.Context, want snapshot.Reference, chain []listed) (*object, error) {
	for _, part := range o.open {
		if part.is(want) {
			return part, nil
		}
	}
	err := error(&snapshot.ArchiveError{ID: want.ID, Err: reason.Errorf(ErrGone, nil, "its object is not in the bucket")})
	if i := slices.IndexFunc(chain, func(l listed) bool { return l.ID == want.ID }); i >= 0 {
		if err = chain[i].err; err == nil {
			err = about(chain[i].Snapshot, errAnother)
		}
	}
	if !isLost(err) {
		return nil, err
	}
	found, notFound := o.version(ctx, want)
	if notFound != nil {
		o.Log.Warn("no earlier version of a base was found", "base", want.ID, "cause", notFound)
	}
	if found == nil {
		return nil, err
	}
	o.Log.Warn("a base was deleted or overwritten, so an earlier version of it is read", "base", want.ID, "version", found.Object.Version, "cause", err)
	return found, nil
}

// isLost reports whether what was asked for is not there, or is something else.
func isLost(err error) bool {
	return errors.Is(err, ErrGone) || errors.Is(err, snapshot.ErrDamaged) || errors.Is(err, bucket.ErrChanged) || errors.Is(err, series.ErrWrongIdentity)
}

// version opens the version of a base that a manifest names. It returns nil where
// there is none, or where the bucket has no versions.
func (o *Opener) version(ctx context.Context, want snapshot.Reference) (*object, error) {
	for v, err := range series.Versions(ctx, o.Bucket) {
		switch {
		case errors.Is(err, errors.ErrUnsupported):
			return nil, nil
		case err != nil:
			return nil, err
		case v.ID != want.ID || v.Deleted:
			continue
		}
		found, err := o.openAs(ctx, v.Snapshot, want)
		if err == nil {
			return found, nil
		}
		if !isLost(err) {
			return nil, err
		}
	}
	return nil, nil
}

var errAnother = fmt.Errorf("%w: it is not the archive that the differential was made on", snapshot.ErrDamaged)

// openAs opens a snapshot's object, which must be what a differential stands on.
func (o *Opener) openAs(ctx context.Context, s series.Snapshot, want snapshot.Reference) (*object, error) {
	found, err := o.openObject(ctx, s)
	if err != nil {
		return nil, err
	}
	if !found.is(want) {
		return nil, errors.Join(about(s, errAnother), found.close())
	}
	return found, nil
}

// Manifest returns the manifest of a snapshot. Of its chain it opens nothing else.
func Manifest(ctx context.Context, b bucket.Bucket, s series.Snapshot, identities []age.Identity) (snapshot.Manifest, error) {
	o := Opener{Bucket: b, Identities: identities}
	top, err := o.openObject(ctx, s)
	if err != nil {
		return snapshot.Manifest{}, fmt.Errorf("open %w", err)
	}
	return top.archive.Manifest(), top.close()
}
