//go:build e2e

package e2e_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/restore/drill"
)

// testReport runs the weekly drill and the job behind it, and reads the page on its claim.
func testReport(t *testing.T, a *app) {
	a.writeKeys(t, "drill", "drill")
	a.kubectl(t, "create", "secret", "generic", "lifeboat-drill", "--from-env-file="+filepath.Join(a.dir, "drill.env"))
	overlay := filepath.Join(a.dir, "deploy", "kubernetes", "overlays", "minio")
	edit(t, filepath.Join(overlay, "kustomization.yaml"), `# - \.\./\.\./components/report.*`, "- ../../components/report")
	kubectl(t, "", "apply", "--kustomize="+overlay)

	a.start(t, "lifeboat-backup", "backup")
	a.completes(t, "backup")
	saved := a.hasOneSnapshot(t, prefix)
	for _, job := range []string{"verify", "report"} {
		a.start(t, "lifeboat-"+job, job)
		t.Logf("%s: %s", job, a.completes(t, job))
	}
	objects, err := a.store.server.Client(t).Objects(t.Context(), a.bucket, prefix+"/"+drill.Folder+"/")
	if err != nil || len(objects) != 1 {
		t.Fatalf("records in the bucket: %v, %v, want one", objects, err)
	}

	a.start(t, "lifeboat-report", "show", func(job map[string]any) {
		container := containerOf(job)
		container["image"], container["command"], container["args"] = os.Getenv("E2E_IMAGE"), []any{"/writer"}, []any{"show", "/report/index.html"}
	})
	page := a.completes(t, "show")
	for _, want := range []string{"<!doctype html>", a.url(), `<data class="proved"`, "<code>" + saved + "</code>, on ", "</html>"} {
		if !strings.Contains(strings.ToLower(page), strings.ToLower(want)) {
			t.Errorf("the page does not have %s", want)
		}
	}
	if t.Failed() {
		t.Log(page)
	}
}
