package s3store

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket/buckettest"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
)

// The connection is reset after every number of bytes of a grid over an upload
// in parts: in the headers, in the parts, at their ends, in the last call.
func TestResetsOnAGrid(t *testing.T) {
	server := testserver.Start(t)
	server.Setenv(t)
	data := buckettest.Content(2*buckettest.PartSize + 1000)
	grid := []int64{0, 1, 100, 700, 1500, buckettest.PartSize - 1, buckettest.PartSize, buckettest.PartSize + 200}
	for n := int64(buckettest.PartSize / 8); n < buckettest.PartSize; n += buckettest.PartSize / 6 {
		grid = append(grid, n)
	}
	for _, n := range grid {
		for _, upward := range []bool{true, false} {
			if !upward && n > 700 {
				continue // no answer is that long
			}
			c := &cutter{upward: upward, after: n}
			c.left.Store(2) // two connections, as two parts are on their way at once
			c.start(t, server)
			b := openBucket(t, server, settings{Options: bucket.Options{PartSize: buckettest.PartSize, Concurrency: 1}})
			o := buckettest.Put(t, b, "object", data, bucket.Tags{"a": "b"})
			if !bytes.Equal(buckettest.ReadAll(t, b, o), data) {
				t.Errorf("reset after %d bytes: other content than what was put", n)
			}
			if left := c.left.Load(); left > 1 {
				t.Errorf("%d bytes: nothing was cut", n)
			}
			buckettest.SameNames(t, keys(t, server.Client(t), b), []string{"object"})
			noUploads(t, server.Client(t), b, "object")
		}
	}
}

// The same for good: whoever cannot get through is told so, and has left
// nothing where at least the small call that takes back gets through.
func TestResetsForGood(t *testing.T) {
	server := testserver.Start(t)
	server.Setenv(t)
	for _, n := range []int64{4000, buckettest.PartSize / 2} {
		c := &cutter{upward: true, after: n}
		c.left.Store(1 << 30)
		c.start(t, server)
		b := openBucket(t, server, settings{Options: bucket.Options{PartSize: buckettest.PartSize, RetryFor: time.Second}})
		_, err := b.Put(t.Context(), "object", bucket.PutOptions{}, buckettest.InPieces(buckettest.Content(2*buckettest.PartSize+1000)))
		if !errors.Is(err, bucket.ErrUnreachable) {
			t.Errorf("always reset after %d bytes: %v", n, err)
		}
		buckettest.SameNames(t, keys(t, server.Client(t), b), nil)
		noUploads(t, server.Client(t), b, "object")
	}
}

