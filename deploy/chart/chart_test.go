// Package chart_test checks the Helm chart: that it makes what the kustomize base and
// its overlays make, and that its schema refuses what is wrong.
package chart_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/deploy/kubernetes/kubetest"
)

// kustomizeOnly are the lines of an overlay that are not for the program: its
// component settings puts them where they belong.
var kustomizeOnly = []string{"CLAIM", "APP_LABEL", "RUN_AS_USER", "RUN_AS_GROUP", "FS_GROUP", "TEMP_SIZE", "BACKUP_ROLE", "RESTORE_ROLE"}

// without removes a key from all maps of a document.
func without(node any, key string) {
	switch n := node.(type) {
	case map[string]any:
		delete(n, key)
		for _, below := range n {
			without(below, key)
		}
	case []any:
		for _, below := range n {
			without(below, key)
		}
	}
}

// comparable returns objects by kind and name, without what only the one or the
// other way of rendering needs. An overlay has no label for several of it in a namespace.
func comparable(t *testing.T, objects []kubetest.Object) map[string]map[string]any {
	t.Helper()
	found := map[string]map[string]any{}
	for _, o := range objects {
		metadata := o.Raw["metadata"].(map[string]any)
		without(o.Raw, "lifeboat/release")
		if labels, ok := metadata["labels"].(map[string]any); ok {
			for _, label := range []string{"app.kubernetes.io/instance", "app.kubernetes.io/managed-by", "helm.sh/chart"} {
				delete(labels, label)
			}
		}
		if o.Kind == "ConfigMap" {
			delete(metadata, "labels")
			for _, name := range kustomizeOnly {
				delete(o.Raw["data"].(map[string]any), name)
			}
		}
		name := o.Kind + " " + o.Metadata.Name
		if found[name] != nil {
			t.Errorf("%s is there twice", name)
		}
		found[name] = o.Raw
	}
	return found
}

// The chart makes exactly what each overlay makes.
func TestChartIsTheOverlays(t *testing.T) {
	image := "--set-string=image.repository=registry.example.com/lifeboat,image.tag=1"
	compare := func(name string, got, want []kubetest.Object) {
		t.Helper()
		have, expected := comparable(t, got), comparable(t, want)
		for object := range expected {
			if have[object] == nil {
				t.Errorf("%s: no %s", name, object)
			}
		}
		for object, raw := range have {
			if expected[object] == nil {
				t.Errorf("%s: %s is in no overlay", name, object)
				continue
			}
			for _, difference := range kubetest.Differences(raw, expected[object]) {
				t.Errorf("%s: %s: %s", name, object, difference)
			}
		}
	}
	for _, dir := range kubetest.Overlays(t, "../kubernetes") {
		name := filepath.Base(dir)
		values := "--values=ci/" + name + ".yaml"
		compare(name, kubetest.Helm(t, ".", values, image), kubetest.Build(t, dir))
	}
	// What they have switched off, switched on.
	for _, o := range []struct{ overlay, component, setting, values string }{
		{"r2", "secret-files", "", "backup.existingSecret=,backup.existingFilesSecret=lifeboat-backup-files"},
		{"minio", "pushgateway", "", "pushgateway=http://pushgateway.monitoring.svc:9091"},
		{"aws", "copy", "- COPY_URL=s3://second-bucket/app\n      ", "copy.enabled=true,copy.url=s3://second-bucket/app"},
		{"minio", "copy", "- COPY_URL=s3://second-bucket/app\n      ", "copy.enabled=true,copy.url=s3://second-bucket/app"},
		{"minio", "report", "", "report.enabled=true,drill.existingSecret=lifeboat-drill"},
	} {
		copied := kubetest.Copy(t, "../kubernetes")
		file := filepath.Join(copied, "overlays", o.overlay, "kustomization.yaml")
		if o.component == "secret-files" {
			kubetest.Edit(t, file, "  - ../../components/settings", "  - ../../components/secret-files\n  - ../../components/settings")
		} else {
			kubetest.Edit(t, file, "# - ../../components/"+o.component, "- ../../components/"+o.component)
		}
		kubetest.Edit(t, file, "- BUCKET_URL=", o.setting+"- BUCKET_URL=")
		compare(o.component, kubetest.Helm(t, ".", "--values=ci/"+o.overlay+".yaml", image, "--set="+o.values), kubetest.Build(t, filepath.Dir(file)))
	}
}

