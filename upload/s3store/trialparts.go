package s3store

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket/trial"
)

// Begin implements trial.Store.
func (x *s3Trial) Begin(ctx context.Context, name string, tags bucket.Tags) (trial.Upload, error) {
	lingering, cancel := linger(ctx, createTimeout)
	defer cancel()
	out, err := x.client.CreateMultipartUpload(lingering, &s3.CreateMultipartUploadInput{
		Bucket: &x.url.Bucket, Key: aws.String(x.objectKey(name)), Tagging: tagging(tags),
	})
	if err != nil {
		return nil, x.describe(ctx, "begin an upload of", name, "s3:PutObject", err)
	}
	u := &s3Upload{trial: x, name: name, id: aws.ToString(out.UploadId)}
	x.begun = append(x.begun, u)
	return u, nil
}

// Send implements trial.Upload.
func (u *s3Upload) Send(ctx context.Context, content []byte) error { return u.send(ctx, content, nil) }

// SendSummed implements trial.Upload. There is one try: the refusal of a sum
// that is wrong looks like that of a part that was altered on the way.
func (u *s3Upload) SendSummed(ctx context.Context, content []byte, sum uint32) error {
	encoded := base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, sum))
	return u.send(ctx, content, &encoded, func(o *s3.Options) { o.Retryer = aws.NopRetryer{} })
}

func (u *s3Upload) send(ctx context.Context, content []byte, checksum *string, options ...func(*s3.Options)) error {
	out, err := u.trial.client.UploadPart(ctx, &s3.UploadPartInput{
		Bucket: &u.trial.url.Bucket, Key: aws.String(u.trial.objectKey(u.name)), UploadId: &u.id, PartNumber: aws.Int32(1),
		Body: bytes.NewReader(content), ChecksumCRC32: checksum,
	}, options...)
	if err != nil {
		return u.trial.describe(ctx, "put a part of", u.name, "s3:PutObject", err)
	}
	u.etag = out.ETag
	return nil
}

// Listed implements trial.Upload.
func (u *s3Upload) Listed(ctx context.Context) (bool, error) {
	out, err := u.trial.client.ListMultipartUploads(ctx, &s3.ListMultipartUploadsInput{
		Bucket: &u.trial.url.Bucket, Prefix: aws.String(u.trial.objectKey(u.name)),
	})
	if err != nil {
		return false, u.trial.describe(ctx, "list uploads of", u.name, "s3:ListBucketMultipartUploads", err)
	}
	return slices.ContainsFunc(out.Uploads, func(listed types.MultipartUpload) bool {
		return aws.ToString(listed.UploadId) == u.id
	}), nil
}

// Complete implements trial.Upload.
func (u *s3Upload) Complete(ctx context.Context) error { return u.complete(ctx, nil) }

// CompleteIfAbsent implements trial.Upload.
func (u *s3Upload) CompleteIfAbsent(ctx context.Context) error {
	return u.complete(ctx, aws.String("*"))
}

func (u *s3Upload) complete(ctx context.Context, condition *string) error {
	x := u.trial
	known := x.wrote(u.name, nil)
	out, err := x.client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
		Bucket: &x.url.Bucket, Key: aws.String(x.objectKey(u.name)), UploadId: &u.id, IfNoneMatch: condition,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: []types.CompletedPart{{PartNumber: aws.Int32(1), ETag: u.etag}}},
	})
	if err != nil {
		err = x.describe(ctx, "complete the upload of", u.name, "s3:PutObject", err)
		if !known {
			x.forget(u.name, err)
		}
		return err
	}
	u.end()
	x.wrote(u.name, out.VersionId)
	return nil
}

// Abort implements trial.Upload.
func (u *s3Upload) Abort(ctx context.Context) error {
	err := u.trial.abortUpload(ctx, aws.String(u.trial.objectKey(u.name)), &u.id)
	if err == nil {
		u.end()
		return nil
	}
	return u.trial.describe(ctx, "abort the upload of", u.name, "s3:AbortMultipartUpload", err)
}

// end takes the upload off the list of those that are to be aborted.
func (u *s3Upload) end() {
	u.trial.begun = slices.DeleteFunc(u.trial.begun, func(other *s3Upload) bool { return other == u })
}

// Close implements trial.Store.
func (x *s3Trial) Close(ctx context.Context) (left []string) {
	ctx, cancel := afterwards(ctx)
	defer cancel()
	for _, u := range slices.Clone(x.begun) {
		if err := u.Abort(ctx); err != nil {
			left = append(left, "an unfinished upload of "+u.name)
		}
	}
	for i := 0; i < len(x.written); i++ { // it grows by delete markers
		o := x.written[i]
		err := x.delete(ctx, o)
		switch {
		case err == nil, errors.Is(err, bucket.ErrNotFound):
		case o.Version != "":
			left = append(left, o.Name+", version "+o.Version)
		default:
			left = append(left, o.Name)
		}
	}
	return left
}
