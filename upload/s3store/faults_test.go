package s3store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
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

// A fault stands between the SDK and the network.
type fault func(request *http.Request, next aws.HTTPClient) (*http.Response, error)

func (f fault) intercept(next aws.HTTPClient) aws.HTTPClient {
	return doer(func(request *http.Request) (*http.Response, error) { return f(request, next) })
}

// answers makes an error response of S3's kind.
func answers(request *http.Request, status int, code, message string) *http.Response {
	body := fmt.Sprintf(`<?xml version="1.0"?><Error><Code>%s</Code><Message>%s</Message></Error>`, code, message)
	return &http.Response{
		StatusCode: status, Request: request, ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"application/xml"}},
		Body:   io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
	}
}

func isComplete(r *http.Request) bool {
	return r.Method == http.MethodPost && r.URL.Query().Has("uploadId")
}
func isCreate(r *http.Request) bool {
	return r.Method == http.MethodPost && r.URL.Query().Has("uploads")
}
func isPart(r *http.Request) bool {
	return r.Method == http.MethodPut && r.URL.Query().Has("uploadId")
}
func isPut(r *http.Request) bool { return r.Method == http.MethodPut && !r.URL.Query().Has("uploadId") }

// Each request fails once before it goes through.
func TestFailuresAreTriedAgain(t *testing.T) {
	server := testserver.Start(t)
	server.Setenv(t)
	for name, failing := range map[string]func(*http.Request) (*http.Response, error){
		"503": func(r *http.Request) (*http.Response, error) {
			return answers(r, http.StatusServiceUnavailable, "SlowDown", "Please reduce your request rate."), nil
		},
		"500 without a body": func(r *http.Request) (*http.Response, error) {
			response := answers(r, http.StatusInternalServerError, "", "")
			response.Body, response.ContentLength = http.NoBody, 0
			return response, nil
		},
		"429":   func(r *http.Request) (*http.Response, error) { return answers(r, 429, "TooManyRequests", ""), nil },
		"reset": func(*http.Request) (*http.Response, error) { return nil, errors.New("connection reset by peer") },
	} {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			failed := map[string]int{}
			b := openBucket(t, server, settings{Options: bucket.Options{PartSize: buckettest.PartSize}, intercept: fault(func(r *http.Request, next aws.HTTPClient) (*http.Response, error) {
				mu.Lock()
				request := r.Method + " " + r.URL.String()
				failed[request]++
				fail := failed[request] == 1
				mu.Unlock()
				if fail {
					return failing(r)
				}
				return next.Do(r)
			}).intercept})
			data := buckettest.Content(buckettest.PartSize + 1)
			o := buckettest.Put(t, b, "object", data, bucket.Tags{"a": "b"})
			buckettest.Put(t, b, "small", data[:10], nil)
			if !bytes.Equal(buckettest.ReadAll(t, b, buckettest.Find(t, b, "object")), data) {
				t.Error("other content than what was put")
			}
			if tags, err := b.Tags(t.Context(), o); err != nil || tags["a"] != "b" {
				t.Errorf("tags %v, %v", tags, err)
			}
			noUploads(t, server.Client(t), b, "object")
		})
	}
}

// A store that keeps failing is given up when RetryFor is over, not earlier,
// and nothing is left behind once it is back.
func TestOutageIsGivenUp(t *testing.T) {
	server := testserver.Start(t)
	server.Setenv(t)
	b := openBucket(t, server, settings{Options: bucket.Options{PartSize: buckettest.PartSize, RetryFor: time.Second}, intercept: fault(func(r *http.Request, next aws.HTTPClient) (*http.Response, error) {
		if isPart(r) {
			return answers(r, http.StatusServiceUnavailable, "SlowDown", "Please reduce your request rate."), nil
		}
		return next.Do(r)
	}).intercept})
	began := time.Now()
	_, err := b.Put(t.Context(), "object", bucket.PutOptions{}, buckettest.InPieces(buckettest.Content(3*buckettest.PartSize)))
	if took := time.Since(began); !errors.Is(err, bucket.ErrUnreachable) || took < 500*time.Millisecond || took > time.Minute {
		t.Errorf("%v after %v, want ErrUnreachable after a second or so", err, took)
	}
	if text := fmt.Sprint(err); strings.Contains(text, "operation error") || strings.Contains(text, "RequestID") || !strings.Contains(text, "SlowDown") {
		t.Errorf("error text %q", text)
	}
	noUploads(t, server.Client(t), b, "object")
	buckettest.SameNames(t, keys(t, server.Client(t), b), nil)
}

