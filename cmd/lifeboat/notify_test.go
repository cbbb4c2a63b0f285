package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/reports"
	"github.com/lifeboat-sqlite/lifeboat/deploy/docs/docstest"
)

// A mailbox keeps what is posted to it, and refuses what a service would refuse.
type mailbox struct {
	accepts func(map[string]any) bool
	mu      sync.Mutex
	bodies  []string
}

func (m *mailbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var document map[string]any
	if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" || json.Unmarshal(body, &document) != nil || m.accepts != nil && !m.accepts(document) {
		http.Error(w, "no", http.StatusBadRequest)
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.bodies = append(m.bodies, string(body))
}

// got returns what came since the last call.
func (m *mailbox) got() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	bodies := m.bodies
	m.bodies = nil
	return bodies
}

// A run that fails is told of, and with always every run, in one document.
func TestNotify(t *testing.T) {
	var box mailbox
	server := httptest.NewServer(&box)
	defer server.Close()
	dir := t.TempDir()
	db, bucket := filepath.Join(dir, "app.db"), "file://"+dir+"/bucket"
	sqlite(t, db, "CREATE TABLE t (x);")
	t.Setenv("LIFEBOAT_NOTIFY_URL", server.URL+"/secret-of-mine")
	lifeboat(t, 0, "backup", db, bucket)
	if got := box.got(); len(got) != 0 {
		t.Errorf("a run that is well: %q", got)
	}
	one := func() (m reports.Message) {
		t.Helper()
		got := box.got()
		if len(got) != 1 || json.Unmarshal([]byte(got[0]), &m) != nil {
			t.Fatalf("got %q", got)
		}
		return m
	}
	lifeboat(t, 0, "backup", db, bucket, "--notify-on", "always")
	if m := one(); m.Title != "lifeboat backup of app.db succeeded" || m.Type != "success" || !strings.HasPrefix(m.Message, "unchanged: ") || m.Exit != 0 || m.Reason != "" {
		t.Errorf("%+v", m)
	}
	lifeboat(t, 3, "backup", db, bucket, "--run-after", "sh -c 'echo not today; exit 1'")
	if m := one(); m.Title != "lifeboat backup of app.db is incomplete (exit 3)" || m.Type != "warning" || m.Reason != "run_after_failed" || !strings.Contains(m.Log, `level=NOTICE msg="not today"`) {
		t.Errorf("%+v", m)
	}
	out := lifeboat(t, 4, "backup", db+".none", bucket, "--debug")
	m := one()
	if m.Title != "lifeboat backup of app.db.none failed (exit 4)" || m.Type != "failure" || m.Reason != "source_unusable" || !strings.HasPrefix(m.Message, "error: ") {
		t.Errorf("%+v", m)
	}
	if m.Verb != "backup" || m.Database != "app.db.none" || m.BucketURL != bucket || m.Host == "" || m.Version == "" || m.Began.IsZero() || strings.Contains(out, "secret-of-mine") {
		t.Errorf("%+v: %s", m, out)
	}
	lifeboat(t, 9, "status", bucket, "--max-age", "1ns")
	if m := one(); m.Title != "lifeboat status of "+bucket+" failed (exit 9)" || m.Exit != 9 {
		t.Errorf("%+v", m)
	}
	// A service that refuses changes nothing, and its URL is not printed.
	t.Setenv("LIFEBOAT_NOTIFY_TEMPLATE", `["no object"]`)
	if out := lifeboat(t, 0, "backup", db, bucket, "--notify-on", "always"); !strings.Contains(out, `msg="the message to --notify-url was not taken"`) || strings.Contains(out, "secret-of-mine") {
		t.Error(out)
	}
	for _, wrong := range []string{"{", "text", "{} {}", `{"text": "{titel}"}`} {
		lifeboat(t, 64, "backup", db, bucket, "--notify-template", wrong)
	}
}

