package s3store

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
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

// An altering turns a bit in some bodies on their way.
type altering struct {
	request, answer func(*http.Request) bool
	left            atomic.Int32 // bodies still to be altered
}

func (a *altering) pass(r *http.Request, next aws.HTTPClient) (*http.Response, error) {
	if a.request != nil && a.request(r) && a.left.Add(-1) >= 0 {
		data, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		data[len(data)/2] ^= 1
		r = r.Clone(r.Context())
		r.Body = io.NopCloser(bytes.NewReader(data))
	}
	response, err := next.Do(r)
	if err == nil && a.answer != nil && a.answer(r) && a.left.Add(-1) >= 0 {
		data, err := io.ReadAll(response.Body)
		if err := errors.Join(err, response.Body.Close()); err != nil {
			return nil, err
		}
		response.Body = io.NopCloser(bytes.NewReader(append([]byte("<!DOCTYPE html><p>"), data...)))
		response.ContentLength = int64(len(data) + 18)
	}
	return response, err
}

// What is altered on its way up never becomes an object over plain HTTP, where
// nothing else guards it: the signature covers the content.
func TestAlteredUpload(t *testing.T) {
	server := testserver.Start(t)
	server.Setenv(t)
	for name, c := range map[string]struct {
		size    int
		request func(*http.Request) bool
	}{
		"whole": {1000, isPut},
		"part":  {2*buckettest.PartSize + 1, isPart},
	} {
		t.Run(name, func(t *testing.T) {
			a := &altering{request: c.request}
			o := settings{Options: bucket.Options{PartSize: buckettest.PartSize}, intercept: fault(a.pass).intercept}
			b := openBucket(t, server, o)
			data := buckettest.Content(c.size)
			a.left.Store(1)
			if o := buckettest.Put(t, b, "object", data, nil); !bytes.Equal(buckettest.ReadAll(t, b, o), data) {
				t.Error("other content than what was put")
			}
			a.left.Store(1000)
			o.RetryFor = time.Second
			impatient, err := open(t.Context(), b.URL(), o)
			if err != nil {
				t.Fatal(err)
			}
			_, err = impatient.Put(t.Context(), "another", bucket.PutOptions{}, buckettest.InPieces(data))
			if !errors.Is(err, bucket.ErrUnreachable) || !strings.Contains(fmt.Sprint(err), "altered on the way") {
				t.Errorf("altered again and again: %v", err)
			}
			buckettest.SameNames(t, keys(t, server.Client(t), b), []string{"object"})
			noUploads(t, server.Client(t), b, "another")
		})
	}
}

// Over TLS the signature does not cover the content. Where somebody alters it
// within, such as a proxy that ends TLS, the SDK's checksums tell.
func TestAlteredUploadOverTLS(t *testing.T) {
	server := testserver.StartTLS(t)
	server.Setenv(t)
	t.Setenv("AWS_REQUEST_CHECKSUM_CALCULATION", "when_supported")
	for name, size := range map[string]int{"whole": 1000, "part": 2*buckettest.PartSize + 1} {
		t.Run(name, func(t *testing.T) {
			a := &altering{request: func(r *http.Request) bool { return r.Method == http.MethodPut && r.ContentLength > 100 }}
			b := openBucket(t, server, settings{Options: bucket.Options{PartSize: buckettest.PartSize}, intercept: fault(a.pass).intercept})
			data := buckettest.Content(size)
			a.left.Store(1)
			if o := buckettest.Put(t, b, "object", data, nil); !bytes.Equal(buckettest.ReadAll(t, b, o), data) {
				t.Error("other content than what was put")
			}
		})
	}
}

// An answer that is not S3's is told as such, and undoes nothing that was done.
func TestAlteredAnswers(t *testing.T) {
	server := testserver.Start(t)
	server.Setenv(t)
	isGet := func(query string) func(*http.Request) bool {
		return func(r *http.Request) bool { return r.Method == http.MethodGet && r.URL.Query().Has(query) }
	}
	a := &altering{}
	b := openBucket(t, server, settings{Options: bucket.Options{PartSize: buckettest.PartSize, RetryFor: time.Second}, intercept: fault(a.pass).intercept})
	o := buckettest.Put(t, b, "object", buckettest.Content(10), bucket.Tags{"a": "b"})
	a.left.Store(1 << 30)
	for name, c := range map[string]struct {
		answer func(*http.Request) bool
		call   func() error
	}{
		"list": {isGet("list-type"), func() error { _, err := series.Snapshots(t.Context(), b, time.Time{}); return err }},
		"tags": {isGet("tagging"), func() error { _, err := b.Tags(t.Context(), o); return err }},
		"create": {isCreate, func() error {
			_, err := b.Put(t.Context(), "create", bucket.PutOptions{}, buckettest.InPieces(buckettest.Content(buckettest.PartSize+1)))
			return err
		}},
	} {
		a.answer = c.answer
		if err := c.call(); !errors.Is(err, bucket.ErrUnreachable) || !strings.Contains(fmt.Sprint(err), "not an answer of S3's kind") {
			t.Errorf("%s: %v", name, err)
		}
	}
	a.answer = isComplete
	data := buckettest.Content(buckettest.PartSize + 1)
	if o := buckettest.Put(t, b, "complete", data, nil); !bytes.Equal(buckettest.ReadAll(t, b, o), data) {
		t.Error("other content than what was put")
	}
	buckettest.SameNames(t, keys(t, server.Client(t), b), []string{"object", "complete"})
	for _, name := range []string{"create", "complete"} {
		noUploads(t, server.Client(t), b, name)
	}
}
