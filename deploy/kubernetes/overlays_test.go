package kubernetes_test

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/deploy/kubernetes/kubetest"
)

// Two databases in one namespace: an overlay each, with a prefix, and a label for the
// network policies.
func TestTwoDatabases(t *testing.T) {
	copied := kubetest.Copy(t, ".")
	file := filepath.Join(copied, "overlays", "minio", "kustomization.yaml")
	kubetest.Edit(t, file, "namespace: app\n", "namespace: app\nnamePrefix: shop-\nlabels: [{pairs: {lifeboat/release: shop}, includeSelectors: true}]\n")
	objects := kubetest.Build(t, filepath.Dir(file))
	for _, o := range objects {
		if o.Kind == "NetworkPolicy" {
			equal(t, o.Metadata.Name+": pods", kubetest.Leaves(o.Raw)["spec.podSelector.matchLabels.lifeboat/release"], "shop")
		}
		if !strings.HasPrefix(o.Metadata.Name, "shop-lifeboat") {
			t.Errorf("%s %s", o.Kind, o.Metadata.Name)
		}
	}
	for _, job := range kubetest.CronJobs(t, objects) {
		pod := job.Spec.JobTemplate.Spec.Template.Spec
		c := pod.Containers[0]
		equal(t, job.Metadata.Name+": label", job.Spec.JobTemplate.Spec.Template.Metadata.Labels["lifeboat/release"], "shop")
		for _, term := range pod.Affinity.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution {
			if term.LabelSelector.MatchExpressions[0].Key != "app" || len(term.LabelSelector.MatchLabels) > 0 {
				t.Errorf("%s: affinity to %+v", job.Metadata.Name, term.LabelSelector)
			}
		}
		if !strings.HasPrefix(pod.ServiceAccountName, "shop-lifeboat-") || c.EnvFrom[0].ConfigMapRef.Name != "shop-lifeboat" || !strings.HasPrefix(c.Secret(), "lifeboat-") {
			t.Errorf("%s: %+v", job.Metadata.Name, pod)
		}
	}
}

// Where the backup runs beside the application, no other pod wants the volume,
// but for the restore.
func TestOverlayForSidecar(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("components", "sidecar", "kustomization.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, line := range regexp.MustCompile(`(?m)^#   (.*)$`).FindAllStringSubmatch(string(text), -1) {
		lines = append(lines, line[1])
	}
	for _, dir := range kubetest.Overlays(t, ".") {
		copied := kubetest.Copy(t, ".")
		file := filepath.Join(copied, dir, "kustomization.yaml")
		kubetest.Edit(t, file, "generatorOptions:", strings.Join(lines, "\n")+"\ngeneratorOptions:")
		var mount []string
		for _, job := range kubetest.CronJobs(t, kubetest.Build(t, filepath.Dir(file))) {
			for _, v := range job.Spec.JobTemplate.Spec.Template.Spec.Volumes {
				if v.PersistentVolumeClaim != nil {
					mount = append(mount, job.Metadata.Name)
				}
			}
		}
		equal(t, dir+": with the volume", mount, []string{"lifeboat-restore"})
	}
}

// The optional components fit on every overlay.
func TestOptionalComponents(t *testing.T) {
	for _, dir := range kubetest.Overlays(t, ".") {
		copied := kubetest.Copy(t, ".")
		file := filepath.Join(copied, dir, "kustomization.yaml")
		kubetest.Edit(t, file, "# - ../../components/pushgateway", "- ../../components/pushgateway")
		kubetest.Edit(t, file, "# - ../../components/copy", "- ../../components/copy")
		kubetest.Edit(t, file, "- BUCKET_URL=", "- COPY_URL=s3://second-bucket/app\n      - BUCKET_URL=")
		kubetest.Edit(t, file, "# - ../../components/report", "- ../../components/report")
		objects := kubetest.Build(t, filepath.Dir(file))
		settings, err := kubetest.Settings(objects)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, dir+": gateway", settings["LIFEBOAT_PUSHGATEWAY"], "http://pushgateway.monitoring.svc:9091")
		names := map[string]bool{}
		for _, o := range objects {
			names[o.Kind+" "+o.Metadata.Name] = true
		}
		if !names["NetworkPolicy lifeboat-pushgateway"] {
			t.Errorf("%s: no way to the Pushgateway: %v", dir, slices.Sorted(maps.Keys(names)))
		}
		if !names["NetworkPolicy lifeboat-copy"] {
			t.Errorf("%s: no way to the second store: %v", dir, slices.Sorted(maps.Keys(names)))
		}
		equal(t, dir+": target of copies", settings["COPY_URL"], "s3://second-bucket/app")
		pod := kubetest.Named(t, kubetest.CronJobs(t, objects), "lifeboat-copy").Spec.JobTemplate.Spec.Template.Spec
		secret := "lifeboat-restore"
		if filepath.Base(dir) == "aws" {
			secret = ""
		}
		equal(t, dir+": keys of the source", []string{pod.ServiceAccountName, pod.Containers[0].Secret()}, []string{"lifeboat-restore", secret})
		equal(t, dir+": keys of the target", []string{pod.Volumes[0].Secret.SecretName, pod.Containers[0].VolumeMounts[0].MountPath}, []string{"lifeboat-copy", "/etc/lifeboat/aws"})
		if !names["CronJob lifeboat-report"] || !names["ServiceAccount lifeboat-drill"] {
			t.Errorf("%s: no report: %v", dir, slices.Sorted(maps.Keys(names)))
		}
	}
}

