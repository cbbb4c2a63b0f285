package reports

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// The credentials for a Pushgateway come from the environment and are shown
// nowhere. One that refuses or hangs is an error in time.
func TestPushgatewayRefusesOrHangs(t *testing.T) {
	t.Setenv(PushgatewayUser, "somebody")
	t.Setenv(PushgatewayPassword, "hunter2-secret")
	release := make(chan struct{})
	type login struct{ user, password string }
	logins := make(chan login, 2)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		logins <- login{user, password}
		if strings.HasPrefix(r.URL.Path, "/hang") {
			<-release
		}
		http.Error(w, "no", http.StatusForbidden)
	}))
	defer server.Close()
	defer close(release)
	for path, within := range map[string]time.Duration{"": time.Minute, "/hang": 200 * time.Millisecond} {
		var f Flags
		if err := f.Pushgateway.UnmarshalText([]byte(server.URL + path)); err != nil {
			t.Fatal(err)
		}
		r := Report{run: Run{Verb: "backup", Database: "app.db", URL: "s3://b/app"}, to: &f}
		err := r.sendMetrics(t.Context(), within)
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", path, err)
		}
		if path != "" { // it may not even have got the request
			continue
		}
		if as := <-logins; as != (login{"somebody", "hunter2-secret"}) {
			t.Errorf("as %v", as)
		}
	}
}

// What a gateway has accepted is pushed, also if the connection breaks in its answer. Of a
// refusal that breaks off the status is the error.
func TestPushgatewayBreaksOff(t *testing.T) {
	for status, fails := range map[int]bool{http.StatusOK: false, http.StatusBadRequest: true} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			w.WriteHeader(status)
			fmt.Fprint(w, "half a")
		}))
		defer server.Close()
		var f Flags
		if err := f.Pushgateway.UnmarshalText([]byte(server.URL)); err != nil {
			t.Fatal(err)
		}
		r := Report{run: Run{Verb: "backup", Database: "app.db", URL: "s3://b/app"}, to: &f}
		err := r.sendMetrics(t.Context(), time.Minute)
		if (err != nil) != fails || fails && !strings.HasSuffix(err.Error(), "400 Bad Request: half a") {
			t.Errorf("%d: %v", status, err)
		}
		again, err := sender{}.post(t.Context(), f.Pushgateway.to, "text/plain", "a notice")
		if (err != nil) != fails || again {
			t.Errorf("a notice, %d: %v, again %v", status, err, again)
		}
	}
}

// The run's own metrics are pushed first, and after a signal all of them together take no
// more than their time.
func TestPushesAfterASignal(t *testing.T) {
	for within := 300 * time.Millisecond; ; within *= 2 { // until a busy machine comes so far in it
		paths, err := pushesAfterASignal(t, within)
		if err != nil && strings.Contains(err.Error(), "the metrics of 47 more were not pushed") && len(paths) == 4 && strings.Contains(paths[0], "/config") {
			return
		}
		if within > 10*time.Second {
			t.Fatalf("within %v: pushed %q: %v", within, paths, err)
		}
	}
}

// pushesAfterASignal pushes the metrics of 51 runs, with a signal during the third, and to
// a gateway that answers no more than that. It returns what the gateway got.
func pushesAfterASignal(t *testing.T, within time.Duration) (paths []string, err error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var mu sync.Mutex
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		paths = append(paths, r.URL.Path)
		n := len(paths)
		mu.Unlock()
		if n == 3 {
			cancel()
		}
		if n > 3 {
			<-release
		}
	}))
	var f Flags
	if err := f.Pushgateway.UnmarshalText([]byte(server.URL)); err != nil {
		t.Fatal(err)
	}
	batch := &Batch{}
	for i := range 50 {
		r := Report{run: Run{Verb: "backup", Database: "db", URL: fmt.Sprintf("s3://b/%d", i)}, to: &f, with: batch}
		if err := r.sendMetrics(ctx, time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	r := Report{run: Run{Verb: "backup", Config: "/etc/lifeboat.yaml"}, to: &f, with: batch}
	err = r.sendMetrics(ctx, within)
	close(release)
	server.Close() // waits for all requests
	return paths, err
}
