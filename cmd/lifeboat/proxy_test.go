package main

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
	"time"
)

// proxy stands in front of a server, changed by change before it starts.
func proxy(t *testing.T, endpoint string, change func(*httputil.ReverseProxy)) string {
	t.Helper()
	target, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	p := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host // it is signed
	}}
	p.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }
	change(p)
	s := httptest.NewServer(p)
	t.Cleanup(s.Close)
	return s.URL
}

// clockAhead has the server's answers say that its clock is ahead.
func clockAhead(by time.Duration) func(*httputil.ReverseProxy) {
	return func(p *httputil.ReverseProxy) {
		p.ModifyResponse = func(r *http.Response) error {
			r.Header.Set("Date", time.Now().Add(by).UTC().Format(http.TimeFormat))
			return nil
		}
	}
}

// refusingEndpoint is where nobody listens: no program is given that port, as it may be
// one that was free a moment ago.
const refusingEndpoint = "http://127.0.0.1:1"

// silentEndpoint returns an endpoint that accepts connections and says nothing.
func silentEndpoint(t *testing.T) string {
	l := listen(t)
	var mu sync.Mutex
	var open []net.Conn
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, c)
			mu.Unlock()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		defer mu.Unlock()
		for _, c := range open {
			c.Close()
		}
	})
	return "http://" + l.Addr().String()
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// stalledBody begins to come, and then comes no further until the test ends.
type stalledBody struct {
	io.ReadCloser
	ended <-chan struct{}
	began bool
}

func (b *stalledBody) Read(p []byte) (int, error) {
	if b.began {
		<-b.ended
		return 0, io.ErrUnexpectedEOF
	}
	b.began = true
	return b.ReadCloser.Read(p[:min(len(p), 4<<10)])
}
