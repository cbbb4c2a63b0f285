package s3store

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket/buckettest"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/quirks"
)

// calls are all that is asked of a store, each on an object.
var calls = map[string]func(ctx context.Context, b *s3Store, o bucket.Object) error{
	"list": func(ctx context.Context, b *s3Store, _ bucket.Object) error {
		_, err := series.Snapshots(ctx, b, time.Time{})
		return err
	},
	"newest": func(ctx context.Context, b *s3Store, _ bucket.Object) error {
		_, err := series.Newest(ctx, b)
		return err
	},
	"find": func(ctx context.Context, b *s3Store, o bucket.Object) error {
		_, err := b.find(ctx, o.Name)
		return err
	},
	"never used": func(ctx context.Context, b *s3Store, _ bucket.Object) error { _, err := b.NeverUsed(ctx); return err },
	"versions": func(ctx context.Context, b *s3Store, _ bucket.Object) error {
		for _, err := range b.Versions(ctx) {
			return err
		}
		return nil
	},
	"tags": func(ctx context.Context, b *s3Store, o bucket.Object) error { _, err := b.Tags(ctx, o); return err },
	"set tags": func(ctx context.Context, b *s3Store, o bucket.Object) error {
		return b.SetTags(ctx, o, bucket.Tags{"a": "b"})
	},
	"delete": func(ctx context.Context, b *s3Store, o bucket.Object) error { return b.Delete(ctx, o) },
	"read": func(ctx context.Context, b *s3Store, o bucket.Object) error {
		blob, err := b.Open(ctx, o)
		if err != nil {
			return err
		}
		defer blob.Close()
		_, err = blob.ReadAt(make([]byte, 2), 0)
		return err
	},
	"put": func(ctx context.Context, b *s3Store, _ bucket.Object) error {
		_, err := b.Put(ctx, "whole", bucket.PutOptions{}, buckettest.InPieces(buckettest.Content(10)))
		return err
	},
	"put parts": func(ctx context.Context, b *s3Store, _ bucket.Object) error {
		_, err := b.Put(ctx, "parts", bucket.PutOptions{}, buckettest.InPieces(buckettest.Content(buckettest.PartSize+1)))
		return err
	},
	"rules": func(ctx context.Context, b *s3Store, _ bucket.Object) error { _, err := b.Rules(ctx); return err },
	"versioning": func(ctx context.Context, b *s3Store, _ bucket.Object) error {
		_, err := b.KeepsVersions(ctx)
		return err
	},
	"expiration": func(ctx context.Context, b *s3Store, o bucket.Object) error {
		_, err := b.Expiration(ctx, o)
		return err
	},
}

// What no S3 store answers is no empty bucket, no empty set of tags and no
// upload. As the first answer it shows that the endpoint is wrong, and is not
// asked again; later it is a store that fails.
func TestForeignAnswers(t *testing.T) {
	server := testserver.Start(t)
	for name, body := range map[string]string{
		"ok":          "OK",
		"empty":       "",
		"declaration": `<?xml version="1.0" encoding="UTF-8"?>`,
		"page":        "<!DOCTYPE html><html><body>Log in</body></html>",
		"other root":  "<ListAllMyBucketsResult></ListAllMyBucketsResult>",
		"json":        `{"status":"ok"}`,
	} {
		t.Run(name, func(t *testing.T) {
			var foreign atomic.Bool
			proxy := quirks.Start(t, server, quirks.When(func(*http.Request) bool { return foreign.Load() }, quirks.AnswerWith(http.StatusOK, body)))
			proxy.Setenv(t)
			for call, do := range calls {
				foreign.Store(false)
				b := openBucket(t, server, settings{Options: bucket.Options{PartSize: buckettest.PartSize, RetryFor: time.Millisecond}})
				first, err := Open(t.Context(), b.URL(), bucket.Options{PartSize: buckettest.PartSize})
				if err != nil {
					t.Fatal(err)
				}
				o := buckettest.Put(t, b, "object", buckettest.Content(10), bucket.Tags{"a": "b"})
				foreign.Store(true)
				if (body == "" || name == "declaration" || name == "other root") && (call == "delete" || call == "set tags") {
					continue // as good as S3's answer, which has no body
				}
				proxy.ResetCounts()
				if err := do(t.Context(), first.(*s3Store), o); !errors.Is(err, bucket.ErrRefused) || bucket.Setting(err) == "" {
					t.Errorf("%s at first: %v, %q, want ErrRefused and a setting", call, err, bucket.Setting(err))
				}
				if n := proxy.Count(); n > 3 { // an upload looks whether it has landed, and for parts
					t.Errorf("%s at first: asked %d times", call, n)
				}
				if err := do(t.Context(), b, o); !errors.Is(err, bucket.ErrUnreachable) || bucket.Setting(err) != "" {
					t.Errorf("%s later: %v, %q, want ErrUnreachable", call, err, bucket.Setting(err))
				}
			}
		})
	}
}