// A key or token with a line break, as a file that was mounted has it, is told
// at once.
func TestCredentialsThatCannotBeSent(t *testing.T) {
	testserver.Start(t).Setenv(t)
	t.Setenv("AWS_SESSION_TOKEN", "hunter2\nx")
	b, err := Open(t.Context(), bucket.URL{Bucket: "bucket", Prefix: "app"}, bucket.Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = series.Snapshots(t.Context(), b, time.Time{})
	checkRefusal(t, "list", err, "line break")
}

// What a store says no to in the middle of an upload.
func TestRefusedInMidUpload(t *testing.T) {
	server := testserver.Start(t)
	server.Setenv(t)
	for code, c := range map[string]struct {
		status int
		words  string
	}{
		"ExpiredToken":                   {http.StatusBadRequest, "the session token has expired"},
		"AccessDenied":                   {http.StatusForbidden, "the credentials need s3:PutObject"},
		"RequestTimeTooSkewed":           {http.StatusForbidden, "this machine's clock differs too much"},
		"XMinioAdminBucketQuotaExceeded": {http.StatusBadRequest, "quota is used up"},
		"QuotaExceeded":                  {http.StatusForbidden, "quota is used up"},
		"InsufficientStorage":            {http.StatusInsufficientStorage, "the store is full"},
	} {
		t.Run(code, func(t *testing.T) {
			b := openBucket(t, server, settings{Options: bucket.Options{PartSize: buckettest.PartSize}, intercept: fault(func(r *http.Request, next aws.HTTPClient) (*http.Response, error) {
				if isPart(r) && r.URL.Query().Get("partNumber") == "2" {
					return answers(r, c.status, code, "No."), nil
				}
				return next.Do(r)
			}).intercept})
			_, err := b.Put(t.Context(), "object", bucket.PutOptions{}, buckettest.InPieces(buckettest.Content(3*buckettest.PartSize)))
			if !errors.Is(err, bucket.ErrRefused) || !strings.Contains(fmt.Sprint(err), c.words) {
				t.Errorf("%v, want a refusal with %q", err, c.words)
			}
			buckettest.SameNames(t, keys(t, server.Client(t), b), nil)
			noUploads(t, server.Client(t), b, "object")
		})
	}
}

// Credentials that run out in the middle of an upload are fetched anew.
func TestCredentialsAreRefreshed(t *testing.T) {
	server := testserver.Start(t)
	server.Setenv(t)
	dir := t.TempDir()
	calls := filepath.Join(dir, "calls")
	process := filepath.Join(dir, "credentials")
	script := fmt.Sprintf(`#!/bin/sh
echo >>%s
printf '{"Version":1,"AccessKeyId":"%s","SecretAccessKey":"%s","Expiration":"%%s"}' "$(date -u -d '+1 second' +%%FT%%TZ)"
`, calls, server.AccessKey, server.SecretKey)
	config := filepath.Join(dir, "config")
	if err := errors.Join(os.WriteFile(process, []byte(script), 0o700),
		os.WriteFile(config, []byte("[default]\ncredential_process = "+process+"\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	t.Setenv("AWS_CONFIG_FILE", config)
	fetched := func() int {
		data, err := os.ReadFile(calls)
		if err != nil {
			t.Fatal(err)
		}
		return len(data)
	}
	var before, after atomic.Int32
	b := openBucket(t, server, settings{Options: bucket.Options{PartSize: buckettest.PartSize}, intercept: fault(func(r *http.Request, next aws.HTTPClient) (*http.Response, error) {
		if isPart(r) && r.URL.Query().Get("partNumber") == "1" {
			before.Store(int32(fetched()))
			time.Sleep(1100 * time.Millisecond) // they run out in the next second
		}
		if isComplete(r) {
			after.Store(int32(fetched()))
		}
		return next.Do(r)
	}).intercept})
	data := buckettest.Content(2 * buckettest.PartSize)
	if o := buckettest.Put(t, b, "object", data, nil); !bytes.Equal(buckettest.ReadAll(t, b, o), data) {
		t.Error("other content than what was put")
	}
	if before.Load() >= after.Load() {
		t.Errorf("credentials fetched %d times before they ran out and %d times in all", before.Load(), after.Load())
	}
}

// A host without an address is told by its name.
func TestNoSuchHost(t *testing.T) {
	testserver.Start(t).Setenv(t)
	t.Setenv("AWS_ENDPOINT_URL_S3", "http://no-such-host.invalid:9000")
	b, err := Open(t.Context(), bucket.URL{Bucket: "bucket", Prefix: "app"}, bucket.Options{RetryFor: 500 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := series.Snapshots(t.Context(), b, time.Time{}); !errors.Is(err, bucket.ErrUnreachable) || !strings.Contains(err.Error(), "no-such-host.invalid") {
		t.Errorf("%v, want ErrUnreachable and the host", err)
	}
}

// A real quota of a bucket.
func TestQuota(t *testing.T) {
	server := testserver.Start(t)
	server.Setenv(t)
	b := openBucket(t, server, settings{Options: bucket.Options{PartSize: buckettest.PartSize}})
	server.SetQuota(t, b.url.Bucket, "1MiB")
	for _, size := range []int{2 << 20, 2*buckettest.PartSize + 1} {
		_, err := b.Put(t.Context(), "object", bucket.PutOptions{}, buckettest.InPieces(buckettest.Content(size)))
		if !errors.Is(err, bucket.ErrRefused) || !strings.Contains(fmt.Sprint(err), "quota is used up") {
			t.Errorf("%d bytes: %v, want a refusal that names the quota", size, err)
		}
	}
	buckettest.SameNames(t, keys(t, server.Client(t), b), nil)
	noUploads(t, server.Client(t), b, "object")
}
