package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

// Backup is upload.Backup, and Release after it if the snapshot is safe. Nothing is
// released in a series that two databases share, and by a run that asks the bucket
// nothing because of BackupOptions.ConfirmEvery.
//
// With upload.ErrIncomplete the snapshot is safe and the results are valid, but
// something beside it was not done, which may be the release. Other errors are
// those of upload.Backup.
func Backup(ctx context.Context, b bucket.Bucket, path string, backup upload.BackupOptions, release Options) (upload.BackupResult, Result, error) {
	done, err := upload.Backup(ctx, b, path, backup)
	if err != nil && !errors.Is(err, upload.ErrIncomplete) || errors.Is(err, upload.ErrOtherDatabase) {
		return done, Result{}, err
	}
	if !done.Confirmed.IsZero() {
		return done, Result{}, err
	}
	began := time.Now()
	released, items, releaseErr := releaseAmong(ctx, b, release, afterBackup(done))
	if releaseErr != nil {
		err = errors.Join(err, fmt.Errorf("%w: %w", upload.ErrIncomplete, releaseErr))
	} else if err := done.KeepReleased(ctx, releasedAmong(items, released)); err != nil {
		release.log().Debug("the cache does not keep what is released", "reason", err)
	}
	release.log().Debug("step: release", "released", len(released.Released), "ms", time.Since(began).Milliseconds())
	if damaged := released.Damaged; damaged != nil && !errors.Is(err, bucket.ErrTagsDamaged) {
		release.log().Warn("a snapshot with damaged tags is not released until lifeboat pin and unpin have written them anew", "cause", damaged)
	}
	return done, released, err
}
