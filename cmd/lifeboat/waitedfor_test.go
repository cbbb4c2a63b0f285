package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
)

// failingFor answers some requests for the series of a bucket with 503, and counts all.
type failingFor struct {
	http.RoundTripper
	fails func(series string, isList bool, request int) bool

	mu       sync.Mutex
	requests map[string]int // by series and whether they list it
}

func (f *failingFor) RoundTrip(r *http.Request) (*http.Response, error) {
	path, isList := strings.SplitN(r.URL.Path, "/", 4), r.URL.Query().Has("list-type")
	series := r.URL.Query().Get("prefix")
	if !isList {
		series = path[len(path)-1]
	}
	series = strings.TrimPrefix(series, "app/")[:1]
	key := fmt.Sprint(series, isList)
	f.mu.Lock()
	f.requests[key]++
	fails := f.fails(series, isList, f.requests[key])
	f.mu.Unlock()
	if fails {
		return &http.Response{StatusCode: http.StatusServiceUnavailable, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
	}
	return f.RoundTripper.RoundTrip(r)
}

// TestRestoreAllWaitsOnce: a first place that is down is waited for once, not for each
// database, and one that is back has all of --retry-for again. A second place that is down
// is asked once for newer snapshots.
func TestRestoreAllWaitsOnce(t *testing.T) {
	server := testserver.Start(t)
	bucket, dir := server.Bucket(t), t.TempDir()
	for name, value := range server.Environment() {
		t.Setenv(name, value)
	}
	config := "databases:\n"
	for i := range 4 {
		path := filepath.Join(dir, fmt.Sprint(i+1, ".db"))
		url := fmt.Sprintf("s3://%s/app/%d", bucket, i+1)
		sqlite(t, path, "CREATE TABLE t (a)")
		lifeboat(t, 0, "backup", path, url)
		config += fmt.Sprintf("  - {path: %s, url: %q}\n", path, url)
	}
	file := filepath.Join(dir, "lifeboat.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	lifeboat(t, 0, "copy", "--config", file, "--to", "file://"+dir+"/second")

	failing := &failingFor{requests: map[string]int{}, fails: func(series string, isList bool, request int) bool {
		return series == "1" || series == "2" || series == "3" && !isList && request == 1 || series == "4" && isList && request == 1
	}}
	t.Setenv("AWS_ENDPOINT_URL_S3", proxy(t, server.Endpoint, func(p *httputil.ReverseProxy) {
		failing.RoundTripper, p.Transport = http.DefaultTransport, failing
	}))
	command := exec.Command("lifeboat", "restore", "--all", "--config", file, "--to", filepath.Join(dir, "back"), "--json",
		"--fallback", "file://"+dir+"/second", "--parallel", "1", "--retry-for", "5s")
	command.Stderr = os.Stderr
	out, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	var result struct {
		Databases []struct{ Result restoreDocument }
	}
	if err := json.Unmarshal(out, &result); err != nil {
		t.Fatal(err)
	}
	for i, second := range []bool{true, true, false, false} {
		if r := result.Databases[i].Result; !r.Restored || r.Second != second {
			t.Errorf("%d: %+v, want the second place: %t", i+1, r, second)
		}
	}
	if first, next := failing.requests["1true"], failing.requests["2true"]; first < 2 || next != 1 {
		t.Errorf("%d requests for the database that found the store down, want some, and %d for the next, want 1", first, next)
	}
	for _, key := range []string{"3false", "4true"} {
		if failing.requests[key] < 2 {
			t.Errorf("%d requests of %s: one that failed was not made again", failing.requests[key], key)
		}
	}

	// The second place is down while the first serves all.
	var mu sync.Mutex
	asked := map[string]bool{}
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked[r.URL.Query().Get("prefix")] = true
		mu.Unlock()
		<-r.Context().Done()
	}))
	t.Cleanup(silent.Close)
	t.Setenv("AWS_ENDPOINT_URL_S3", server.Endpoint)
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(dir, "aws.config"))
	profile := "[profile second]\naws_access_key_id = id\naws_secret_access_key = secret\nregion = us-east-1\nendpoint_url = " + silent.URL + "\n"
	if err := os.WriteFile(filepath.Join(dir, "aws.config"), []byte(profile), 0o600); err != nil {
		t.Fatal(err)
	}
	said := lifeboat(t, 0, "restore", "--all", "--config", file, "--to", filepath.Join(dir, "again"),
		"--fallback", "s3://second", "--fallback-profile", "second", "--parallel", "1")
	mu.Lock()
	defer mu.Unlock()
	if len(asked) != 1 || strings.Count(said, "the second place cannot serve") != 1 {
		t.Errorf("a second place that is down was asked for %v: %s", asked, said)
	}
}
