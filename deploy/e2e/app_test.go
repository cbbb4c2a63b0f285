//go:build e2e

package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// An app is an application in a namespace of its own, with a database on a
// volume, a bucket, and the MinIO overlay.
type app struct {
	namespace
	store  *store
	bucket string
	dir    string // where the commands of documents run
}

// database is the application's file, in its own pod.
const database = "/var/lib/app/app.db"

// prefix is that of its snapshots.
const prefix = "app"

// newApp starts one as a user would: the example of an application, and what
// deploy/README.md says.
func newApp(t *testing.T, s *store, v *volumes, name string) *app {
	t.Helper()
	a := newEmptyApp(t, s, v, name)
	for _, role := range []string{"backup", "restore", "release", "admin"} {
		a.writeKeys(t, role, role)
	}
	a.copyManifests(t)
	a.follow(t, readConsole(t, "README.md", 2)[0])
	// The overlay's own policy lets out to the store's port, but not to those
	// where the proxy makes it slow or breaks it.
	a.apply(t, render(`
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: e2e-proxy}
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress: [{to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: "${STORE}"}}}]}]
`, "STORE", string(s.namespace)))
	kubectl(t, "", "apply", "--kustomize="+filepath.Join(a.dir, "deploy", "kubernetes", "example"))
	a.waitUntilRunning(t)
	return a
}

// newEmptyApp makes a namespace with a volume and a bucket.
func newEmptyApp(t *testing.T, s *store, v *volumes, name string) *app {
	t.Helper()
	for _, claim := range []string{"app-data", "lifeboat-report"} {
		v.make(t, runName+"-"+name, claim) // before the namespace, so that it goes after it
	}
	return &app{newNamespace(t, runName+"-"+name, "restricted"), s, s.server.Bucket(t), t.TempDir()}
}

// writeKeys writes a file of variables, NAME.env, with the keys of a new user who has
// the policies of roles in deploy/iam, for both series.
func (a *app) writeKeys(t *testing.T, name string, roles ...string) {
	t.Helper()
	var policies []string
	for _, role := range roles {
		for _, p := range []string{prefix, prefix + "-compact"} {
			policies = append(policies, policyOf(t, role, a.bucket, p))
		}
	}
	user := a.store.server.As(t, policies...)
	text := "AWS_ACCESS_KEY_ID=" + user.AccessKey + "\nAWS_SECRET_ACCESS_KEY=" + user.SecretKey + "\n"
	if err := os.WriteFile(filepath.Join(a.dir, name+".env"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// policyOf returns the policy of a role in deploy/iam for one series.
func policyOf(t *testing.T, role, bucket, prefix string) string {
	t.Helper()
	policy, err := os.ReadFile(filepath.Join("..", "iam", role+"-minio.json"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.NewReplacer("BUCKET", bucket, "PREFIX", prefix).Replace(string(policy))
}

// url is where its snapshots go.
func (a *app) url() string { return "s3://" + a.bucket + "/" + prefix }

// copyManifests copies deploy/kubernetes and changes what a user changes: lines
// of the overlay and of the example. And all schedules, or some CronJob would
// start by itself while the test runs, if it runs at the wrong minute.
func (a *app) copyManifests(t *testing.T) {
	t.Helper()
	dir := filepath.Join(a.dir, "deploy", "kubernetes")
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("..", "kubernetes"))); err != nil {
		t.Fatal(err)
	}
	edit(t, filepath.Join(dir, "overlays", "minio", "kustomization.yaml"),
		`^namespace: .*`, "namespace: "+string(a.namespace),
		`^images: .*`, "images: ["+image("lifeboat", "IMAGE")+"]",
		`- CLAIM=\S+`, "- CLAIM=app-data",
		`- BUCKET_URL=\S+`, "- BUCKET_URL="+a.url(),
		`- AWS_ENDPOINT_URL_S3=\S+`, "- AWS_ENDPOINT_URL_S3="+a.store.endpoint(storePort),
		`- TEMP_SIZE=\S+`, "- TEMP_SIZE=1Gi")
	edit(t, filepath.Join(dir, "overlays", "minio", "network-policy.yaml"),
		`metadata.name: minio\b`, "metadata.name: "+string(a.store.namespace))
	edit(t, filepath.Join(dir, "example", "kustomization.yaml"),
		`^namespace: .*`, "namespace: "+string(a.namespace),
		`\{name: lifeboat, .*\}`, image("lifeboat", "IMAGE"),
		`\{name: app, .*\}`, image("app", "E2E_IMAGE"))
	later := fmt.Sprintf("schedule: %d * * * *", time.Now().UTC().Add(30*time.Minute).Minute())
	for _, cronJob := range []string{"base/backup", "components/compact/compact", "components/release/release",
		"components/release-compact/release", "components/status/status",
		"components/status-compact/status", "components/copy/copy", "components/verify/verify", "components/report/report"} {
		edit(t, filepath.Join(dir, cronJob+".yaml"), `schedule: .*`, later)
	}
}

// image is a line that puts the image which a variable names in the place of
// another.
func image(name, variable string) string {
	full := os.Getenv(variable)
	i := strings.LastIndex(full, ":")
	return fmt.Sprintf("{name: %s, newName: %s, newTag: %q}", name, full[:i], full[i+1:])
}

// edit replaces what a line of a file matches, for pairs of patterns and texts.
func edit(t *testing.T, file string, pairs ...string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(pairs); i += 2 {
		line := regexp.MustCompile("(?m)" + pairs[i])
		if n := len(line.FindAll(text, -1)); n != 1 {
			t.Fatalf("%s has %d lines with %s, want one", file, n, pairs[i])
		}
		text = line.ReplaceAllLiteral(text, []byte(pairs[i+1]))
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func (a *app) waitUntilRunning(t *testing.T) {
	t.Helper()
	a.kubectl(t, "rollout", "status", "deployment/app", "--timeout=90s")
	eventually(t, 20*time.Second, "the first row", func() (string, bool) {
		out, err := a.tried(t.Context(), "exec", "deployment/app", "--", "/writer", "sum", database, "1")
		return fmt.Sprint(out, err), err == nil
	})
}

// exec runs the writer in the application's pod.
func (a *app) exec(t *testing.T, args ...string) string {
	t.Helper()
	return a.kubectl(t, append([]string{"exec", "deployment/app", "--", "/writer"}, args...)...)
}

// A state is what a database holds: so many rows, and a sum of all of them.
type state struct {
	rows int
	sum  string
}

// state has the running application's database checked, row for row.
func (a *app) state(t *testing.T) (s state) {
	t.Helper()
	text := a.exec(t, "state", database)
	if _, err := fmt.Sscan(text, &s.rows, &s.sum); err != nil {
		t.Fatalf("the state is %q: %v", text, err)
	}
	return s
}

// remove takes the database away from below the running application.
func (a *app) remove(t *testing.T) {
	t.Helper()
	a.exec(t, "remove", database, database+"-wal", database+"-shm")
}

// render puts the image in the place of ${E2E_IMAGE}, and for pairs of names and
// texts these in that of the others.
func render(manifest string, pairs ...string) string {
	return os.Expand(manifest, func(name string) string {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return os.Getenv(name)
	})
}
