package upload

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

// doctorContent is what the throw-away objects hold.
var doctorContent = []byte("written by lifeboat doctor; may be deleted\n")

// An s3Examiner is one examination on its way.
type s3Examiner struct {
	*S3
	folder string        // of all names, with a slash
	sample bucket.Object // some object of the series, where nothing may be put

	put       *s3.PutObjectOutput // of the whole object, nil: not put
	tags      bucket.Tags         // that the objects are put with
	tagsErr   error               // why tags had to be left out
	condition *string             // If-None-Match, nil: had to be left out
	rules     int                 // lifecycle rules of the bucket that could be seen
	open      *string             // an upload that is neither complete nor aborted
	written   []bucket.Object     // to be deleted, by version where there is one
	begun     []begunUpload       // to be aborted
}

type begunUpload struct{ name, id string }

func examineS3(ctx context.Context, b *S3) (report Report, err error) {
	x := &s3Examiner{
		S3: b, folder: doctorName() + "/", condition: aws.String("*"),
		// A job may be allowed no other tag than this; no rule matches it.
		tags: bucket.Tags{TagRetention: Held},
	}
	report.URL = b.url
	defer func() { report.Left = x.cleanUp(ctx) }()
	report.Findings, err = runProbes(ctx, x, s3Probes)
	return report, err
}

func (x *s3Examiner) whole() string { return x.folder + "whole" }
func (x *s3Examiner) parts() string { return x.folder + "parts" }

// hasParts reports whether an upload in parts was completed, or may have been.
func (x *s3Examiner) hasParts() bool {
	return slices.ContainsFunc(x.written, func(o bucket.Object) bool { return o.Name == x.parts() })
}

// describe puts an error of the SDK into words.
func (x *s3Examiner) describe(ctx context.Context, operation, name, action string, err error) error {
	if err == nil {
		return nil
	}
	return describe(ctx, x.failure(operation, bucket.Object{Name: name}, action), err)
}

// putObject puts the whole object, and remembers what is to be deleted.
func (x *s3Examiner) putObject(ctx context.Context, tags bucket.Tags, condition *string) (*s3.PutObjectOutput, error) {
	algorithm, key, sum := x.options.SSE.customerKey()
	known := x.wrote(x.whole(), nil)
	out, err := x.client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &x.url.Bucket, Key: aws.String(x.key(x.whole())), Body: bytes.NewReader(doctorContent),
		Tagging: tagging(tags), IfNoneMatch: condition,
		SSECustomerAlgorithm: algorithm, SSECustomerKey: key, SSECustomerKeyMD5: sum,
	})
	if err == nil {
		x.wrote(x.whole(), out.VersionId)
	} else if !known {
		x.refused(x.whole(), err)
	}
	return out, x.describe(ctx, "put", x.whole(), "s3:PutObject", err)
}

// wrote remembers an object that may be there now, and reports whether its
// name was known before. A version takes the place of the name alone: deleting
// by name would leave a delete marker.
func (x *s3Examiner) wrote(name string, version *string) (known bool) {
	known = slices.ContainsFunc(x.written, func(o bucket.Object) bool { return o.Name == name })
	object := bucket.Object{Name: name, Version: aws.ToString(version)}
	if object.Version != "" {
		x.written = slices.DeleteFunc(x.written, func(o bucket.Object) bool { return o.Name == name && o.Version == "" })
	} else if known {
		return known
	}
	x.written = append(x.written, object)
	return known
}

// refused forgets an object that the store said no to, so that it is not there.
func (x *s3Examiner) refused(name string, err error) {
	if status := statusOf(err); status >= 400 && status < 500 || status == http.StatusNotImplemented {
		x.written = slices.DeleteFunc(x.written, func(o bucket.Object) bool { return o.Name == name })
	}
}

// begin begins an upload in parts.
func (x *s3Examiner) begin(ctx context.Context) (*string, error) {
	lingering, cancel := linger(ctx, createTimeout)
	defer cancel()
	algorithm, key, sum := x.options.SSE.customerKey()
	out, err := x.client.CreateMultipartUpload(lingering, &s3.CreateMultipartUploadInput{
		Bucket: &x.url.Bucket, Key: aws.String(x.key(x.parts())), Tagging: tagging(x.tags),
		SSECustomerAlgorithm: algorithm, SSECustomerKey: key, SSECustomerKeyMD5: sum,
	})
	if err != nil {
		return nil, x.describe(ctx, "begin an upload of", x.parts(), "s3:PutObject", err)
	}
	x.begun = append(x.begun, begunUpload{x.parts(), aws.ToString(out.UploadId)})
	return out.UploadId, nil
}

