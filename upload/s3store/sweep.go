package s3store

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket/sidecar"
)

// unfinishedAge is when an upload in parts is one of a run that was killed. The
// rules of a bucket, where it has some, take it after the same time.
const unfinishedAge = 7 * 24 * time.Hour

// leftAge is when a file or an object was left by a run that was killed: a
// younger one may be at work.
const leftAge = 24 * time.Hour

// Sweep implements bucket.Sweeper: it aborts uploads in parts that are older than
// a week, and deletes tags beside an object that is not there. It needs the
// rights to list, to list and abort uploads, and to delete.
func (b *s3Store) Sweep(ctx context.Context, now time.Time) error {
	return errors.Join(b.sweepUploads(ctx, now.Add(-unfinishedAge)), b.sweepSidecars(ctx, now.Add(-leftAge)))
}

// sweepUploads aborts what is directly under the prefix and was begun before a
// time. No name is used twice, so no run that is at work has its name.
func (b *s3Store) sweepUploads(ctx context.Context, before time.Time) error {
	var errs []error
	var left []types.MultipartUpload // an abort moves the listing
	for page, err := range b.uploadPages(ctx, b.objectKey("")) {
		if err != nil {
			return err
		}
		for _, u := range page.Uploads {
			name, found := strings.CutPrefix(aws.ToString(u.Key), b.objectKey(""))
			if found && !strings.Contains(name, "/") && u.Initiated != nil && u.Initiated.Before(before) {
				left = append(left, u)
			}
		}
	}
	for _, u := range left {
		if err := b.abortUpload(ctx, u.Key, u.UploadId); err != nil {
			errs = append(errs, describe(ctx, failure{"abort the upload of", "s3://" + b.url.Bucket + "/" + *u.Key, "s3:AbortMultipartUpload"}, err))
		}
	}
	return errors.Join(errs...)
}

// abortUpload removes an upload in parts. One that is gone is no error. Other errors
// are the SDK's.
func (b *s3Store) abortUpload(ctx context.Context, key, id *string) error {
	_, err := b.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &b.url.Bucket, Key: key, UploadId: id})
	if code, _ := codeOf(err); code == "NoSuchUpload" {
		return nil
	}
	return err
}

// sweepSidecars deletes tags that were written before a time, and whose object
// is not there.
func (b *s3Store) sweepSidecars(ctx context.Context, before time.Time) error {
	if !b.beside.Load() {
		return nil
	}
	stems, old := map[string]bool{}, []string{}
	for page, err := range b.objectPages(ctx, s3.ListObjectsV2Input{Prefix: aws.String(b.objectKey("")), Delimiter: aws.String("/")}) {
		if err != nil {
			return err
		}
		for _, entry := range page.Contents {
			name := strings.TrimPrefix(aws.ToString(entry.Key), b.objectKey(""))
			if !sidecar.Is(name) {
				stems[sidecar.Stem(name)] = true
			} else if entry.LastModified != nil && entry.LastModified.Before(before) {
				old = append(old, name)
			}
		}
	}
	var errs []error
	for _, name := range old {
		if sidecar.IsOrphan(name, stems) {
			errs = append(errs, b.Delete(ctx, bucket.Object{Name: name}))
		}
	}
	return errors.Join(errs...)
}
