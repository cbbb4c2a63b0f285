//go:build e2e

package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/deploy/kubernetes/kubetest"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// testCopy copies the snapshots to a second store in the cluster, asks for both places,
// and restores from the second one while the first is out of reach.
func testCopy(t *testing.T, a *app) {
	second := newStore(t, "second")
	bucket := second.server.Bucket(t)
	to := "s3://" + bucket + "/" + prefix
	a.keepProfile(t, "lifeboat-copy", second, policyOf(t, "copy", bucket, prefix))
	a.keepProfile(t, "second-restore", second, policyOf(t, "restore", bucket, prefix))
	dir := filepath.Join(a.dir, "deploy", "kubernetes")
	overlay := filepath.Join(dir, "overlays", "minio")
	edit(t, filepath.Join(overlay, "kustomization.yaml"),
		`# - \.\./\.\./components/copy.*`, "- ../../components/copy",
		`- BUCKET_URL=.*`, "- COPY_URL="+to+"\n      - BUCKET_URL="+a.url())
	kubetest.SecondStoreInside(t, dir)
	edit(t, filepath.Join(dir, "components", "copy", "network-policy.yaml"), `^ +- namespaceSelector: .*`,
		"        - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: "+string(second.namespace)+"}}")
	kubectl(t, "", "apply", "--kustomize="+overlay)

	before := a.state(t)
	a.start(t, "lifeboat-backup", "backup")
	a.completes(t, "backup")
	saved := a.hasOneSnapshot(t, prefix)
	a.kubectl(t, "create", "job", "copy", "--from=cronjob/lifeboat-copy")
	out := a.completes(t, "copy")
	t.Logf("copy: %s", out)
	if !strings.Contains(out, "copied: 1 snapshots") {
		t.Error("nothing is copied")
	}
	objects, err := second.server.Client(t).Objects(t.Context(), bucket, prefix+"/")
	if err != nil || len(objects) != 1 || !strings.HasPrefix(objects[0].Name, prefix+"/"+saved) {
		t.Fatalf("in the second store: %v, %v, want %s", objects, err, saved)
	}
	tags, err := second.server.Client(t).Tags(t.Context(), bucket, objects[0].Name)
	if err != nil || !series.IsHeld(tags[series.TagRetention]) {
		t.Errorf("in the second store: tags %v, %v", tags, err)
	}

	a.start(t, "lifeboat-copy", "status", command("status", "$(BUCKET_URL)", "--copy", "$(COPY_URL)", "--copy-profile", "second", "--max-age", "26h"))
	if out := a.completes(t, "status"); !strings.Contains(out, to+": in step, 1 of 1 snapshots") {
		t.Errorf("the status of both: %s", out)
	}
	a.start(t, "lifeboat-restore", "fallback", with("AWS_ENDPOINT_URL_S3", a.store.endpoint(nobodysPort)), withProfile("second-restore"),
		command("restore", "$(BUCKET_URL)", "/data/second.db", "--retry-for", "1s", "--fallback", "$(COPY_URL)", "--fallback-profile", "second"))
	if out := a.completes(t, "fallback"); !strings.Contains(out, "restored: snapshot "+saved) || !strings.Contains(out, "from the second place: "+to) {
		t.Errorf("restored: %s", out)
	}
	restored := filepath.Join(filepath.Dir(database), "second.db")
	if sum := strings.TrimSpace(a.exec(t, "sum", restored, fmt.Sprint(before.rows))); sum != before.sum {
		t.Errorf("the sum of row %d is %s, want %s", before.rows, sum, before.sum)
	}
}

// nobodysPort is one of the store's pod at which nothing answers.
const nobodysPort = 9

// keepProfile keeps the keys of a new user of a store in a Secret, as the profile second in
// a file of AWS settings.
func (a *app) keepProfile(t *testing.T, secret string, s *store, policy string) {
	t.Helper()
	user := s.server.As(t, policy)
	file := filepath.Join(t.TempDir(), "aws.config")
	text := fmt.Sprintf("[profile second]\naws_access_key_id = %s\naws_secret_access_key = %s\nendpoint_url = %s\n", user.AccessKey, user.SecretKey, s.endpoint(storePort))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	a.kubectl(t, "create", "secret", "generic", secret, "--from-file=config="+file)
}

// command sets what a job runs.
func command(args ...string) change {
	return func(job map[string]any) { containerOf(job)["args"] = args }
}

// withProfile mounts what keepProfile keeps, as the component copy does.
func withProfile(secret string) change {
	return func(job map[string]any) {
		pod, container := podOf(job), containerOf(job)
		volumes, _ := pod["volumes"].([]any)
		pod["volumes"] = append(volumes, map[string]any{"name": "profiles", "secret": map[string]any{"secretName": secret, "defaultMode": 0o444}})
		mounts, _ := container["volumeMounts"].([]any)
		container["volumeMounts"] = append(mounts, map[string]any{"name": "profiles", "mountPath": "/etc/lifeboat/aws", "readOnly": true})
		with("AWS_CONFIG_FILE", "/etc/lifeboat/aws/config")(job)
	}
}