// An error that comes with a good status is one. The SDK knows it of Complete.
func TestErrorsWithGoodStatus(t *testing.T) {
	server := testserver.Start(t)
	body := "<?xml version=\"1.0\"?>\n\n<Error><Code>AccessDenied</Code><Message>no</Message></Error>"
	for operation, call := range map[string]string{
		"CompleteMultipartUpload": "put parts", "CreateMultipartUpload": "put parts", "PutObject": "put", "UploadPart": "put parts",
		"ListObjectsV2": "list", "ListObjectVersions": "versions", "GetObjectTagging": "tags", "PutObjectTagging": "set tags", "DeleteObject": "delete",
	} {
		t.Run(operation, func(t *testing.T) {
			server.Setenv(t)
			b := openBucket(t, server, settings{})
			o := buckettest.Put(t, b, "object", buckettest.Content(10), nil)
			lying := quirks.Start(t, server, quirks.On(quirks.AnswerWith(http.StatusOK, body), operation))
			lying.Setenv(t)
			liar, err := Open(t.Context(), b.URL(), bucket.Options{PartSize: buckettest.PartSize, RetryFor: time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			if err := calls[call](t.Context(), liar.(*s3Store), o); err == nil || errors.Is(err, bucket.ErrExists) {
				t.Errorf("%v, want an error", err)
			}
		})
	}
}

// An answer without end is broken off, and so is a page of an error.
func TestEndlessAnswers(t *testing.T) {
	for _, status := range []int{http.StatusOK, http.StatusForbidden, http.StatusNotFound} {
		var sent atomic.Int64
		endless := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(status)
			line := []byte("<ListBucketResult>" + strings.Repeat(" ", 1<<20))
			for {
				n, err := w.Write(line)
				if sent.Add(int64(n)); err != nil || sent.Load() > 1<<30 {
					return
				}
			}
		}))
		server := testserver.Server{Endpoint: endless.URL, AccessKey: "a", SecretKey: "b"}
		server.Setenv(t)
		b, err := Open(t.Context(), bucket.URL{Bucket: "bucket", Prefix: "app"}, bucket.Options{RetryFor: time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := series.Snapshots(t.Context(), b, time.Time{}); !errors.Is(err, bucket.ErrRefused) {
			t.Errorf("%d: %v, want ErrRefused", status, err)
		}
		endless.Close()
		if sent.Load() > 3*maxAnswer {
			t.Errorf("%d: %d bytes were taken", status, sent.Load())
		}
	}
}

// Proxies that change Accept-Encoding, as Google's and Cloudflare's do, make no
// signature wrong.
func TestRewrittenHeaders(t *testing.T) {
	server := testserver.Start(t)
	proxy := quirks.Start(t, server, quirks.RewriteAcceptEncoding(), func(store *quirks.Store, r *http.Request) (*http.Response, error) {
		r.Header.Set("Amz-Sdk-Request", "rewritten")
		r.Header.Del("Amz-Sdk-Invocation-Id")
		return store.Do(r)
	})
	proxy.Setenv(t)
	b := openBucket(t, server, settings{Options: bucket.Options{PartSize: buckettest.PartSize}})
	for name, call := range calls {
		o := buckettest.Put(t, b, "object-of-"+strings.ReplaceAll(name, " ", "-"), buckettest.Content(10), bucket.Tags{"a": "b"})
		if err := call(t.Context(), b, o); err != nil && !errors.Is(err, bucket.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// No redirect is followed: the next host, or the network on the way there,
// would get the customer key.
func TestRedirects(t *testing.T) {
	server := testserver.Start(t)
	elsewhere := quirks.Start(t, server)
	for name, front := range map[string]func(testing.TB, *testserver.Server, ...quirks.Quirk) *quirks.Proxy{"http": quirks.Start, "https": quirks.StartTLS} {
		proxy := front(t, server, quirks.RedirectTo(elsewhere.Endpoint))
		proxy.Setenv(t)
		o := bucket.Options{PartSize: buckettest.PartSize}
		if name == "https" {
			o.SSE.CustomerKey = buckettest.Content(32)
		}
		b, err := Open(t.Context(), bucket.URL{Bucket: "bucket", Prefix: "app"}, o)
		if err != nil {
			t.Fatal(err)
		}
		for call, do := range calls {
			err := do(t.Context(), b.(*s3Store), bucket.Object{Name: "object", Size: 10, ETag: "0"})
			if !errors.Is(err, bucket.ErrRefused) || !strings.Contains(err.Error(), elsewhere.Endpoint) || !strings.Contains(bucket.Setting(err), "AWS_ENDPOINT_URL_S3") {
				t.Errorf("%s from %s: %v, want ErrRefused and %s", call, name, err, elsewhere.Endpoint)
			}
		}
	}
	if n := elsewhere.Count(); n > 0 {
		t.Errorf("%d requests followed a redirect", n)
	}
}
