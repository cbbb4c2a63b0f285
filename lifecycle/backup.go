package lifecycle

import (
	"context"
	"errors"
	"fmt"

	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

// Backup is upload.Backup, and Release after it if the snapshot is safe. Nothing is
// released in a series that two databases share.
//
// With upload.ErrIncomplete the snapshot is safe and the results are valid, but
// something beside it was not done, which may be the release. Other errors are
// those of upload.Backup.
func Backup(ctx context.Context, b bucket.Bucket, path string, backup upload.BackupOptions, release Options) (upload.BackupResult, Result, error) {
	done, err := upload.Backup(ctx, b, path, backup)
	if err != nil && !errors.Is(err, upload.ErrIncomplete) || errors.Is(err, upload.ErrOtherDatabase) {
		return done, Result{}, err
	}
	released, releaseErr := Release(ctx, b, release)
	if releaseErr != nil {
		err = errors.Join(err, fmt.Errorf("%w: %w", upload.ErrIncomplete, releaseErr))
	}
	return done, released, err
}
