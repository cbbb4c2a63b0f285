package s3store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket/buckettest"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
)

// checkRefusal: the store said no, in plain words, at once, and without
// anything secret or the SDK's noise.
func checkRefusal(t *testing.T, what string, err error, words ...string) {
	t.Helper()
	if !errors.Is(err, bucket.ErrRefused) || errors.Is(err, bucket.ErrUnreachable) {
		t.Errorf("%s: %v, want ErrRefused", what, err)
		return
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%s: %q does not say %q", what, err, word)
		}
	}
	for _, noise := range []string{"operation error", "https response error", "RequestID", "hunter2", "get identity"} {
		if strings.Contains(err.Error(), noise) {
			t.Errorf("%s: %q says %q", what, err, noise)
		}
	}
}

// checkAllRefused calls everything that a bucket does.
func checkAllRefused(t *testing.T, b bucket.Bucket, words ...string) {
	t.Helper()
	ctx := t.Context()
	o := bucket.Object{Name: "object", Size: 10, ETag: "00"}
	_, listErr := series.Snapshots(ctx, b, time.Time{})
	_, smallErr := b.Put(ctx, "object", bucket.PutOptions{Tags: bucket.Tags{"a": "b"}}, buckettest.InPieces(buckettest.Content(10)))
	_, largeErr := b.Put(ctx, "object", bucket.PutOptions{}, buckettest.InPieces(buckettest.Content(2*defaultPart)))
	_, tagsErr := b.Tags(ctx, o)
	blob, err := b.Open(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	defer blob.Close()
	_, readErr := blob.ReadAt(make([]byte, 1), 0)
	for what, err := range map[string]error{
		"list": listErr, "put": smallErr, "put in parts": largeErr, "get tags": tagsErr, "read": readErr,
		"set tags": b.SetTags(ctx, o, nil), "delete": b.Delete(ctx, o),
	} {
		checkRefusal(t, what, err, append(words, "s3://")...)
	}
}

func TestRefusals(t *testing.T) {
	server := testserver.Start(t)
	bucketName := server.Bucket(t)
	for name, c := range map[string]struct {
		key, value, bucket string
		words              string
	}{
		"wrong secret":    {"AWS_SECRET_ACCESS_KEY", "hunter2-hunter2", bucketName, "the secret access key is wrong"},
		"unknown key":     {"AWS_ACCESS_KEY_ID", "nobody", bucketName, "does not know this access key ID"},
		"no such bucket":  {"AWS_REGION", "us-east-1", "no-such-bucket", "no such bucket"},
		"a token of lies": {"AWS_SESSION_TOKEN", "hunter2", bucketName, "session token is not valid"},
	} {
		t.Run(name, func(t *testing.T) {
			server.Setenv(t)
			t.Setenv(c.key, c.value)
			b, err := Open(t.Context(), bucket.URL{Bucket: c.bucket, Prefix: "app"}, bucket.Options{})
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			checkAllRefused(t, b, c.words)
			if took := time.Since(began); took > time.Minute {
				t.Errorf("took %v: a refusal was tried again", took)
			}
		})
	}
}

// The missing permission is named.
func TestDenied(t *testing.T) {
	testserver.Start(t).Setenv(t)
	b, err := open(t.Context(), bucket.URL{Bucket: "bucket", Prefix: "app"}, settings{intercept: fault(func(r *http.Request, _ aws.HTTPClient) (*http.Response, error) {
		return answers(r, http.StatusForbidden, "AccessDenied", "Access Denied."), nil
	}).intercept})
	if err != nil {
		t.Fatal(err)
	}
	o := bucket.Object{Name: "object", Size: 10, ETag: "00"}
	versioned := o
	versioned.Version = "v1"
	_, listErr := series.Snapshots(t.Context(), b, time.Time{})
	_, putErr := b.Put(t.Context(), "object", bucket.PutOptions{Tags: bucket.Tags{"a": "b"}}, buckettest.InPieces(nil))
	_, tagsErr := b.Tags(t.Context(), o)
	_, versionTagsErr := b.Tags(t.Context(), versioned)
	blob, _ := b.Open(t.Context(), o)
	_, readErr := blob.ReadAt(make([]byte, 1), 0)
	for action, err := range map[string]error{
		"s3:ListBucket": listErr, "s3:PutObject, and s3:PutObjectTagging for its tags": putErr,
		"s3:GetObjectTagging": tagsErr, "s3:GetObjectVersionTagging": versionTagsErr, "s3:GetObject ": readErr,
		"s3:PutObjectTagging": b.SetTags(t.Context(), o, nil), "s3:PutObjectVersionTagging": b.SetTags(t.Context(), versioned, nil),
		"s3:DeleteObject ": b.Delete(t.Context(), o), "s3:DeleteObjectVersion": b.Delete(t.Context(), versioned),
	} {
		checkRefusal(t, action, err, "access denied; the credentials need "+action)
	}
}

func TestOpenRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		environment map[string]string
		options     bucket.Options
		words       string
		setting     string
	}{
		"no credentials": {map[string]string{"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, bucket.Options{}, "no AWS credentials", ""},
		"half a key":     {map[string]string{"AWS_SECRET_ACCESS_KEY": ""}, bucket.Options{}, "no AWS credentials", "AWS_ACCESS_KEY_ID is set, and AWS_SECRET_ACCESS_KEY is not"},
		"no region":      {map[string]string{"AWS_REGION": "", "AWS_ENDPOINT_URL_S3": ""}, bucket.Options{}, "AWS_REGION", ""},
		"bad endpoint":   {map[string]string{"AWS_ENDPOINT_URL_S3": "127.0.0.1:9000"}, bucket.Options{}, "endpoint URL is not", "set AWS_ENDPOINT_URL_S3 to a URL such as https://127.0.0.1:9000"},
		"bad CA bundle":  {map[string]string{"AWS_CA_BUNDLE": "/no/such/file"}, bucket.Options{}, "AWS settings", "AWS_CA_BUNDLE names that file"},
		"no profile":     {map[string]string{"AWS_PROFILE": "prod"}, bucket.Options{}, "AWS settings", "there is no profile prod (AWS_PROFILE) in the AWS files ~/.aws/config and ~/.aws/credentials"},
		"key over HTTP":  {nil, bucket.Options{SSE: bucket.ServerSideEncryption{CustomerKey: buckettest.Content(32)}}, "https", ""},
	} {
		t.Run(name, func(t *testing.T) {
			(&testserver.Server{Endpoint: "http://127.0.0.1:1", AccessKey: "a", SecretKey: "hunter2"}).Setenv(t)
			for key, value := range c.environment {
				t.Setenv(key, value)
			}
			b, err := Open(t.Context(), bucket.URL{Bucket: "bucket", Prefix: "app"}, c.options)
			if b != nil {
				t.Error("a bucket beside an error")
			}
			checkRefusal(t, name, err, c.words, "s3://bucket/app")
			if setting := bucket.Setting(err); setting != c.setting {
				t.Errorf("setting %q, want %q", setting, c.setting)
			}
		})
	}
}

// A custom endpoint gets path-style addresses and no trailing checksums, a
// region if none is set, and the user's own checksum setting if there is one.
func TestCustomEndpoint(t *testing.T) {
	server := testserver.Start(t)
	for name, explicit := range map[string]bool{"default": false, "explicit checksums": true} {
		t.Run(name, func(t *testing.T) {
			server.Setenv(t)
			t.Setenv("AWS_REGION", "")
			if explicit {
				t.Setenv("AWS_REQUEST_CHECKSUM_CALCULATION", "when_supported")
			}
			// With an IP address for a host the SDK would do so by itself.
			t.Setenv("AWS_ENDPOINT_URL_S3", strings.Replace(server.Endpoint, "127.0.0.1", "localhost", 1))
			bucketName := server.Bucket(t)
			var requests, checksums atomic.Int32
			b, err := open(t.Context(), bucket.URL{Bucket: bucketName, Prefix: "app"}, settings{intercept: fault(func(r *http.Request, next aws.HTTPClient) (*http.Response, error) {
				requests.Add(1)
				if !strings.HasPrefix(r.URL.Path, "/"+bucketName) || strings.HasPrefix(r.URL.Host, bucketName) {
					t.Errorf("address %s is not path-style", r.URL)
				}
				for header := range r.Header {
					if h := strings.ToLower(header); strings.HasPrefix(h, "x-amz-checksum") || h == "x-amz-trailer" {
						checksums.Add(1)
					}
				}
				return next.Do(r)
			}).intercept})
			if err != nil {
				t.Fatal(err)
			}
			buckettest.Put(t, b, "small", buckettest.Content(10), nil)
			buckettest.Put(t, b, "large", buckettest.Content(defaultPart+1), nil)
			if got := checksums.Load() > 0; got != explicit || requests.Load() < 5 {
				t.Errorf("%d checksum headers in %d requests", checksums.Load(), requests.Load())
			}
		})
	}
}

// The store is asked for the end of a long series only.
func TestListAsksForTheEnd(t *testing.T) {
	testserver.Start(t).Setenv(t)
	var startAfter atomic.Value
	b, err := open(t.Context(), bucket.URL{Bucket: "bucket", Prefix: "app"}, settings{intercept: fault(func(r *http.Request, _ aws.HTTPClient) (*http.Response, error) {
		startAfter.Store(r.URL.Query().Get("start-after"))
		return answers(r, http.StatusForbidden, "AccessDenied", ""), nil
	}).intercept})
	if err != nil {
		t.Fatal(err)
	}
	_, err = series.Snapshots(t.Context(), b, time.Date(2026, 11, 23, 20, 15, 0, 0, time.UTC))
	checkRefusal(t, "list", err)
	if startAfter.Load() != "app/20261123T000000Z" { // the week's beginning: what is younger stands on nothing older
		t.Errorf("start-after %v", startAfter.Load())
	}
}

// A store of AWS' own gets neither.
func TestAWSEndpoint(t *testing.T) {
	(&testserver.Server{AccessKey: "a", SecretKey: "b"}).Setenv(t)
	var address atomic.Value
	b, err := open(t.Context(), bucket.URL{Bucket: "bucket", Prefix: "app"}, settings{intercept: fault(func(r *http.Request, _ aws.HTTPClient) (*http.Response, error) {
		address.Store(r.URL.Host)
		return answers(r, http.StatusForbidden, "AccessDenied", ""), nil
	}).intercept})
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.Put(t.Context(), "a", bucket.PutOptions{}, buckettest.InPieces(nil))
	checkRefusal(t, "put", err)
	if address.Load() != "bucket.s3.us-east-1.amazonaws.com" {
		t.Errorf("address %v", address.Load())
	}
	if o := b.client.Options(); o.RequestChecksumCalculation != aws.RequestChecksumCalculationWhenSupported {
		t.Error("no checksums for AWS")
	}
}

// Without the CA the certificate is refused, at once; with it all is well, and
// a reader without the customer key gets nothing.
func TestTLS(t *testing.T) {
	server := testserver.StartTLS(t)
	server.Setenv(t)
	key := bucket.ServerSideEncryption{CustomerKey: buckettest.Content(32)}
	b := openBucket(t, server, settings{Options: bucket.Options{SSE: key}})
	o := buckettest.Put(t, b, "object", buckettest.Content(10), nil)
	plain, err := Open(t.Context(), b.URL(), bucket.Options{})
	if err != nil {
		t.Fatal(err)
	}
	blob, err := plain.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := blob.ReadAt(make([]byte, 1), 0); err == nil {
		t.Error("the object can be read without the customer key")
	}

	t.Setenv("AWS_CA_BUNDLE", "")
	untrusting, err := Open(t.Context(), b.URL(), bucket.Options{})
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	_, err = series.Snapshots(t.Context(), untrusting, time.Time{})
	checkRefusal(t, "untrusted", err, "certificate is not trusted")
	if took := time.Since(began); took > time.Minute {
		t.Errorf("took %v: a refusal was tried again", took)
	}
}

// The store tells with the upload when a rule will take the object.
func TestExpirationIsReported(t *testing.T) {
	server := testserver.Start(t)
	server.Setenv(t)
	b := openBucket(t, server, settings{Options: bucket.Options{PartSize: buckettest.PartSize}, intercept: fault(func(r *http.Request, next aws.HTTPClient) (*http.Response, error) {
		response, err := next.Do(r)
		if err == nil {
			response.Header.Set("X-Amz-Expiration", `expiry-date="x", rule-id="y"`)
		}
		return response, err
	}).intercept})
	for _, size := range []int{10, buckettest.PartSize + 10} {
		if o := buckettest.PutAll(t, b, fmt.Sprint(size), buckettest.Content(size), nil); o.Expiration != `expiry-date="x", rule-id="y"` {
			t.Errorf("%d bytes: expiration %q", size, o.Expiration)
		}
	}
}

func TestStorageClass(t *testing.T) {
	server := testserver.Start(t)
	server.Setenv(t)
	b := openBucket(t, server, settings{Options: bucket.Options{PartSize: buckettest.PartSize, StorageClass: "REDUCED_REDUNDANCY"}})
	for _, size := range []int{10, buckettest.PartSize + 10} {
		name := fmt.Sprint(size)
		buckettest.Put(t, b, name, buckettest.Content(size), nil)
		out, err := server.Client(t).HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &b.url.Bucket, Key: aws.String(b.objectKey(name))})
		if err != nil || out.StorageClass != "REDUCED_REDUNDANCY" {
			t.Errorf("%d bytes: %+v, %v", size, out, err)
		}
	}
	b.options.StorageClass = "NONSENSE"
	_, err := b.Put(t.Context(), "object", bucket.PutOptions{}, buckettest.InPieces(nil))
	checkRefusal(t, "put", err, "storage class")
}