func TestRefusedConnection(t *testing.T) {
	testserver.Start(t).Setenv(t)
	t.Setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1") // no port that another program is given
	b, err := Open(t.Context(), bucket.URL{Bucket: "bucket", Prefix: "app"}, bucket.Options{RetryFor: 500 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	for name, call := range map[string]func(context.Context) error{
		"list": func(ctx context.Context) error { _, err := series.Snapshots(ctx, b, time.Time{}); return err },
		"put": func(ctx context.Context) error {
			_, err := b.Put(ctx, "a", bucket.PutOptions{}, buckettest.InPieces(nil))
			return err
		},
		"tags":   func(ctx context.Context) error { _, err := b.Tags(ctx, bucket.Object{Name: "a"}); return err },
		"delete": func(ctx context.Context) error { return b.Delete(ctx, bucket.Object{Name: "a"}) },
	} {
		if err := call(t.Context()); !errors.Is(err, bucket.ErrUnreachable) || !strings.Contains(err.Error(), "connection refused") {
			t.Errorf("%s: %v, want ErrUnreachable", name, err)
		}
	}
	reason := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(reason)
	if err := b.Delete(ctx, bucket.Object{Name: "a"}); !errors.Is(err, reason) || errors.Is(err, bucket.ErrUnreachable) {
		t.Errorf("cancelled: %v, want the reason of the cancellation", err)
	}
}

// A cutter is a proxy that passes some bytes of its first connections in one
// direction and then resets them, or, if stalling, passes nothing more.
type cutter struct {
	upward bool
	after  int64
	stall  bool
	left   atomic.Int32 // connections still to be cut
	done   chan struct{}
}

func (c *cutter) start(t *testing.T, server *testserver.Server) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c.done = make(chan struct{})
	ended := make(chan struct{})
	var connections sync.WaitGroup
	go func() {
		defer close(ended)
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			client.(*net.TCPConn).SetReadBuffer(64 << 10)
			connections.Go(func() { c.pass(client, strings.TrimPrefix(server.Endpoint, "http://")) })
		}
	}()
	t.Cleanup(func() { close(c.done); listener.Close(); <-ended; connections.Wait() })
	t.Setenv("AWS_ENDPOINT_URL_S3", "http://"+listener.Addr().String())
}

func (c *cutter) pass(client net.Conn, address string) {
	server, err := net.Dial("tcp", address)
	if err != nil {
		client.Close()
		return
	}
	both := func() { client.Close(); server.Close() }
	var copies sync.WaitGroup
	copies.Go(func() { c.copy(server, client, c.upward); both() })
	copies.Go(func() { c.copy(client, server, !c.upward); both() })
	copies.Wait()
}

func (c *cutter) copy(to, from net.Conn, cutting bool) {
	if !cutting {
		io.Copy(to, from)
		return
	}
	if n, _ := io.CopyN(to, from, c.after); n < c.after || c.left.Add(-1) < 0 {
		io.Copy(to, from)
		return
	}
	if c.stall {
		<-c.done
		return
	}
	to.(*net.TCPConn).SetLinger(0)
	from.(*net.TCPConn).SetLinger(0)
}

func TestBodiesCutOff(t *testing.T) {
	server := testserver.Start(t)
	server.Setenv(t)
	data := buckettest.Content(3*buckettest.PartSize + 5)
	for name, c := range map[string]*cutter{
		"upload":          {upward: true, after: buckettest.PartSize / 2},
		"download":        {after: buckettest.PartSize / 2},
		"upload stalls":   {upward: true, after: buckettest.PartSize / 2, stall: true},
		"download stalls": {after: buckettest.PartSize / 2, stall: true},
	} {
		t.Run(name, func(t *testing.T) {
			c.left.Store(3)
			c.start(t, server)
			b := openBucket(t, server, settings{Options: bucket.Options{PartSize: buckettest.PartSize}, stall: 5 * time.Second})
			o := buckettest.Put(t, b, "object", data, nil)
			if !bytes.Equal(buckettest.ReadAll(t, b, o), data) {
				t.Error("other content than what was put")
			}
			if left := c.left.Load(); left > 0 {
				t.Errorf("%d connections were never cut", left)
			}
			noUploads(t, server.Client(t), b, "object")
		})
	}
}

// The answer to the call that makes the object visible is lost, the call is
// repeated, and meets the work of the first: that is no ErrExists.
func TestLostAnswers(t *testing.T) {
	server := testserver.Start(t)
	server.Setenv(t)
	for name, c := range map[string]struct {
		size int
		lost func(*http.Request) bool
	}{
		"put":      {10, isPut},
		"create":   {buckettest.PartSize + 10, isCreate},
		"part":     {buckettest.PartSize + 10, isPart},
		"complete": {buckettest.PartSize + 10, isComplete},
	} {
		t.Run(name, func(t *testing.T) {
			var losses atomic.Int32
			b := openBucket(t, server, settings{Options: bucket.Options{PartSize: buckettest.PartSize}, intercept: fault(func(r *http.Request, next aws.HTTPClient) (*http.Response, error) {
				response, err := next.Do(r)
				if err != nil || !c.lost(r) || losses.Add(1) > 1 {
					return response, err
				}
				io.Copy(io.Discard, response.Body)
				response.Body.Close()
				return nil, errors.New("connection reset by peer")
			}).intercept})
			data := buckettest.Content(c.size)
			o := buckettest.Put(t, b, "object", data, bucket.Tags{"a": "b"})
			if losses.Load() < 2 {
				t.Errorf("%d attempts, want one that is lost and another", losses.Load())
			}
			if listed := buckettest.Find(t, b, "object"); o.ETag != listed.ETag || !bytes.Equal(buckettest.ReadAll(t, b, o), data) {
				t.Errorf("put returned %+v, listed is %+v, or the content differs", o, listed)
			}
			noUploads(t, server.Client(t), b, "object")
		})
		t.Run(name+" with another object there", func(t *testing.T) {
			var losses atomic.Int32
			b := openBucket(t, server, settings{Options: bucket.Options{PartSize: buckettest.PartSize}, intercept: fault(func(r *http.Request, next aws.HTTPClient) (*http.Response, error) {
				if !c.lost(r) || losses.Add(1) > 1 {
					return next.Do(r)
				}
				return nil, errors.New("connection reset by peer")
			}).intercept})
			losses.Store(1)
			buckettest.Put(t, b, "object", buckettest.Content(c.size+1), nil)
			losses.Store(0)
			if _, err := b.Put(t.Context(), "object", bucket.PutOptions{}, buckettest.InPieces(buckettest.Content(c.size))); !errors.Is(err, bucket.ErrExists) {
				t.Errorf("%v, want ErrExists", err)
			}
			noUploads(t, server.Client(t), b, "object")
		})
	}
}

