package s3store

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket/buckettest"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket/sidecar"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
)

// A store that does not know the condition is asked once more without it; an
// object that is there stays all the same.
func TestStoreWithoutConditions(t *testing.T) {
	server := testserver.Start(t)
	server.Setenv(t)
	b := openBucket(t, server, settings{Options: bucket.Options{PartSize: buckettest.PartSize}, intercept: fault(func(r *http.Request, next aws.HTTPClient) (*http.Response, error) {
		if r.Header.Get("If-None-Match") != "" {
			return answers(r, http.StatusNotImplemented, "NotImplemented", "A header you provided implies functionality that is not implemented"), nil
		}
		return next.Do(r)
	}).intercept})
	for _, size := range []int{10, buckettest.PartSize + 10} {
		name, data := fmt.Sprint("object-", size), buckettest.Content(size)
		o := buckettest.Put(t, b, name, data, bucket.Tags{"a": "b"})
		if _, err := b.Put(t.Context(), name, bucket.PutOptions{}, buckettest.InPieces(buckettest.Content(size+1))); !errors.Is(err, bucket.ErrExists) {
			t.Errorf("%v, want ErrExists", err)
		}
		if !bytes.Equal(buckettest.ReadAll(t, b, o), data) {
			t.Error("the old content is gone")
		}
		noUploads(t, server.Client(t), b, name)
	}
}

// A store that answers every tag with a refusal is used like a directory: tags
// are kept beside the objects, and nobody notices but for one warning.
func TestStoreWithoutTags(t *testing.T) {
	server := testserver.Start(t)
	for code, status := range map[string]int{"NotImplemented": http.StatusNotImplemented, "InvalidArgument": http.StatusBadRequest} {
		var log bytes.Buffer
		withoutTags := fault(func(r *http.Request, next aws.HTTPClient) (*http.Response, error) {
			if r.Header.Get("X-Amz-Tagging") != "" || r.URL.Query().Has("tagging") {
				return answers(r, status, code, "Header 'x-amz-tagging' with value 'a=b' not implemented"), nil
			}
			return next.Do(r)
		}).intercept
		s := contractStore(t, server, settings{Options: bucket.Options{Log: slog.New(slog.NewTextHandler(&log, nil))}, intercept: withoutTags})
		all := s.Clean
		s.Clean = func(t *testing.T, b bucket.Bucket, names ...string) {
			t.Helper()
			for _, name := range keys(t, server.Client(t), b.(*s3Store)) {
				if object, found := strings.CutSuffix(name, sidecar.Suffix); found && slices.Contains(names, object) {
					names = append(names, name)
				}
			}
			all(t, b, names...)
		}
		t.Run(code, func(t *testing.T) {
			buckettest.Contract(t, s, "tags", "put and read", "put existing", "put that fails", "put cancelled", "delete", "not found", "snapshots", "list")
			t.Run("damaged tags", func(t *testing.T) { buckettest.DamagedTags(t, s) })
		})
		log.Reset()
		b := s.Open(t)
		if beside, known := bucket.TagsBeside(b); beside || known {
			t.Errorf("%s: before any answer the tags are beside: %v, %v", code, beside, known)
		}
		for i := range 3 {
			buckettest.Put(t, b, fmt.Sprint("object-", i), buckettest.Content(10), bucket.Tags{"a": "b"})
		}
		if n := strings.Count(log.String(), "level=WARN"); n != 1 {
			t.Errorf("%s: warned %d times: %s", code, n, log.String())
		}
		// A later process finds the tags again.
		again, err := open(t.Context(), b.URL(), settings{intercept: withoutTags})
		if err != nil {
			t.Fatal(err)
		}
		if tags, err := again.Tags(t.Context(), buckettest.Find(t, again, "object-1")); err != nil || tags["a"] != "b" {
			t.Errorf("%s: read again: %v, %v", code, tags, err)
		}
	}
}

// Whether a store has tags is known when it has answered with some.
func TestStoreWithTags(t *testing.T) {
	server := testserver.Start(t)
	server.Setenv(t)
	b := openBucket(t, server, settings{})
	o := buckettest.Put(t, b, "object", nil, bucket.Tags{"a": "b"})
	if beside, known := bucket.TagsBeside(b); beside || known {
		t.Errorf("before any answer the tags are beside: %v, %v", beside, known)
	}
	if _, err := b.Tags(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if beside, known := bucket.TagsBeside(b); beside || !known {
		t.Errorf("after one the tags are beside: %v, %v", beside, known)
	}
}

// The store's clock is read from its answers.
func TestClockOffset(t *testing.T) {
	server := testserver.Start(t)
	server.Setenv(t)
	for _, ahead := range []time.Duration{0, 20 * time.Minute, -3 * time.Hour} {
		proxy := &http.Server{Handler: dateShifter(server.Endpoint, ahead)}
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() { defer close(ended); proxy.Serve(listener) }()
		t.Setenv("AWS_ENDPOINT_URL_S3", "http://"+listener.Addr().String())
		b := openBucket(t, server, settings{})
		if offset, known := b.ClockOffset(); offset != 0 || known {
			t.Errorf("offset %v before any answer", offset)
		}
		buckettest.List(t, b, "")
		if offset, known := b.ClockOffset(); !known || (offset-ahead).Abs() > time.Minute {
			t.Errorf("offset %v, want %v", offset, ahead)
		}
		proxy.Close()
		<-ended
	}
}

// dateShifter passes listings on and changes the time of the answers.
func dateShifter(endpoint string, ahead time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		request, err := http.NewRequestWithContext(r.Context(), r.Method, endpoint+r.URL.RequestURI(), r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		request.Header, request.Host = r.Header, r.Host
		response, err := http.DefaultTransport.RoundTrip(request)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer response.Body.Close()
		w.Header().Set("Content-Type", response.Header.Get("Content-Type"))
		w.Header().Set("Date", time.Now().Add(ahead).UTC().Format(http.TimeFormat))
		w.WriteHeader(response.StatusCode)
		io.Copy(w, response.Body)
	})
}
