package s3store

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
)

// useServer sets the environment so that stores are opened on an HTTP server.
func useServer(t *testing.T, url string) {
	(&testserver.Server{Endpoint: url, AccessKey: "a", SecretKey: "b"}).Setenv(t)
}

// A run over hundreds of series, one after another, keeps few connections open.
func TestSeriesShareConnections(t *testing.T) {
	var mu sync.Mutex
	open := map[net.Conn]bool{}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/xml")
		io.WriteString(w, `<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>`)
	}))
	server.Config.ConnState = func(c net.Conn, state http.ConnState) {
		mu.Lock()
		defer mu.Unlock()
		if state == http.StateClosed {
			delete(open, c)
		} else {
			open[c] = true
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	useServer(t, server.URL)
	const series = 300
	for i := range series {
		u, err := bucket.ParseURL(fmt.Sprintf("s3://bucket/app%d", i))
		if err != nil {
			t.Fatal(err)
		}
		b, err := Open(t.Context(), u, bucket.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, err := range b.List(t.Context(), "") {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if len(open) == 0 || len(open) > maxIdle {
		t.Errorf("%d connections are open after a request to each of %d series", len(open), series)
	}
}
