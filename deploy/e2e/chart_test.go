//go:build e2e

package e2e_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// testChart does what the document of the chart says, with an application that runs
// already: three values and a first backup, the worst day, an upgrade, and the end.
func testChart(t *testing.T, a *app) {
	a.writeKeys(t, "keys", "backup", "restore")
	a.copyManifests(t)
	example := filepath.Join(a.dir, "deploy", "kubernetes", "example")
	edit(t, filepath.Join(example, "kustomization.yaml"), `^  - \.\./components/restore-if-missing$`, "  []")
	kubectl(t, "", "apply", "--kustomize="+example)
	a.waitUntilRunning(t)
	before := a.state(t)

	blocks := readConsole(t, "chart/README.md", 2)
	started := time.Now()
	output := a.chart(t, blocks[0])
	if !strings.Contains(output, "uploaded: ") || !strings.Contains(output, "verified: ") {
		t.Errorf("helm test prints no backup or no drill: %s", output)
	}
	t.Logf("from helm install to the first verified backup: %v", time.Since(started).Round(time.Second))
	saved := a.hasOneSnapshot(t, prefix)
	// Helm has found the application by the claim.
	if got := a.kubectl(t, "get", "cronjob", "lifeboat-backup", "--output=jsonpath={.spec.jobTemplate.spec.template.spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].labelSelector.matchExpressions}"); got != `[{"key":"app","operator":"In","values":["app"]}]` {
		t.Errorf("the backup is with %s", got)
	}

	a.remove(t)
	book := runbook(readConsole(t, "RUNBOOK.md", 4))
	if out := a.follow(t, book.restoreOf(t, "")); !strings.Contains(out, "restored: snapshot "+saved) {
		t.Errorf("%s was not restored", saved)
	}
	a.waitUntilRunning(t)
	a.holds(t, before)
	a.goesOn(t)
	a.follow(t, book.afterwards())
	a.completes(t, "after-restore")

	a.chart(t, blocks[1][:1])
	a.start(t, "lifeboat-compact", "compact")
	a.completes(t, "compact")
	a.hasOneSnapshot(t, prefix+"-compact")

	a.chart(t, blocks[1][1:])
	eventually(t, time.Minute, "the end of what the chart has made", func() (string, bool) {
		left := a.kubectl(t, "get", "cronjobs,jobs,pods,configmaps,serviceaccounts,networkpolicies", "--selector=app.kubernetes.io/name=lifeboat", "--output=name")
		return left, left == ""
	})
	if found := a.snapshots(t, prefix); len(found) != 2 {
		t.Errorf("in the bucket: %v, want both snapshots", found)
	}
	a.goesOn(t)
}

// chart runs helm's commands of a document, with the chart of this repository, the image
// under test, and the store as well as the three values.
func (a *app) chart(t *testing.T, commands []string) string {
	t.Helper()
	chart, err := filepath.Abs("../chart")
	if err != nil {
		t.Fatal(err)
	}
	full := os.Getenv("IMAGE")
	i := strings.LastIndex(full, ":")
	more := chart + " --set-string image.repository=" + full[:i] + ",image.tag=" + full[i+1:] + " --set s3.endpoint=" + a.store.endpoint(storePort) + ",tempSize=1Gi,backup.schedule=@yearly" // or it might run by itself, at the wrong minute
	return a.follow(t, commands, "oci://ghcr.io/lifeboat-sqlite/charts/lifeboat", more, " -n app", " -n "+string(a.namespace))
}
