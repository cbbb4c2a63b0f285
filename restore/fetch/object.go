package fetch

import (
	"context"
	"errors"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/reason"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// An object is one object of a chain, open for ranged reads.
type object struct {
	series.Snapshot
	archive *snapshot.Archive
	close   func() error
}

// is reports whether the object is what a differential stands on.
func (o *object) is(base snapshot.Reference) bool {
	m := o.archive.Manifest()
	return base == snapshot.Reference{ID: m.ID, Digest: m.Digest, Manifest: m.Hash()}
}

// openObject opens a snapshot's own object. What it holds must be what its name says.
func (o *Opener) openObject(ctx context.Context, s series.Snapshot) (*object, error) {
	if s.Encrypted && len(o.Identities) == 0 {
		return nil, about(s, series.ErrNoIdentity)
	}
	blob, err := o.Bucket.Open(ctx, s.Object)
	if err != nil {
		return nil, about(s, gone(err))
	}
	archive, closeBlob, err := o.openArchive(ctx, watchedBlob{blob}, s)
	if err == nil {
		err = s.Name.Describes(archive.Manifest())
	}
	if err != nil {
		return nil, errors.Join(about(s, err), blob.Close())
	}
	return &object{s, archive, closeBlob}, nil
}

func (o *Opener) openArchive(ctx context.Context, blob bucket.Blob, s series.Snapshot) (*snapshot.Archive, func() error, error) {
	size := s.Object.Size
	if s.Encrypted {
		var err error
		if blob, size, err = series.Decrypt(blob, size, o.Identities); err != nil {
			return nil, nil, err
		}
	}
	archive, err := snapshot.OpenArchive(ctx, blob, size, s.ID)
	return archive, blob.Close, err
}

// A watchedBlob says of an object that disappears while it is read what that means.
type watchedBlob struct{ bucket.Blob }

func (b watchedBlob) ReadAt(p []byte, offset int64) (int, error) {
	n, err := b.Blob.ReadAt(p, offset)
	return n, gone(err)
}

// gone adds its reason to the error of an object that was listed and is not there.
func gone(err error) error {
	if !errors.Is(err, bucket.ErrNotFound) {
		return err
	}
	return reason.Errorf(ErrGone, err, "%v: retention or a deletion has taken it since it was listed", err)
}

func about(s series.Snapshot, err error) error { return &snapshot.ArchiveError{ID: s.ID, Err: err} }