// Three values make an installation.
func TestThreeValues(t *testing.T) {
	objects := kubetest.Helm(t, ".", "--values=ci/three-values.yaml")
	var jobs []string
	for _, job := range kubetest.CronJobs(t, objects) {
		jobs = append(jobs, job.Metadata.Name)
		c := job.Spec.JobTemplate.Spec.Template.Spec.Containers[0]
		// Notices of a job that is well would hide that there are no backups.
		silent := slices.ContainsFunc(c.Env, func(v kubetest.Variable) bool { return v.Name == "LIFEBOAT_PING_URL" && v.Value == "" })
		if silent != (job.Metadata.Name != "lifeboat-backup") {
			t.Errorf("%s: its notices are silenced: %v", job.Metadata.Name, silent)
		}
		if c.Secret() != "lifeboat-backup" || c.Image != "ghcr.io/lifeboat-sqlite/lifeboat:0.0.0" {
			t.Errorf("%s: Secret %s, image %s", job.Metadata.Name, c.Secret(), c.Image)
		}
	}
	slices.Sort(jobs)
	if want := []string{"lifeboat-backup", "lifeboat-restore", "lifeboat-status", "lifeboat-verify"}; !slices.Equal(jobs, want) {
		t.Errorf("jobs: %v, want %v", jobs, want)
	}
	term := kubetest.Named(t, kubetest.CronJobs(t, objects), "lifeboat-backup").Spec.JobTemplate.Spec.Template.Spec.Affinity.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution[0]
	if e := term.LabelSelector.MatchExpressions; len(e) != 1 || e[0].Key != "app.kubernetes.io/instance" || e[0].Values[0] != "lifeboat" {
		t.Errorf("affinity to %v", e)
	}
	if settings, err := kubetest.Settings(objects); err != nil || settings["BUCKET_URL"] != "s3://my-bucket/app" || settings["DATABASE"] != "/data/app.db" {
		t.Errorf("settings %v, %v", settings, err)
	}
}

// A setting wins over what other values make of the same variable, which is there once.
func TestSettingsWin(t *testing.T) {
	text, err := kubetest.HelmTried(t, "template", "lifeboat", ".", "--kube-version=1.31", "--values=ci/three-values.yaml", "--show-only=templates/settings.yaml",
		"--set=s3.region=eu-west-1,settings.AWS_REGION=eu-west-2,settings.LIFEBOAT_ALWAYS=false")
	if err != nil || strings.Count(text, "AWS_REGION") != 1 || !strings.Contains(text, "AWS_REGION: \"eu-west-2\"\n") || !strings.Contains(text, "LIFEBOAT_ALWAYS: \"false\"\n") {
		t.Errorf("%v: %s", err, text)
	}
}

// What no overlay has is valid, too.
func TestSchemas(t *testing.T) {
	v := kubetest.NewValidator(t)
	for _, options := range [][]string{
		{"--set=app.fsGroup=null"},
		{"--set=image.pullSecrets={a,b}", "--set=settings.LIFEBOAT_KEEP_DAILY=30d", "--set=drill.sql={SELECT 1 > 0}"},
		{"--set=networkPolicy.storePeers[0].podSelector.matchLabels.app=minio", "--set=networkPolicy.storePort=9000"},
		{"--set=copy.enabled=true,copy.url=s3://second-bucket/app,copy.endpoint=https://s3.example.com:8443"},
		{"--set=backup.existingFilesSecret=files", "--set=settings.LIFEBOAT_PING_URL_FILE=/x", "--set=compact.enabled=true"},
		{"--set=networkPolicy.enabled=false", "--set=fullnameOverride=other"},
	} {
		for _, o := range kubetest.Helm(t, ".", append(options, "--values=ci/three-values.yaml")...) {
			if err := v.Validate(t, o); err != nil {
				t.Errorf("%q: %s %s: %v", options, o.Kind, o.Metadata.Name, err)
			}
		}
	}
}

