package s3store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket/buckettest"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
)

// A heldContext is an application's own, and counts what has registered with it
// and not gone since.
type heldContext struct {
	context.Context
	children atomic.Int64
}

// Done implements context.Context. Its channel is never closed.
func (c *heldContext) Done() <-chan struct{} { return make(chan struct{}) }

// AfterFunc is what package context calls for a child of a foreign context.
func (c *heldContext) AfterFunc(func()) (stop func() bool) {
	c.children.Add(1)
	var stopped atomic.Bool
	return func() bool {
		if stopped.Swap(true) {
			return false
		}
		c.children.Add(-1)
		return true
	}
}

// partsServer is a store for one upload in parts after another.
func partsServer(t *testing.T, size int) {
	var listed atomic.Pointer[string]
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/xml")
		switch {
		case isCreate(r):
			listed.Store(nil)
			io.WriteString(w, `<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>`)
		case isPart(r):
			w.Header().Set("ETag", `"e"`)
		case isComplete(r):
			key := strings.TrimPrefix(r.URL.Path, "/bucket/")
			listed.Store(&key)
			io.WriteString(w, `<CompleteMultipartUploadResult><ETag>"f"</ETag></CompleteMultipartUploadResult>`)
		default:
			contents := ""
			if key := listed.Load(); key != nil {
				contents = fmt.Sprintf(`<Contents><Key>%s</Key><Size>%d</Size><ETag>"f"</ETag><LastModified>%s</LastModified></Contents>`,
					*key, size, time.Now().UTC().Format(time.RFC3339))
			}
			fmt.Fprintf(w, `<ListBucketResult><IsTruncated>false</IsTruncated>%s</ListBucketResult>`, contents)
		}
	}))
	t.Cleanup(server.Close)
	useServer(t, server.URL)
}

// An upload in parts that succeeds leaves nothing registered with the caller's
// context, which may live as long as an application.
func TestPartsLeaveTheContext(t *testing.T) {
	content := buckettest.Content(2*buckettest.PartSize + 10)
	partsServer(t, len(content))
	b, err := Open(t.Context(), bucket.URL{Bucket: "bucket", Prefix: "app"}, bucket.Options{PartSize: buckettest.PartSize})
	if err != nil {
		t.Fatal(err)
	}
	ctx := &heldContext{Context: context.Background()}
	for i := range 3 {
		_, err := b.Put(ctx, fmt.Sprint("object-", i), bucket.PutOptions{MaxSize: int64(len(content))}, func(w io.Writer) error {
			_, err := io.Copy(w, bytes.NewReader(content))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if n := ctx.children.Load(); n != 0 {
		t.Errorf("%d contexts are registered with the caller's after 3 uploads", n)
	}
}

// What is stored keeps its tags on a store that loses them, also when no listing
// can show it.
func TestTagsAreKeptWithoutAListing(t *testing.T) {
	server := testserver.Start(t)
	server.Setenv(t)
	tags := bucket.Tags{series.TagRetention: series.Held(series.Daily)}
	var completed atomic.Bool
	b := openBucket(t, server, settings{Options: bucket.Options{PartSize: buckettest.PartSize}, intercept: fault(func(r *http.Request, next aws.HTTPClient) (*http.Response, error) {
		if completed.Load() && r.URL.Query().Has("list-type") {
			return answers(r, http.StatusForbidden, "AccessDenied", "Access Denied."), nil
		}
		response, err := next.Do(r)
		if isComplete(r) {
			completed.Store(true)
		}
		return response, err
	}).intercept})
	b.client = s3.New(b.client.Options(), func(o *s3.Options) {
		o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
			return stack.Build.Add(middleware.BuildMiddlewareFunc("LoseTags", func(ctx context.Context, in middleware.BuildInput, next middleware.BuildHandler) (middleware.BuildOutput, middleware.Metadata, error) {
				if r := in.Request.(*smithyhttp.Request); isCreate(r.Request) {
					r.Header.Del("X-Amz-Tagging")
				}
				return next.HandleBuild(ctx, in)
			}), middleware.After)
		})
	})
	data := buckettest.Content(buckettest.PartSize + 10)
	put, err := b.Put(t.Context(), "object", bucket.PutOptions{Tags: tags}, buckettest.InPieces(data))
	if !errors.Is(err, bucket.ErrRefused) || errors.Is(err, bucket.ErrUntagged) {
		t.Errorf("%v, want the listing's ErrRefused alone", err)
	}
	if got, err := b.Tags(t.Context(), put.Object); err != nil || !maps.Equal(got, tags) {
		t.Errorf("tags %v, %v", got, err)
	}
}

// The answer to the beginning of an upload is lost, the repetition is refused for
// its tags, and it begins without them: the first upload is swept all the same.
func TestLostBeginningIsSweptAfterAnother(t *testing.T) {
	server := testserver.Start(t)
	server.Setenv(t)
	var begun atomic.Int32
	b := openBucket(t, server, settings{Options: bucket.Options{PartSize: buckettest.PartSize}, intercept: fault(func(r *http.Request, next aws.HTTPClient) (*http.Response, error) {
		switch {
		case isCreate(r) && begun.Add(1) == 1:
			response, err := next.Do(r)
			if err != nil {
				return nil, err
			}
			response.Body.Close()
			return nil, errors.New("connection reset by peer")
		case r.Header.Get("X-Amz-Tagging") != "":
			return answers(r, http.StatusNotImplemented, "NotImplemented", "x-amz-tagging"), nil
		}
		return next.Do(r)
	}).intercept})
	buckettest.Put(t, b, "object", buckettest.Content(buckettest.PartSize+10), bucket.Tags{"a": "b"})
	if n := begun.Load(); n != 3 {
		t.Fatalf("%d attempts to begin an upload, want 3", n)
	}
	noUploads(t, server.Client(t), b, "object")
}
