// Package doctor finds out what a bucket and its credentials can do, by trying
// it, and what that means for Lifeboat. It knows stores by package trial alone.
package doctor

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket/trial"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// Examine tries out what the bucket and the credentials can do, under
// throw-away names, and cleans up after itself, also when ctx is done. It
// changes no lifecycle rule and no snapshot. An error means that the
// examination broke off; the report then has the checks until there.
func Examine(ctx context.Context, b bucket.Bucket) (Report, error) {
	if directory, ok := bucket.As[trial.DirectoryBucket](b); ok {
		return examineDirectory(ctx, b, directory.Trial())
	}
	if store, ok := bucket.As[trial.StoreBucket](b); ok {
		return examineStore(ctx, b, store.Trial())
	}
	return Report{URL: b.URL()}, fmt.Errorf("examine %s: %w", b.URL(), errors.ErrUnsupported)
}

func examineStore(ctx context.Context, b bucket.Bucket, t trial.Store) (report Report, err error) {
	x := &storeExam{
		Bucket: b, trial: t, folder: folderName() + "/",
		// A job may be allowed no other tag than this; no rule matches it.
		tags: bucket.Tags{series.TagRetention: series.Held(series.Recent)},
	}
	report.URL = b.URL()
	defer func() { report.Left = t.Close(ctx) }()
	report.Findings, err = runProbes(ctx, x, storeProbes)
	return report, err
}

// folderName names the folder of what an examination puts, so that no listing of
// a series shows it.
func folderName() string {
	id := make([]byte, 4)
	rand.Read(id) // never fails, see crypto/rand
	return bucket.TrialPrefix + hex.EncodeToString(id)
}
