package reports

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// A service that hangs is waited for no longer than is allowed, and changes
// nothing about the run: nor does one that is not there.
func TestPingHangs(t *testing.T) {
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer server.Close()
	defer close(release)
	var printed bytes.Buffer
	log := slog.New(slog.NewTextHandler(&printed, nil))
	var to URL
	if err := to.UnmarshalText([]byte(server.URL + "/0f3c-uuid")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	p := startPing(ctx, to, "lifeboat/test", log)
	cancel() // as a signal does
	began := time.Now()
	p.end(t.Context(), 100*time.Millisecond, 1, "failed")
	if took := time.Since(began); took > time.Minute {
		t.Errorf("it took %v", took)
	}
	if text := printed.String(); strings.Count(text, "was not taken") != 2 || strings.Contains(text, "uuid") {
		t.Errorf("printed %s", text)
	}
}
