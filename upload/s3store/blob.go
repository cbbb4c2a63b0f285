package s3store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/pause"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/reason"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

// Open implements Bucket. It asks nothing: an object that is missing shows at
// the first read.
func (b *s3Store) Open(ctx context.Context, object bucket.Object) (bucket.Blob, error) {
	return &s3Blob{ctx: ctx, bucket: b, object: object}, nil
}

// An s3Blob reads one object by ranged GETs.
type s3Blob struct {
	ctx    context.Context
	bucket *s3Store
	object bucket.Object
}

func (r *s3Blob) Close() error { return nil }

// ReadAt implements io.ReaderAt. A body that is cut off goes on where it
// stopped, for as long as a store may fail.
func (r *s3Blob) ReadAt(p []byte, offset int64) (int, error) {
	if offset < 0 {
		return 0, fmt.Errorf("read %s: negative offset %d", r.object.Name, offset)
	}
	if offset >= r.object.Size {
		return 0, io.EOF
	}
	want := int(min(int64(len(p)), r.object.Size-offset))
	got, err := r.read(p[:want], offset)
	if err == nil && want < len(p) {
		err = io.EOF
	}
	return got, err
}

func (r *s3Blob) read(p []byte, offset int64) (got int, err error) {
	progress := time.Now()
	for attempt := 1; got < len(p); attempt++ {
		n, err := r.get(p[got:], offset+int64(got))
		got += n
		if err == nil {
			continue
		}
		var cut *cutBody
		if !errors.As(err, &cut) || r.ctx.Err() != nil {
			return got, r.describe(err)
		}
		if n > 0 {
			attempt, progress = 1, time.Now()
		}
		if time.Since(progress) >= r.bucket.options.RetryFor {
			return got, reason.Errorf(bucket.ErrUnreachable, cut.err, "read %s/%s: the store keeps breaking off: %v", r.bucket.url, r.object.Name, networkText(cut.err))
		}
		if err := r.wait(attempt, cut); err != nil {
			return got, r.describe(err)
		}
	}
	return got, nil
}

func (r *s3Blob) wait(attempt int, cause error) error {
	delay, err := standard.RetryDelay(attempt, cause)
	if err != nil {
		return err
	}
	r.bucket.options.Log.Warn("the store broke off, reading on", "object", r.object.Name, "cause", cause, "attempt", attempt, "wait", delay)
	return pause.For(r.ctx, delay)
}

// A cutBody is a response body that ended early, with nothing wrong in its
// headers.
type cutBody struct{ err error }

func (e *cutBody) Error() string { return e.err.Error() }
func (e *cutBody) Unwrap() error { return e.err }

// get reads one range into p. It returns the bytes that have arrived, and a
// *cutBody if there should have been more. The ETag of the answer decides: a
// store may ignore the condition, and one that makes its ETags weak may say that
// none matches.
func (r *s3Blob) get(p []byte, offset int64) (int, error) {
	byteRange := fmt.Sprintf("bytes=%d-%d", offset, offset+int64(len(p))-1)
	out, err := r.request(byteRange, aws.String(`"`+r.object.ETag+`"`))
	if isPrecondition(err) {
		out, err = r.request(byteRange, nil)
	}
	if err != nil {
		return 0, err
	}
	defer out.Body.Close()
	wanted := fmt.Sprintf("bytes %d-%d/%d", offset, offset+int64(len(p))-1, r.object.Size)
	if aws.ToString(out.ContentRange) != wanted || opaque(out.ETag) != r.object.ETag {
		return 0, fmt.Errorf("asked for %s of %s, got %q of %s: %w",
			wanted, r.object.ETag, aws.ToString(out.ContentRange), aws.ToString(out.ETag), bucket.ErrChanged)
	}
	n, err := io.ReadFull(out.Body, p)
	if err != nil {
		return n, &cutBody{err}
	}
	return n, nil
}

func (r *s3Blob) request(byteRange string, ifMatch *string) (*s3.GetObjectOutput, error) {
	return r.bucket.client.GetObject(r.ctx, &s3.GetObjectInput{
		Bucket: &r.bucket.url.Bucket, Key: aws.String(r.bucket.objectKey(r.object.Name)), VersionId: version(r.object),
		Range: &byteRange, IfMatch: ifMatch,
	})
}

// describe adds to the description of an error that the object may have been
// replaced by another one.
func (r *s3Blob) describe(err error) error {
	f := r.bucket.failureOf("read", r.object, "s3:GetObject")
	switch {
	case r.ctx.Err() != nil:
	case errors.Is(err, bucket.ErrChanged):
		return fmt.Errorf("read %s: %w", f.where, err)
	case isPrecondition(err), statusOf(err) == http.StatusRequestedRangeNotSatisfiable:
		return &storeError{error: reason.Errorf(bucket.ErrChanged, err, "read %s: %v", f.where, bucket.ErrChanged)}
	}
	return describe(r.ctx, f, err)
}