// Without an fsGroup of the application's the jobs can read the files of a Secret, and write
// to the report's claim.
func TestWithoutGroup(t *testing.T) {
	objects := kubetest.Helm(t, ".", "--values=ci/three-values.yaml", "--set=app.fsGroup=null", "--set=app.runAsGroup=2000", "--set=report.enabled=true",
		"--set=copy.enabled=true,copy.url=s3://second-bucket/app", "--set=backup.existingFilesSecret=files")
	groups := map[string]any{"lifeboat-report": 2000.0}
	secrets := 0
	for _, job := range kubetest.CronJobs(t, objects) {
		pod := job.Spec.JobTemplate.Spec.Template.Spec
		if got := pod.SecurityContext["fsGroup"]; got != groups[job.Metadata.Name] {
			t.Errorf("%s: fsGroup %v", job.Metadata.Name, got)
		}
		for _, v := range pod.Volumes {
			if v.Secret == nil {
				continue
			}
			secrets++
			if v.Secret.DefaultMode != 0o444 {
				t.Errorf("%s: %s has mode %o", job.Metadata.Name, v.Name, v.Secret.DefaultMode)
			}
		}
	}
	if secrets != 3 { // copy, backup, status
		t.Errorf("%d volumes of Secrets", secrets)
	}
}

// A release's network policies are for its own pods, and for all of them.
func TestNetworkPolicyOfTheRelease(t *testing.T) {
	for name, options := range map[string][]string{"lifeboat": nil, "other": {"--set=fullnameOverride=other"}} {
		policies := 0
		objects := kubetest.Helm(t, ".", append(options, "--values=ci/three-values.yaml")...)
		for _, o := range objects {
			if o.Kind == "NetworkPolicy" {
				policies++
				if got := kubetest.Leaves(o.Raw)["spec.podSelector.matchLabels.lifeboat/release"]; got != name {
					t.Errorf("%s: selects %q, want %q", o.Metadata.Name, got, name)
				}
			}
		}
		for _, job := range kubetest.CronJobs(t, objects) {
			if got := job.Spec.JobTemplate.Spec.Template.Metadata.Labels["lifeboat/release"]; got != name {
				t.Errorf("%s: label %q, want %q", job.Metadata.Name, got, name)
			}
		}
		if policies != 2 {
			t.Errorf("%d policies", policies)
		}
	}
}

// The store's pods are where the endpoint says.
func TestNetworkPolicyOfTheStore(t *testing.T) {
	for endpoint, want := range map[string]string{
		"":                             "0.0.0.0/0 443",
		"https://s3.example.com":       "0.0.0.0/0 443",
		"https://s3.example.com:8443":  "0.0.0.0/0 8443",
		"http://10.1.2.3:9000":         "10.1.2.3/32 9000",
		"http://minio.store.svc":       "store 80",
		"http://a.b.svc.cluster.local": "b 80",
	} {
		for _, o := range kubetest.Helm(t, ".", "--values=ci/three-values.yaml", "--set=s3.endpoint="+endpoint) {
			if o.Kind == "NetworkPolicy" && o.Metadata.Name == "lifeboat-store" {
				leaves := kubetest.Leaves(o.Raw)
				got := leaves["spec.egress.0.to.0.ipBlock.cidr"] + leaves["spec.egress.0.to.0.namespaceSelector.matchLabels.kubernetes.io/metadata.name"] + " " + leaves["spec.egress.0.ports.0.port"]
				if got != want {
					t.Errorf("%q: to %s, want %s", endpoint, got, want)
				}
			}
		}
	}
}