// The way to a second store in the cluster is in the policy's own comment.
func TestCopyInsideTheCluster(t *testing.T) {
	copied := kubetest.Copy(t, ".")
	kubetest.SecondStoreInside(t, copied)
	file := filepath.Join(copied, "overlays", "minio", "kustomization.yaml")
	kubetest.Edit(t, file, "# - ../../components/copy", "- ../../components/copy")
	v := kubetest.NewValidator(t)
	for _, o := range kubetest.Build(t, filepath.Dir(file)) {
		if o.Kind != "NetworkPolicy" || o.Metadata.Name != "lifeboat-copy" {
			continue
		}
		if err := v.Validate(t, o); err != nil {
			t.Error(err)
		}
		rules := kubetest.Leaves(o.Raw["spec"].(map[string]any)["egress"])
		equal(t, "the way out", rules, map[string]string{
			"0.to.0.namespaceSelector.matchLabels.kubernetes.io/metadata.name": "second", "0.ports.0.port": "9000", "0.ports.0.protocol": "TCP",
		})
		return
	}
	t.Error("there is no policy")
}

// With the report a drill leaves a record, and the page is written after it to a claim of
// its own.
func TestReport(t *testing.T) {
	objects := all(t)["report"]
	jobs := kubetest.CronJobs(t, objects)
	equal(t, "the drill", kubetest.Named(t, jobs, "lifeboat-verify").Spec.JobTemplate.Spec.Template.Spec.Containers[0].Args, []string{"verify", "$(BUCKET_URL)", "--record"})
	pod := kubetest.Named(t, jobs, "lifeboat-report").Spec.JobTemplate.Spec.Template.Spec
	mount := pod.Containers[0].VolumeMounts[0]
	equal(t, "the page", []string{mount.Name, mount.MountPath, pod.Containers[0].Args[len(pod.Containers[0].Args)-1]}, []string{pod.Volumes[0].Name, "/report", "/report/index.html"})
	if len(pod.Volumes) != 1 || len(pod.Containers[0].VolumeMounts) != 1 {
		t.Errorf("%+v", pod)
	}
	if !slices.ContainsFunc(objects, func(o kubetest.Object) bool {
		return o.Kind == "PersistentVolumeClaim" && o.Metadata.Name == "lifeboat-report"
	}) {
		t.Error("there is no claim")
	}
}

// Secrets can be files: then no variable of the jobs with the backup's keys holds one, and
// each file is mounted where a variable names it.
func TestSecretFiles(t *testing.T) {
	v := kubetest.NewValidator(t)
	for _, dir := range []string{"minio", "r2"} {
		copied := kubetest.Copy(t, ".")
		file := filepath.Join(copied, "overlays", dir, "kustomization.yaml")
		kubetest.Edit(t, file, "  - ../../components/settings", "  - ../../components/secret-files\n  - ../../components/settings")
		objects := kubetest.Build(t, filepath.Dir(file))
		for _, o := range objects {
			if err := v.Validate(t, o); err != nil {
				t.Errorf("%s: %s %s: %v", dir, o.Kind, o.Metadata.Name, err)
			}
		}
		for _, name := range []string{"lifeboat-backup", "lifeboat-compact", "lifeboat-status", "lifeboat-status-compact"} {
			at, pod := dir+", "+name, kubetest.Named(t, kubetest.CronJobs(t, objects), name).Spec.JobTemplate.Spec.Template.Spec
			c, files := pod.Containers[0], map[string]string{}
			for _, variable := range c.Env {
				if strings.HasSuffix(variable.Name, "_FILE") {
					files[variable.Name] = filepath.Dir(variable.Value)
				}
			}
			mount, volume := c.VolumeMounts[0], pod.Volumes[0] // kustomize puts what is new in front
			want := map[string]string{"AWS_SHARED_CREDENTIALS_FILE": mount.MountPath}
			if name == "lifeboat-backup" {
				want["LIFEBOAT_PING_URL_FILE"] = mount.MountPath
			}
			equal(t, at+": files", files, want)
			equal(t, at+": mount", []string{mount.Name, volume.Name, c.Secret()}, []string{"secrets", "secrets", ""})
			if !mount.ReadOnly || volume.Secret == nil || volume.Secret.SecretName != "lifeboat-backup-files" || c.EnvFrom[0].ConfigMapRef == nil {
				t.Errorf("%s: %+v, %+v, %+v", at, mount, volume, c.EnvFrom)
			}
		}
	}
}