func BenchmarkS3(b *testing.B) {
	server := testserver.Start(b)
	server.Setenv(b)
	const size = 256 * mib
	chunk := buckettest.Content(4 * mib)
	opened, err := Open(b.Context(), bucket.URL{Bucket: server.Bucket(b), Prefix: "app"}, bucket.Options{})
	if err != nil {
		b.Fatal(err)
	}
	upload := func(name string) bucket.Object {
		o, err := opened.Put(context.Background(), name, bucket.PutOptions{MaxSize: size}, func(w io.Writer) error {
			for range size / len(chunk) {
				if _, err := w.Write(chunk); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
		return o.Object
	}
	b.Run("upload", func(b *testing.B) {
		b.SetBytes(size)
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if err := opened.Delete(context.Background(), upload(fmt.Sprint(i))); err != nil {
				b.Fatal(err)
			}
		}
	})
	o := upload("object")
	b.Run("download", func(b *testing.B) {
		b.SetBytes(size)
		for b.Loop() {
			download(b, opened, o)
		}
	})
}

// download reads an object as restore does: ranges of 4 MiB, four at a time.
func download(b *testing.B, bucket bucket.Bucket, o bucket.Object) {
	blob, err := bucket.Open(context.Background(), o)
	if err != nil {
		b.Fatal(err)
	}
	defer blob.Close()
	const length, readers = 4 * mib, 4
	errs := make(chan error, readers)
	var next atomic.Int64
	for range readers {
		go func() {
			p := make([]byte, length)
			for {
				offset := (next.Add(1) - 1) * length
				if offset >= o.Size {
					errs <- nil
					return
				}
				if n, err := blob.ReadAt(p, offset); n < length && err != io.EOF {
					errs <- err
					return
				}
			}
		}()
	}
	for range readers {
		if err := <-errs; err != nil {
			b.Error(err)
		}
	}
}