// helm lint has no complaint, the values are refused that its schema does not know, and
// the message names them.
func TestValues(t *testing.T) {
	files, err := filepath.Glob("ci/*.yaml")
	if err != nil || len(files) != 4 {
		t.Fatalf("values: %v, %v", files, err)
	}
	for _, file := range files {
		if _, err := kubetest.HelmTried(t, "lint", ".", "--strict", "--quiet", "--kube-version=1.31", "--values="+file); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range []struct{ set, says string }{
		{"claim=", "/claim"},
		{"s3.bucket=", "/s3/bucket"},
		{"s3.bucket=https://example.com/x", "/s3/bucket"},
		{"s3.bucket=s3://my-bucket//app", "/s3/bucket"},
		{"s3.bucket=my-bucket,s3.prefix=a//b", "/s3/prefix"},
		{"s3.existingSecret=", "s3.existingSecret is not set"},
		{"backup.schedul=x", "schedul"},
		{"backup.schedule=hourly", "/backup/schedule"},
		{"database=/data/app.db", "/database"},
		{"tempSize=much", "/tempSize"},
		{"app.runAsUser=0", "/app/runAsUser"},
		{"settings.AWS_SECRET_ACCESS_KEY=x", "AWS_SECRET_ACCESS_KEY"},
		{"settings.LIFEBOAT_PING_URL=x", "LIFEBOAT_PING_URL"},
		{"settings.LIFEBOAT_NOTIFY_URL=x", "LIFEBOAT_NOTIFY_URL"},
		{"settings.LIFEBOAT_PUSHGATEWAY_USER=x", "LIFEBOAT_PUSHGATEWAY_USER"},
		{"settings.LIFEBOAT_PUSHGATEWAY_PASSWORD=x", "LIFEBOAT_PUSHGATEWAY_PASSWORD"},
		{"settings.LIFEBOAT_SSE_CUSTOMER_KEY=x", "LIFEBOAT_SSE_CUSTOMER_KEY"},
		{"backup.existingSecret=a,backup.existingFilesSecret=b", "/backup"},
		{"copy.enabled=true", "copy.url is not set"},
		{"settings.OTHER=x", "OTHER"},
		{"image.pullPolicy=Sometimes", "/image/pullPolicy"},
	} {
		_, err := kubetest.HelmTried(t, "template", "lifeboat", ".", "--kube-version=1.31", "--values=ci/three-values.yaml", "--set="+bad.set)
		if err == nil || !strings.Contains(err.Error(), bad.says) {
			t.Errorf("%s: %v, want an error with %s", bad.set, err, bad.says)
		}
	}
}

// Without its switch the chart makes nothing, and needs no value.
func TestNotEnabled(t *testing.T) {
	if objects := kubetest.Helm(t, ".", "--set=backup.enabled=false"); len(objects) != 0 {
		t.Errorf("not enabled, but: %v", objects)
	}
}

// In the chart of an application the objects have the release's name, and the backup is
// with the application's pods.
func TestSubchart(t *testing.T) {
	parent := t.TempDir()
	if err := os.CopyFS(filepath.Join(parent, "charts", "lifeboat"), os.DirFS(".")); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"Chart.yaml": "apiVersion: v2\nname: shop\nversion: 1.0.0\ndependencies: [{name: lifeboat, version: 0.0.0, condition: lifeboat.backup.enabled}]\n",
		"values.yaml": "global: {registry: x}\nlifeboat:\n  claim: shop-data\n  backup: {enabled: true, schedule: 9 * * * *}\n" +
			"  s3: {bucket: my-bucket, endpoint: 'https://s3.example.com', existingSecret: shop-keys}\n",
	} {
		if err := os.WriteFile(filepath.Join(parent, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	text, err := kubetest.HelmTried(t, "template", "shop", parent, "--namespace=prod", "--kube-version=1.31")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"name: shop-lifeboat-backup\n", `schedule: "9 * * * *"`, `BUCKET_URL: "s3://my-bucket/prod/shop"`,
		`{key: "app.kubernetes.io/instance", operator: In, values: ["shop"]}`, "- secretRef: {name: shop-keys}"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in %s", want, text)
		}
	}
	text, err = kubetest.HelmTried(t, "template", "shop", parent, "--kube-version=1.31", "--set=lifeboat.backup.enabled=false")
	if err != nil || strings.Contains(text, "kind:") {
		t.Errorf("not enabled: %v, %s", err, text)
	}
}

// helm test takes a backup and then a drill.
func TestHooks(t *testing.T) {
	text, err := kubetest.HelmTried(t, "template", "lifeboat", ".", "--kube-version=1.31", "--values=ci/three-values.yaml", "--show-only=templates/tests/first-backup.yaml")
	if err != nil {
		t.Fatal(err)
	}
	objects, err := kubetest.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, o := range objects {
		var job struct{ Spec kubetest.Job }
		o.As(t, &job)
		got = append(got, fmt.Sprint(o.Metadata.Annotations["helm.sh/hook-weight"], " ", o.Metadata.Name, " ", job.Spec.Template.Spec.Containers[0].Args[0]))
	}
	if want := []string{"0 lifeboat-test-backup backup", "1 lifeboat-test-drill verify"}; !slices.Equal(got, want) {
		t.Errorf("hooks: %v, want %v", got, want)
	}
}
