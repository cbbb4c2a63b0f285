package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/deploy/kubernetes/kubetest"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
)

// consoleIn returns the scripts in the console blocks of a document: a line
// with a prompt is a command, and so is what belongs to its here document; the
// rest is output.
func consoleIn(t *testing.T, path string) (scripts []string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range regexp.MustCompile("(?ms)^```console\n(.*?)^```$").FindAllStringSubmatch(string(text), -1) {
		var script []string
		inDocument := false
		for line := range strings.SplitSeq(block[1], "\n") {
			command, prompt := strings.CutPrefix(line, "$ ")
			if prompt || inDocument {
				script = append(script, command)
			}
			if strings.HasSuffix(line, "<<'END'") {
				inDocument = true
			} else if line == "END" {
				inDocument = false
			}
		}
		scripts = append(scripts, strings.Join(script, "\n"))
	}
	return scripts
}

// A kubeShell runs scripts where kubectl is the stand-in.
type kubeShell struct {
	dir   string   // where they run
	state string   // the stand-in's directory
	names []string // of the document, each with the real one
}

// newKubeShell makes one whose stand-in has these files.
func newKubeShell(t *testing.T, dir string, names []string, files map[string]string) kubeShell {
	t.Helper()
	state := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(state, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("KUBECTL_STATE", state)
	return kubeShell{dir, state, names}
}

// run returns what a script prints, and which verbs it used, in this order.
func (k kubeShell) run(t *testing.T, script string) (output string, verbs []string) {
	t.Helper()
	log := filepath.Join(k.state, kubeVerbs)
	if err := os.RemoveAll(log); err != nil {
		t.Fatal(err)
	}
	shell := exec.Command("sh", "-eu", "-c", strings.NewReplacer(k.names...).Replace(script))
	shell.Dir = k.dir
	out, err := shell.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	return string(out), strings.Fields(strings.ReplaceAll(string(text), "scale --", "scale--"))
}

// testRunbookKubernetes runs the runbook's kubectl lines, in order.
func testRunbookKubernetes(t *testing.T, server *testserver.Server) {
	volume := t.TempDir()
	db := filepath.Join(volume, "app.db")
	names := seed(t, server, db)
	copied := kubetest.Copy(t, manifests)
	overlay := filepath.Join(copied, "overlays", "minio")
	kubetest.Edit(t, filepath.Join(overlay, "kustomization.yaml"), "s3://my-bucket/app", strings.NewReplacer(names...).Replace("s3://my-bucket/app"))
	kubetest.Edit(t, filepath.Join(overlay, "kustomization.yaml"), "http://minio.minio.svc:9000", server.Endpoint)
	// The snapshots that are there have the name of another machine's database.
	kubetest.Edit(t, filepath.Join(overlay, "kustomization.yaml"), "- LIFEBOAT_RELEASE=never", "- LIFEBOAT_RELEASE=never\n      - LIFEBOAT_ADOPT=true")
	keys := "AWS_ACCESS_KEY_ID=" + server.AccessKey + "\nAWS_SECRET_ACCESS_KEY=" + server.SecretKey + "\n"
	shell := newKubeShell(t, volume, names, map[string]string{
		kubeOverlay: overlay, kubeVolume: volume, kubeSecret + "lifeboat-backup": keys, kubeSecret + "lifeboat-restore": keys,
		kubeSecret + "SECRET": keys + "AWS_ENDPOINT_URL_S3=" + server.Endpoint + "\n",
	})
	scripts := consoleIn(t, filepath.Join("..", "..", "deploy", "RUNBOOK.md"))
	if len(scripts) != 4 {
		t.Fatalf("%d blocks of commands", len(scripts))
	}
	restores := func(script string, want ...string) {
		t.Helper()
		sqlite(t, db, "DELETE FROM account")
		out, verbs := shell.run(t, script)
		if got := sqlite(t, db, "SELECT sum(balance) FROM account; PRAGMA integrity_check;"); got != "100\nok" {
			t.Errorf("after the restore: %s: %s", got, out)
		}
		if want != nil && !slices.Equal(verbs, want) {
			t.Errorf("order of the commands: %q, want %q", verbs, want)
		}
	}
	// The application must be down before, and up again after the restore.
	restores(scripts[0], "patch", "get", "scale--replicas=0", "wait", "create", "get", "logs", "delete", "scale--replicas=N")

	list, restore, _ := strings.Cut(scripts[1], "\nkubectl -n app create job lifeboat-restore ")
	if out, _ := shell.run(t, list); strings.Count(out, "superseded") < 2 {
		t.Errorf("the list: %s", out)
	}
	restores("kubectl -n app create job lifeboat-restore " + restore)
	if out, _ := shell.run(t, "kubectl -n app logs job/lifeboat-restore; kubectl -n app delete job lifeboat-restore"); !strings.Contains(out, names[slices.Index(names, "20261120T170000Z-3f9c2a")+1]) {
		t.Errorf("another snapshot: %s", out)
	}
	if out, _ := shell.run(t, scripts[2]+"\nkubectl -n app logs job/after-restore"); !strings.Contains(out, "uploaded: ") {
		t.Errorf("the backup afterwards: %s", out)
	}
	restores(strings.ReplaceAll(scripts[3], "/data/", volume+"/"), "apply", "get", "logs", "delete")
}

// testDeployKubernetes goes through deploy/README.md's way to a first backup
// and a first drill, with users who have the policies of their roles.
func testDeployKubernetes(t *testing.T, server *testserver.Server) {
	server.Setenv(t)
	bucket, dir, volume := server.Bucket(t), t.TempDir(), t.TempDir()
	sqlite(t, filepath.Join(volume, "app.db"), "PRAGMA journal_mode=WAL; CREATE TABLE account (id INTEGER PRIMARY KEY, balance); INSERT INTO account (balance) VALUES (100);")
	tree := filepath.Join(dir, "deploy", "kubernetes")
	if err := os.CopyFS(tree, os.DirFS(manifests)); err != nil {
		t.Fatal(err)
	}
	overlay := filepath.Join(tree, "overlays", "minio", "kustomization.yaml")
	kubetest.Edit(t, overlay, "s3://my-bucket/app", "s3://"+bucket+"/app")
	kubetest.Edit(t, overlay, "http://minio.minio.svc:9000", server.Endpoint)
	for _, name := range []string{"backup", "restore", "release"} {
		keys := kubeRole(t, server, bucket, name)
		text := "AWS_ACCESS_KEY_ID=" + keys["AWS_ACCESS_KEY_ID"] + "\nAWS_SECRET_ACCESS_KEY=" + keys["AWS_SECRET_ACCESS_KEY"] + "\n"
		if err := os.WriteFile(filepath.Join(dir, name+".env"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	shell := newKubeShell(t, dir, []string{"my-bucket", bucket}, map[string]string{kubeVolume: volume})
	scripts := consoleIn(t, filepath.Join("..", "..", "deploy", "README.md"))
	if len(scripts) != 2 {
		t.Fatalf("%d blocks of commands", len(scripts))
	}
	if out, _ := shell.run(t, scripts[0]); !strings.Contains(out, "lifeboat/app/daily") || !strings.Contains(out, "lifeboat/app-compact/daily") {
		t.Errorf("applied: %s", out)
	}
	out, _ := shell.run(t, scripts[1])
	for _, want := range []string{"uploaded: snapshot ", " of app/data/app.db, ", "verified: snapshot "} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in %s", want, out)
		}
	}
}
