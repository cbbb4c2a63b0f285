package s3store

import (
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket/buckettest"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket/sidecar"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
)

// An upload whose process was killed goes after a week, and no other does.
func TestSweepUploads(t *testing.T) {
	server := testserver.StartVersityGW(t)
	server.Setenv(t)
	b, client := openBucket(t, server, settings{}), server.Client(t)
	begin := func(key string) {
		if _, err := client.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: &b.url.Bucket, Key: &key}); err != nil {
			t.Fatal(err)
		}
	}
	left := buckettest.ObjectName(snapshot.NewID(time.Now()))
	begin(b.objectKey(left))
	begin(b.objectKey("below/" + left))
	begin("elsewhere/" + left)
	uploads := func() int {
		out, err := client.ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: &b.url.Bucket})
		if err != nil {
			t.Fatal(err)
		}
		return len(out.Uploads)
	}
	for _, step := range []struct {
		later time.Duration
		want  int
	}{{0, 3}, {unfinishedAge - time.Hour, 3}, {unfinishedAge + time.Hour, 2}, {unfinishedAge + time.Hour, 2}} {
		if err := b.Sweep(t.Context(), time.Now().Add(step.later)); err != nil {
			t.Fatal(err)
		}
		if got := uploads(); got != step.want {
			t.Errorf("%s later there are %d uploads, want %d", step.later, got, step.want)
		}
	}
	noUploads(t, client, b, left)
}

// Tags beside an object that never came, or is gone, go after a day.
func TestSweepSidecars(t *testing.T) {
	server := testserver.Start(t)
	server.Setenv(t)
	b, client := openBucket(t, server, settings{intercept: fault(func(r *http.Request, next aws.HTTPClient) (*http.Response, error) {
		if r.Header.Get("X-Amz-Tagging") != "" || r.URL.Query().Has("tagging") {
			return answers(r, http.StatusNotImplemented, "NotImplemented", "Header 'x-amz-tagging' not implemented"), nil
		}
		return next.Do(r)
	}).intercept}), server.Client(t)
	there, gone := buckettest.ObjectName(snapshot.NewID(time.Now())), buckettest.ObjectName(snapshot.NewID(time.Now().Add(-time.Hour)))
	buckettest.Put(t, b, there, []byte("x"), bucket.Tags{series.TagRetention: series.Held(series.Daily)})
	buckettest.Put(t, b, gone, []byte("x"), bucket.Tags{series.TagRetention: series.Held(series.Daily)})
	if beside, known := b.TagsBeside(); !beside || !known {
		t.Fatal("the tags are not beside")
	}
	if _, err := client.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &b.url.Bucket, Key: aws.String(b.objectKey(gone))}); err != nil {
		t.Fatal(err)
	}
	before := []string{sidecar.Of(gone), there, sidecar.Of(there)}
	for _, step := range []struct {
		later time.Duration
		want  []string
	}{{0, before}, {leftAge + time.Hour, before[1:]}} {
		if err := b.Sweep(t.Context(), time.Now().Add(step.later)); err != nil {
			t.Fatal(err)
		}
		buckettest.SameNames(t, keys(t, client, b), step.want)
	}
}
