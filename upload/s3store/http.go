package s3store

import (
	"context"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

const (
	dialTimeout   = 10 * time.Second
	answerTimeout = 60 * time.Second
	socketBuffer  = 128 << 10
	// maxIdle bounds the connections that wait for another request.
	maxIdle = 32

	minAnswerTimeout = 5 * time.Second
)

// A connections is what all stores of this process with the same limits share, so
// that a run over hundreds of series does not keep idle connections for each.
type connections struct {
	client *awshttp.BuildableClient // finds credentials

	mu         sync.Mutex
	transports []*http.Transport // for requests to stores, one for each CA bundle
}

// limits are how long a connection may stand still, and how long an answer is
// waited for.
type limits struct{ stall, patience time.Duration }

var (
	shared   = map[limits]*connections{}
	sharedMu sync.Mutex
)

// share returns the connections of all stores with these limits.
func share(l limits) *connections {
	sharedMu.Lock()
	defer sharedMu.Unlock()
	if shared[l] == nil {
		shared[l] = &connections{client: newHTTPClient(l)}
	}
	return shared[l]
}

// like returns the shared transport that trusts the same authorities as one that
// was just made.
func (c *connections) like(made *http.Transport) *http.Transport {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range c.transports {
		if t.TLSClientConfig.RootCAs.Equal(made.TLSClientConfig.RootCAs) {
			return t
		}
	}
	c.transports = append(c.transports, made)
	return made
}

// newHTTPClient returns the SDK's own kind of client, without which
// AWS_CA_BUNDLE does not work. No request can hang: not while connecting, not
// for want of an answer, and not with a body that stopped for the time stall.
func newHTTPClient(l limits) *awshttp.BuildableClient {
	dialer := &net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}
	return awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return &watchedConn{Conn: conn, stall: l.stall}, nil
		}
		t.ResponseHeaderTimeout = l.patience
		t.MaxIdleConns, t.MaxIdleConnsPerHost = maxIdle, maxIdle
		// An idle connection is closed before its deadline would break it.
		t.IdleConnTimeout = l.stall / 2
		t.WriteBufferSize = socketBuffer
		t.ReadBufferSize = socketBuffer
		// One connection for each transfer: parts do not queue behind another.
		t.ForceAttemptHTTP2 = false
	})
}

// withoutRedirects follows no redirect, which would take customer keys and
// content to where no user has sent them, over plain HTTP perhaps. The signature
// covers the host, so that no store can mean one.
func (c *connections) withoutRedirects(client aws.HTTPClient) aws.HTTPClient {
	buildable, ok := client.(*awshttp.BuildableClient)
	if !ok {
		return client
	}
	return &http.Client{
		Transport:     c.like(buildable.GetTransport()),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
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

// A storeClock learns the store's time from the Date of its answers.
type storeClock struct {
	ahead atomic.Int64 // nanoseconds
	seen  atomic.Bool
}

func (c *storeClock) offset() time.Duration { return time.Duration(c.ahead.Load()) }

// now returns the store's time.
func (c *storeClock) now() time.Time { return time.Now().Add(c.offset()) }

func (c *storeClock) watch(next aws.HTTPClient) aws.HTTPClient {
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