// sendPart uploads the only part. With a checksum that is wrong the store
// should refuse it, and to that there is one try: the refusal looks like that
// of a part that was altered on the way.
func (x *s3Examiner) sendPart(ctx context.Context, id, checksum *string) (*string, error) {
	algorithm, key, sum := x.options.SSE.customerKey()
	out, err := x.client.UploadPart(ctx, &s3.UploadPartInput{
		Bucket: &x.url.Bucket, Key: aws.String(x.key(x.parts())), UploadId: id, PartNumber: aws.Int32(1),
		Body: bytes.NewReader(doctorContent), ChecksumCRC32: checksum,
		SSECustomerAlgorithm: algorithm, SSECustomerKey: key, SSECustomerKeyMD5: sum,
	}, func(o *s3.Options) {
		if checksum != nil {
			o.Retryer = aws.NopRetryer{}
		}
	})
	if err != nil {
		return nil, x.describe(ctx, "put a part of", x.parts(), "s3:PutObject", err)
	}
	return out.ETag, nil
}

// complete makes an upload with one part an object.
func (x *s3Examiner) complete(ctx context.Context, id, etag, condition *string) error {
	algorithm, key, sum := x.options.SSE.customerKey()
	known := x.wrote(x.parts(), nil)
	out, err := x.client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
		Bucket: &x.url.Bucket, Key: aws.String(x.key(x.parts())), UploadId: id, IfNoneMatch: condition,
		MultipartUpload:      &types.CompletedMultipartUpload{Parts: []types.CompletedPart{{PartNumber: aws.Int32(1), ETag: etag}}},
		SSECustomerAlgorithm: algorithm, SSECustomerKey: key, SSECustomerKeyMD5: sum,
	})
	if err != nil {
		if !known {
			x.refused(x.parts(), err)
		}
		return x.describe(ctx, "complete the upload of", x.parts(), "s3:PutObject", err)
	}
	x.begun = slices.DeleteFunc(x.begun, func(u begunUpload) bool { return u.id == *id })
	x.wrote(x.parts(), out.VersionId)
	return nil
}

func (x *s3Examiner) abort(ctx context.Context, u begunUpload) error {
	_, err := x.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{
		Bucket: &x.url.Bucket, Key: aws.String(x.key(u.name)), UploadId: &u.id,
	})
	if code, _ := codeOf(err); err == nil || code == "NoSuchUpload" {
		x.begun = slices.DeleteFunc(x.begun, func(b begunUpload) bool { return b == u })
		return nil
	}
	return x.describe(ctx, "abort the upload of", u.name, "s3:AbortMultipartUpload", err)
}

// delete deletes one object or version. A delete marker that comes of it is to
// be deleted too.
func (x *s3Examiner) delete(ctx context.Context, object bucket.Object) error {
	out, err := x.client.DeleteObject(ctx, &s3.DeleteObjectInput{
		Bucket: &x.url.Bucket, Key: aws.String(x.key(object.Name)), VersionId: version(object),
	})
	if err != nil {
		return describe(ctx, x.failure("delete", object, "s3:DeleteObject"), err)
	}
	if object.Version == "" && aws.ToBool(out.DeleteMarker) && aws.ToString(out.VersionId) != "" {
		x.written = append(x.written, bucket.Object{Name: object.Name, Version: *out.VersionId})
	}
	return nil
}

// cleanUp removes all that was put, on a context of its own, and returns what
// remains.
func (x *s3Examiner) cleanUp(ctx context.Context) (left []string) {
	ctx, cancel := afterwards(ctx)
	defer cancel()
	for _, u := range slices.Clone(x.begun) {
		if err := x.abort(ctx, u); err != nil {
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

// isPrecondition: the store kept the condition of a request.
func isPrecondition(err error) bool {
	code, _ := codeOf(err)
	return code == "PreconditionFailed" || statusOf(err) == http.StatusPreconditionFailed
}

// isUnknown: the store does not know such a request.
func isUnknown(err error) bool {
	code, _ := codeOf(err)
	status := statusOf(err)
	return code == "NotImplemented" || status == http.StatusNotImplemented || status == http.StatusMethodNotAllowed
}

// isUnset: the bucket has no setting of the kind that was asked for.
func isUnset(err error) bool {
	code, _ := codeOf(err)
	return strings.HasPrefix(code, "NoSuch") && code != "NoSuchBucket" || strings.Contains(code, "NotFound")
}

// ask is for questions about the bucket: unset says what it means if it has no
// such setting.
func (x *s3Examiner) ask(ctx context.Context, what, action string, err error, unset Answer) (Answer, string, error) {
	if err != nil && isUnset(err) && !isUnknown(err) {
		return unset, "the bucket has none", nil
	}
	if err != nil {
		err = describe(ctx, failure{"get the " + what + " of", "s3://" + x.url.Bucket, action}, err)
	}
	return answerTo(err)
}
