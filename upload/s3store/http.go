package s3store

import (
	"context"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

const (
	dialTimeout   = 10 * time.Second
	answerTimeout = 60 * time.Second
	socketBuffer  = 128 << 10

	minAnswerTimeout = 5 * time.Second
)

// newHTTPClient returns the SDK's own kind of client, without which
// AWS_CA_BUNDLE does not work. No request can hang: not while connecting, not
// for want of an answer, and not with a body that stopped for the time stall.
func newHTTPClient(stall, patience time.Duration) *awshttp.BuildableClient {
	dialer := &net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}
	return awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return &watchedConn{Conn: conn, stall: stall}, nil
		}
		t.ResponseHeaderTimeout = patience
		t.MaxIdleConnsPerHost = 32
		// An idle connection is closed before its deadline would break it.
		t.IdleConnTimeout = stall / 2
		t.WriteBufferSize = socketBuffer
		t.ReadBufferSize = socketBuffer
		// One connection for each transfer: parts do not queue behind another.
		t.ForceAttemptHTTP2 = false
	})
}

// withoutRedirects follows no redirect, which would take customer keys and
// content to where no user has sent them, over plain HTTP perhaps. The signature
// covers the host, so that no store can mean one.
func withoutRedirects(client aws.HTTPClient) aws.HTTPClient {
	buildable, ok := client.(*awshttp.BuildableClient)
	if !ok {
		return client
	}
	return &http.Client{
		Transport:     buildable.GetTransport(),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// patience returns how long an answer is waited for. Who retries for a short
// time does not wait much longer either.
func (o settings) patience() time.Duration {
	return min(answerTimeout, o.stall, max(o.RetryFor, minAnswerTimeout))
}

// A watchedConn fails when it has made no progress for the time stall. Writing
// counts for reading too, since an answer is awaited from the beginning of a
// long upload.
type watchedConn struct {
	net.Conn
	stall time.Duration
}

func (c *watchedConn) Read(p []byte) (int, error) {
	if err := c.SetDeadline(time.Now().Add(c.stall)); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

func (c *watchedConn) Write(p []byte) (int, error) {
	if err := c.SetDeadline(time.Now().Add(c.stall)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// A clock learns the store's time from the Date of its answers.
type clock struct {
	ahead atomic.Int64 // nanoseconds
	seen  atomic.Bool
}

func (c *clock) offset() time.Duration { return time.Duration(c.ahead.Load()) }

// now returns the store's time.
func (c *clock) now() time.Time { return time.Now().Add(c.offset()) }

func (c *clock) watch(next aws.HTTPClient) aws.HTTPClient {
	return doer(func(request *http.Request) (*http.Response, error) {
		response, err := next.Do(request)
		if err != nil {
			return response, err
		}
		if date, err := http.ParseTime(response.Header.Get("Date")); err == nil {
			c.ahead.Store(int64(time.Until(date)))
			c.seen.Store(true)
		}
		return response, nil
	})
}

// A doer is a function as an aws.HTTPClient.
type doer func(*http.Request) (*http.Response, error)

// Do implements aws.HTTPClient.
func (d doer) Do(request *http.Request) (*http.Response, error) { return d(request) }
