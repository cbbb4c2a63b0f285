package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Secrets come from files as they come from variables: that of a flag, which the flag
// itself overrides and which overrides a configuration, and those without one.
func TestSecretsFromFiles(t *testing.T) {
	var service notices
	server := httptest.NewServer(&service)
	defer server.Close()
	logins := make(chan string, 100)
	gateway := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		logins <- user + ":" + password
	}))
	defer gateway.Close()
	dir := t.TempDir()
	secret := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o400); err != nil {
			t.Fatal(err)
		}
		return path
	}
	db, bucket := filepath.Join(dir, "app.db"), "file://"+dir+"/bucket"
	sqlite(t, db, "CREATE TABLE t (x);")
	t.Setenv("LIFEBOAT_PING_URL_FILE", secret("ping-url", server.URL+"/of-the-file\n"))
	t.Setenv("LIFEBOAT_PUSHGATEWAY_USER", "job")
	t.Setenv("LIFEBOAT_PUSHGATEWAY_PASSWORD_FILE", secret("password", "hunter2\n"))
	told := func(want string) {
		t.Helper()
		if paths, _ := service.told(); !slices.Contains(paths, "POST /"+want) {
			t.Errorf("told %v, want %s", paths, want)
		}
	}

	out := lifeboat(t, 0, "backup", db, bucket, "--pushgateway", gateway.URL)
	told("of-the-file")
	if got := <-logins; got != "job:hunter2" || strings.Contains(out, "LIFEBOAT_") {
		t.Errorf("as %s: %s", got, out)
	}
	lifeboat(t, 0, "backup", db, bucket, "--ping-url", server.URL+"/of-the-flag")
	told("of-the-flag")
	configuration := secret("lifeboat.yaml", "databases: [{path: app.db, url: '"+bucket+"', ping-url: '"+server.URL+"/of-the-configuration'}]\n")
	lifeboat(t, 0, "backup", "--config", configuration)
	told("of-the-file")
	if out := lifeboat(t, 0, "config", "check", "--config", configuration, "--json"); !strings.Contains(out, `"ping-url": "${LIFEBOAT_PING_URL_FILE}"`) {
		t.Error(out)
	}
	t.Setenv("LIFEBOAT_PING_URL_FILE", "")
	lifeboat(t, 0, "backup", "--config", configuration)
	told("of-the-configuration")

	t.Setenv("LIFEBOAT_NOTIFY_URL_FILE", secret("notify-url", server.URL+"/notice-of-the-file\n"))
	lifeboat(t, 4, "backup", db+".none", bucket)
	told("notice-of-the-file")
	t.Setenv("LIFEBOAT_NOTIFY_URL_FILE", "")

	// What is wrong ends a command that would need it, before it does anything.
	for name, path := range map[string]string{
		"LIFEBOAT_PING_URL_FILE": dir + "/hunter2-none", "LIFEBOAT_PUSHGATEWAY_USER_FILE": secret("user", "hunter2-user"),
		"LIFEBOAT_SSE_CUSTOMER_KEY_FILE": secret("key", "hunter2-key"), "LIFEBOAT_PUSHGATEWAY_PASSWORD_FILE": secret("empty", ""),
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, path)
			out := lifeboat(t, 64, "backup", db, "s3://bucket/app", "--pushgateway", gateway.URL)
			if !strings.Contains(out, strings.TrimSuffix(name, "_FILE")) || strings.Contains(out, "hunter2") {
				t.Error(out)
			}
		})
	}
}
