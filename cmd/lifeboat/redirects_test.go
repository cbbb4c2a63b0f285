package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// Notices and metrics go to no other host than the one that was given: their
// URLs and headers have secrets, and another host may be asked in clear.
func TestNoticesAndMetricsFollowNoRedirect(t *testing.T) {
	var followed atomic.Int32
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { followed.Add(1) }))
	defer elsewhere.Close()
	dir := t.TempDir()
	db := filepath.Join(dir, "app.db")
	sqlite(t, db, "CREATE TABLE t (x)")
	t.Setenv("LIFEBOAT_PUSHGATEWAY_USER", "user")
	t.Setenv("LIFEBOAT_PUSHGATEWAY_PASSWORD", "hunter2")
	for _, status := range []int{http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect} {
		service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", elsewhere.URL+r.URL.Path)
			w.WriteHeader(status)
		}))
		t.Setenv("LIFEBOAT_PING_URL", service.URL+"/0f3c-uuid")
		t.Setenv("LIFEBOAT_PUSHGATEWAY", service.URL)
		out := lifeboat(t, 3, "backup", db, fmt.Sprintf("file://%s/bucket-%d", dir, status))
		if !strings.Contains(out, elsewhere.URL) || strings.Contains(out, "uuid") || strings.Contains(out, "hunter2") {
			t.Errorf("%d: printed %s", status, out)
		}
		service.Close()
	}
	if n := followed.Load(); n > 0 {
		t.Errorf("%d requests followed a redirect", n)
	}
}