// Cancelled at the worst moments, an upload is taken back.
func TestCancelledInFlight(t *testing.T) {
	server := testserver.Start(t)
	server.Setenv(t)
	for name, at := range map[string]func(*http.Request) bool{"create": isCreate, "part": isPart, "complete": isComplete} {
		t.Run(name, func(t *testing.T) {
			reason := errors.New("enough")
			ctx, cancel := context.WithCancelCause(t.Context())
			b := openBucket(t, server, settings{Options: bucket.Options{PartSize: buckettest.PartSize}, intercept: fault(func(r *http.Request, next aws.HTTPClient) (*http.Response, error) {
				if name == "create" && at(r) {
					// The store has done it when the answer is given up.
					response, err := next.Do(r.WithContext(context.WithoutCancel(r.Context())))
					cancel(reason)
					if err == nil && r.Context().Err() != nil {
						response.Body.Close()
						return nil, r.Context().Err()
					}
					return response, err
				}
				if at(r) {
					cancel(reason)
				}
				if r.Method == http.MethodGet && r.URL.Query().Has("uploads") {
					// Most credentials may not look for uploads.
					return answers(r, http.StatusForbidden, "AccessDenied", ""), nil
				}
				return next.Do(r)
			}).intercept})
			_, err := b.Put(ctx, "object", bucket.PutOptions{}, buckettest.InPieces(buckettest.Content(3*buckettest.PartSize+1)))
			if !errors.Is(err, reason) {
				t.Errorf("%v, want the reason of the cancellation", err)
			}
			noUploads(t, server.Client(t), b, "object")
			buckettest.SameNames(t, keys(t, server.Client(t), b), nil)
		})
	}
}

// A write function that makes light of failed writes changes nothing.
func TestIgnoredWriteErrors(t *testing.T) {
	server := testserver.Start(t)
	server.Setenv(t)
	b := openBucket(t, server, settings{Options: bucket.Options{PartSize: buckettest.PartSize}, intercept: fault(func(r *http.Request, next aws.HTTPClient) (*http.Response, error) {
		if isPart(r) && r.URL.Query().Get("partNumber") == "1" || isCreate(r) && strings.HasSuffix(r.URL.Path, "/create") {
			return answers(r, http.StatusForbidden, "AccessDenied", ""), nil
		}
		return next.Do(r)
	}).intercept})
	for _, name := range []string{"object", "create"} {
		_, err := b.Put(t.Context(), name, bucket.PutOptions{}, func(w io.Writer) error {
			for range 10 {
				w.Write(buckettest.Content(buckettest.PartSize))
			}
			return nil
		})
		if !errors.Is(err, bucket.ErrRefused) {
			t.Errorf("%s: %v, want ErrRefused", name, err)
		}
		noUploads(t, server.Client(t), b, name)
	}
	buckettest.SameNames(t, keys(t, server.Client(t), b), nil)
}

// All parts but the last have one size, as R2 demands.
func TestPartsAreEqual(t *testing.T) {
	server := testserver.Start(t)
	server.Setenv(t)
	b := openBucket(t, server, settings{Options: bucket.Options{PartSize: buckettest.PartSize}})
	buckettest.Put(t, b, "object", buckettest.Content(3*buckettest.PartSize+7), nil)
	for number, want := range []int64{1: buckettest.PartSize, 2: buckettest.PartSize, 3: buckettest.PartSize, 4: 7} {
		if number == 0 {
			continue
		}
		out, err := server.Client(t).HeadObject(t.Context(), &s3.HeadObjectInput{
			Bucket: &b.url.Bucket, Key: aws.String(b.objectKey("object")), PartNumber: aws.Int32(int32(number)),
		})
		if err != nil || *out.ContentLength != want || *out.PartsCount != 4 {
			t.Errorf("part %d: %+v, %v, want %d bytes of 4 parts", number, out, err, want)
		}
	}
}
