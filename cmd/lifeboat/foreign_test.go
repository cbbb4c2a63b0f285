package main

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/needs"
)

// A server that says 200 OK to everything is no store: no verb believes that
// anything is there or not, and each names the setting.
func TestServersThatAreNoStores(t *testing.T) {
	needs.Time(t)
	db := filepath.Join(t.TempDir(), "app.db")
	sqlite(t, db, "CREATE TABLE t (a)")
	for name, body := range map[string]string{"ok": "OK", "empty": "", "page": "<!DOCTYPE html><html><body>Log in</body></html>"} {
		for _, verb := range []string{
			"backup " + db,
			"list", "list --versions", "show", "status", "verify", "doctor", "prune", "prune --yes", "prune --yes --ignore-shrink", "lifecycle release --ignore-shrink",
			"lifecycle plan", "lifecycle apply", "lifecycle apply --yes", "lifecycle show", "lifecycle release", "lifecycle freeze", "lifecycle thaw",
			"pin --snapshot 20261123T201500Z-3f9c2a", "unpin --snapshot 20261123T201500Z-3f9c2a",
			"restore --if-missing --allow-empty -- s3://bucket/app new.db",
			"restore --allow-empty --if-missing --at 2026-11-23T20:15:00Z -- s3://bucket/app new.db",
			"restore -- s3://bucket/app new.db",
		} {
			t.Run(name+"/"+verb, func(t *testing.T) {
				t.Chdir(t.TempDir())
				began := time.Now()
				err := againstStore(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, body) }), onBucket(verb)...)
				if exitCode(err) != exitRefused || !strings.Contains(hintFor(err), "AWS_ENDPOINT_URL_S3") {
					t.Errorf("exit %d: %v, hint %q", exitCode(err), err, hintFor(err))
				}
				if took := time.Since(began); took > time.Minute {
					t.Errorf("took %v", took)
				}
				if left, err := os.ReadDir("."); err != nil || len(left) > 0 {
					t.Errorf("left: %v, %v", left, err)
				}
			})
		}
	}
}

// onBucket returns the words of a command, with a bucket URL if it has none.
func onBucket(verb string) []string {
	if !strings.Contains(verb, "s3://") {
		verb += " s3://bucket/app"
	}
	return strings.Fields(verb)
}
