package restore

import (
	"context"
	"errors"
	"fmt"

	"filippo.io/age"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// Open opens a snapshot's archive for ranged reads, decrypted with one of the
// identities if the snapshot is encrypted. It must be closed with the function
// that comes with it. Errors wrap those of series.Decrypt,
// snapshot.OpenArchive or the bucket.
func Open(ctx context.Context, b bucket.Bucket, s series.Snapshot, identities []age.Identity) (*snapshot.Archive, func() error, error) {
	if s.Encrypted && len(identities) == 0 {
		return nil, nil, cannotOpen(s, series.ErrNoIdentity)
	}
	blob, err := b.Open(ctx, s.Object)
	if err != nil {
		return nil, nil, cannotOpen(s, err)
	}
	archive, closeArchive, err := openBlob(ctx, blob, s, identities)
	if err != nil {
		return nil, nil, errors.Join(cannotOpen(s, err), blob.Close())
	}
	return archive, closeArchive, nil
}

func openBlob(ctx context.Context, blob bucket.Blob, s series.Snapshot, identities []age.Identity) (*snapshot.Archive, func() error, error) {
	size := s.Object.Size
	if s.Encrypted {
		var err error
		if blob, size, err = series.Decrypt(blob, size, identities); err != nil {
			return nil, nil, err
		}
	}
	archive, err := snapshot.OpenArchive(ctx, blob, size, s.ID)
	return archive, blob.Close, err
}

func cannotOpen(s series.Snapshot, err error) error {
	return fmt.Errorf("open snapshot %s: %w", s.ID, err)
}
