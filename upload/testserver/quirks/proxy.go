// Package quirks is a store that misbehaves, for tests: a proxy in front of a
// real one (see package testserver) that alters requests and answers, or gives
// answers of its own, as a list of quirks says.
package quirks

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/rawclient"
)

// A Quirk answers one request. It calls store.Do to let the store answer, with
// the request altered or not, and may alter the answer. An error cuts the
// client's connection.
type Quirk func(store *Store, r *http.Request) (*http.Response, error)

// A Proxy is a running proxy. As a Server it has the credentials and the region
// of the real one and the endpoint of the proxy, so Setenv makes a test use it.
type Proxy struct {
	testserver.Server

	mu     sync.Mutex
	counts map[string]int
}

// Start starts a proxy that speaks HTTP in front of the server and ends it when
// the test ends. The first quirk is the client's side, the last one the store's.
func Start(t testing.TB, server *testserver.Server, quirks ...Quirk) *Proxy {
	t.Helper()
	p, s := newProxy(t, server, quirks)
	s.Start()
	p.Endpoint, p.CAFile = s.URL, ""
	return p
}

// StartTLS is Start with HTTPS. The server behind it may speak HTTP.
func StartTLS(t testing.TB, server *testserver.Server, quirks ...Quirk) *Proxy {
	t.Helper()
	p, s := newProxy(t, server, quirks)
	s.StartTLS()
	p.Endpoint, p.CAFile = s.URL, filepath.Join(t.TempDir(), "ca.pem")
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(p.CAFile, certificate, 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

func newProxy(t testing.TB, server *testserver.Server, quirks []Quirk) (*Proxy, *httptest.Server) {
	t.Helper()
	target, err := url.Parse(server.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{Server: *server, counts: map[string]int{}}
	// A quirk decides about compression, and a test store's certificate is its own.
	transport := &http.Transport{DisableCompression: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	store := &Store{server: server, target: target, quirks: append([]Quirk{p.count}, quirks...), transport: transport}
	s := httptest.NewUnstartedServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host // it is signed
		},
		Transport:    roundTripper(store.Do),
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	})
	s.Config.ErrorLog = nil
	t.Cleanup(func() {
		s.CloseClientConnections() // an answer that stalls would hold up Close
		s.Close()
		transport.CloseIdleConnections()
	})
	return p, s
}

func (p *Proxy) count(store *Store, r *http.Request) (*http.Response, error) {
	p.mu.Lock()
	p.counts[Operation(r)]++
	p.mu.Unlock()
	return store.Do(r)
}

// Count returns how many requests of these operations have come, of all if none
// is given.
func (p *Proxy) Count(operations ...string) int {
	sum := 0
	for operation, n := range p.Counts() {
		if len(operations) == 0 || slices.Contains(operations, operation) {
			sum += n
		}
	}
	return sum
}

// Counts returns how many requests of each operation have come.
func (p *Proxy) Counts() map[string]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.counts)
}

// ResetCounts begins to count anew.
func (p *Proxy) ResetCounts() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.counts)
}

// A Store is what is behind a quirk: further quirks and the real store.
type Store struct {
	server    *testserver.Server
	target    *url.URL
	quirks    []Quirk
	transport http.RoundTripper
}

// Do lets the store answer.
func (s *Store) Do(r *http.Request) (*http.Response, error) {
	if len(s.quirks) == 0 {
		return s.transport.RoundTrip(r)
	}
	behind := *s
	behind.quirks = s.quirks[1:]
	return s.quirks[0](&behind, r)
}

// Sign signs the request again, as one that alters a signed header must.
func (s *Store) Sign(r *http.Request) error {
	return rawclient.Sign(r, s.server.Store())
}

// SetBody replaces the body of a request, and signs it again.
func (s *Store) SetBody(r *http.Request, body []byte) error {
	for name := range r.Header {
		if strings.HasPrefix(name, "X-Amz-Checksum-") {
			r.Header.Del(name)
		}
	}
	if r.Header.Get("Content-Md5") != "" {
		sum := md5.Sum(body)
		r.Header.Set("Content-Md5", base64.StdEncoding.EncodeToString(sum[:]))
	}
	sum := sha256.Sum256(body)
	r.Header.Set("X-Amz-Content-Sha256", hex.EncodeToString(sum[:]))
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return s.Sign(r)
}

// Answer makes an answer that is not the store's. The request's body is read
// first, as servers do.
func Answer(r *http.Request, status int, body string) (*http.Response, error) {
	if r.Body != nil {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return nil, err
		}
	}
	return &http.Response{
		StatusCode: status, Status: fmt.Sprint(status, " ", http.StatusText(status)),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:        http.Header{"Content-Type": {"application/xml"}, "Date": {time.Now().UTC().Format(http.TimeFormat)}},
		ContentLength: int64(len(body)), Body: io.NopCloser(strings.NewReader(body)), Request: r,
	}, nil
}

// AlterBody replaces an answer's body by what alter makes of it.
func AlterBody(response *http.Response, alter func(string) string) (*http.Response, error) {
	data, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if err := response.Body.Close(); err != nil {
		return nil, err
	}
	body := alter(string(data))
	response.Body, response.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
	response.Header.Set("Content-Length", fmt.Sprint(len(body)))
	return response, nil
}

type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