// Each run that is well says what was done: services refuse a message without text.
func TestNotifyOfWhatWasDone(t *testing.T) {
	var box mailbox
	server := httptest.NewServer(&box)
	defer server.Close()
	dir := t.TempDir()
	db, bucket := filepath.Join(dir, "app.db"), "file://"+dir+"/bucket"
	sqlite(t, db, "CREATE TABLE t (x);")
	file := filepath.Join(dir, "many.yaml")
	if err := os.WriteFile(file, []byte("databases: [{path: app.db, url: "+bucket+"}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("LIFEBOAT_NOTIFY_URL", server.URL)
	t.Setenv("LIFEBOAT_NOTIFY_ON", "always")
	for _, run := range []struct {
		says string
		args []string
	}{
		{"uploaded: ", []string{"backup", db, bucket}},
		{"^verified: snapshot [^\n]*$", []string{"verify", bucket, "--sql", "SELECT 4711"}}, // and no answer
		{"1 of 1 snapshots verified|verified: snapshot ", []string{"verify", bucket, "--all"}},
		{"newest ", []string{"status", bucket, "--max-age", "1h"}},
		{"copied: ", []string{"copy", bucket, "file://" + dir + "/second"}},
		{"deleted 0 of 1 snapshots", []string{"prune", bucket, "--keep-daily", "14d", "--yes"}},
		{"nothing to release", []string{"lifecycle", "release", bucket}},
		{"1 database: 0 uploaded, 1 unchanged", []string{"backup", "--config", file}},
		{"1 database: 1 verified", []string{"verify", "--config", file}},
		{"1 database: 1 done", []string{"prune", "--config", file, "--keep-daily", "14d", "--yes"}},
		{"lifeboat status succeeded", []string{"status", "--config", file, "--max-age", "1h"}},
	} {
		lifeboat(t, 0, append(run.args, "--quiet")...)
		var m reports.Message
		if got := box.got(); len(got) != 1 || json.Unmarshal([]byte(got[0]), &m) != nil || !regexp.MustCompile(run.says).MatchString(m.Message) {
			t.Errorf("%q: got %q, want a message with %q", run.args, got, run.says)
		}
	}
}

// The templates in the document make what each service takes, whatever is filled in.
func TestNotifyTemplates(t *testing.T) {
	text := func(document map[string]any, names ...string) bool {
		for _, name := range names {
			if s, is := document[name].(string); !is || s == "" {
				return false
			}
		}
		return true
	}
	services := map[string]func(map[string]any) bool{
		// https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
		"Slack": func(d map[string]any) bool { return text(d, "text") && len(d) == 1 },
		// https://docs.ntfy.sh/publish/#publish-as-json
		"ntfy": func(d map[string]any) bool { return text(d, "topic", "title", "message") && len(d) == 3 },
		// https://gotify.net/docs/pushmsg
		"Gotify": func(d map[string]any) bool { return text(d, "title", "message") },
		// https://github.com/caronc/apprise-api#api-details
		"Apprise": func(d map[string]any) bool {
			return text(d, "title", "body") && (d["type"] == "success" || d["type"] == "failure") && len(d) == 3
		},
	}
	dir := t.TempDir()
	db := filepath.Join(dir, `say "hi" {log}.db`)
	sqlite(t, db, "CREATE TABLE t (x);")
	rows := regexp.MustCompile("(?m)^\\| (Slack|ntfy|Gotify|Apprise).* \\| (?:`(\\{.*\\})`|none) \\|$").FindAllStringSubmatch(docstest.Read(t, filepath.Join(docstest.Top(t), "deploy", "monitoring", "README.md")), -1)
	if len(rows) != len(services) {
		t.Fatalf("rows %q", rows)
	}
	for _, row := range rows {
		box := &mailbox{accepts: services[row[1]]}
		server := httptest.NewServer(box)
		t.Setenv("LIFEBOAT_NOTIFY_TEMPLATE", row[2])
		out := lifeboat(t, 0, "backup", db, "file://"+dir+"/bucket", "--notify-url", server.URL, "--notify-on", "always")
		if got := box.got(); len(got) != 1 || strings.Contains(out, "level=") || !strings.Contains(got[0], `say \"hi\" {log}.db`) {
			t.Errorf("%s: got %q: %s", row[1], got, out)
		}
		server.Close()
	}
}
