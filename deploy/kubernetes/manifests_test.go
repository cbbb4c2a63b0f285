// Package kubernetes_test checks the manifests in this directory: that they
// are valid, and that no edit loses what makes them safe.
package kubernetes_test

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/deploy/kubernetes/kubetest"
)

var rendered map[string][]kubetest.Object

// all renders every overlay, the examples, the example with a sidecar, and an overlay with
// the report, once.
func all(t *testing.T) map[string][]kubetest.Object {
	t.Helper()
	if rendered != nil {
		return rendered
	}
	rendered = map[string][]kubetest.Object{}
	for _, dir := range []string{"example", "tenants", "shards"} {
		rendered[dir] = kubetest.Build(t, dir)
	}
	for _, dir := range kubetest.Overlays(t, ".") {
		rendered[filepath.Base(dir)] = kubetest.Build(t, dir)
	}
	copied := kubetest.Copy(t, ".")
	kubetest.Edit(t, filepath.Join(copied, "example", "kustomization.yaml"), "- ../components/restore-if-missing", "- ../components/sidecar")
	kubetest.Edit(t, filepath.Join(copied, "example", "app.yaml"), "lifeboat-restore: if-missing", "lifeboat-backup: sidecar")
	rendered["sidecar"] = kubetest.Build(t, filepath.Join(copied, "example"))
	kubetest.Edit(t, filepath.Join(copied, "overlays", "minio", "kustomization.yaml"), "# - ../../components/report", "- ../../components/report")
	rendered["report"] = kubetest.Build(t, filepath.Join(copied, "overlays", "minio"))
	return rendered
}

// podsOf returns the pods that objects make, by their names.
func podsOf(t *testing.T, objects []kubetest.Object) map[string]kubetest.PodTemplate {
	t.Helper()
	pods := map[string]kubetest.PodTemplate{}
	for _, job := range kubetest.CronJobs(t, objects) {
		pods[job.Metadata.Name] = job.Spec.JobTemplate.Spec.Template
	}
	for _, o := range objects {
		if o.Kind == "Deployment" {
			var d struct {
				Spec struct{ Template kubetest.PodTemplate }
			}
			o.As(t, &d)
			pods[o.Metadata.Name] = d.Spec.Template
		}
	}
	return pods
}

func TestPodsAreHardened(t *testing.T) {
	pod := map[string]any{"runAsNonRoot": true, "runAsUser": 1000.0, "runAsGroup": 1000.0, "fsGroup": 1000.0,
		"fsGroupChangePolicy": "OnRootMismatch", "seccompProfile": map[string]any{"type": "RuntimeDefault"}}
	container := map[string]any{"readOnlyRootFilesystem": true, "allowPrivilegeEscalation": false,
		"capabilities": map[string]any{"drop": []any{"ALL"}}}
	checked := 0
	for dir, objects := range all(t) {
		for name, p := range podsOf(t, objects) {
			at := dir + ", " + name
			equal(t, at+": pod", p.Spec.SecurityContext, pod)
			if p.Spec.HostNetwork || p.Spec.HostPID || p.Spec.HostIPC {
				t.Errorf("%s: uses the host's", at)
			}
			if token := p.Spec.AutomountServiceAccountToken; token == nil || *token {
				t.Errorf("%s: gets a token", at)
			}
			for _, c := range slices.Concat(p.Spec.InitContainers, p.Spec.Containers) {
				checked++
				equal(t, at+": "+c.Name, c.SecurityContext, container)
				if c.Name == "app" {
					continue
				}
				if c.Resources.Requests["cpu"] == "" || c.Resources.Requests["memory"] == "" || c.Resources.Limits["memory"] != "256Mi" {
					t.Errorf("%s: resources %v", at, c.Resources)
				}
				if c.ImagePullPolicy != "IfNotPresent" {
					t.Errorf("%s: pulls %s", at, c.ImagePullPolicy)
				}
			}
			for _, v := range p.Spec.Volumes {
				if v.EmptyDir != nil && (v.EmptyDir.SizeLimit == "" || v.EmptyDir.Medium != "") {
					t.Errorf("%s: %s has no limit, or is in memory", at, v.Name)
				}
			}
		}
	}
	if checked < 20 {
		t.Errorf("only %d containers", checked)
	}
}

func TestJobs(t *testing.T) {
	for dir, objects := range all(t) {
		minutes := map[string]string{}
		for _, job := range kubetest.CronJobs(t, objects) {
			at, spec, run := dir+", "+job.Metadata.Name, job.Spec, job.Spec.JobTemplate.Spec
			pod := run.Template.Spec
			equal(t, at+": once at a time, in UTC", []string{spec.ConcurrencyPolicy, spec.TimeZone}, []string{"Forbid", "Etc/UTC"})
			equal(t, at+": never restarted by the kubelet", pod.RestartPolicy, "Never")
			equal(t, at+": has time to clean up", pod.TerminationGracePeriodSeconds, 30)
			equal(t, at+": no variables for services", pod.EnableServiceLinks, new(bool))
			equal(t, at+": label", run.Template.Metadata.Labels, map[string]string{"app.kubernetes.io/name": "lifeboat"})
			equal(t, at+": waits for the restore alone", spec.Suspend, job.Metadata.Name == "lifeboat-restore")
			for what, number := range map[string]int{"startingDeadlineSeconds": spec.StartingDeadlineSeconds / 10, "backoffLimit": run.BackoffLimit,
				"activeDeadlineSeconds": run.ActiveDeadlineSeconds, "ttlSecondsAfterFinished": run.TTLSecondsAfterFinished,
				"successfulJobsHistoryLimit": spec.SuccessfulJobsHistoryLimit, "failedJobsHistoryLimit": spec.FailedJobsHistoryLimit} {
				if number < 1 {
					t.Errorf("%s: no %s, or too little", at, what)
				}
			}
			fields := strings.Fields(spec.Schedule)
			if minute, err := strconv.Atoi(fields[0]); err != nil || (minute%5 == 0 && !spec.Suspend) || minutes[fields[0]] != "" {
				t.Errorf("%s: starts at minute %s, as many others, or %s", at, fields[0], minutes[fields[0]])
			}
			minutes[fields[0]] = job.Metadata.Name
			// A run that hangs must be over before the next, or that is skipped.
			if fields[1] == "*" && (run.ActiveDeadlineSeconds >= 3600 || spec.StartingDeadlineSeconds >= 3600) {
				t.Errorf("%s: may take longer than an hour", at)
			}
		}
	}
}

// Only what needs the database mounts it, and writable: else WAL does not work.
func TestVolumes(t *testing.T) {
	for dir, objects := range all(t) {
		for _, job := range kubetest.CronJobs(t, objects) {
			at, pod := dir+", "+job.Metadata.Name, job.Spec.JobTemplate.Spec.Template.Spec
			var mounts, volumes []string
			for _, m := range pod.Containers[0].VolumeMounts {
				mounts = append(mounts, m.Name+" "+m.MountPath)
				if m.ReadOnly && m.Name == "data" && job.Metadata.Name != "lifeboat-status" {
					t.Errorf("%s: %s is mounted read-only", at, m.Name)
				}
			}
			for _, v := range pod.Volumes {
				if v.PersistentVolumeClaim != nil {
					claim := "app-data"
					if job.Metadata.Name == "lifeboat-report" {
						claim = job.Metadata.Name
					}
					equal(t, at+": claim", v.PersistentVolumeClaim.ClaimName, claim)
					if v.PersistentVolumeClaim.ReadOnly {
						t.Errorf("%s: the claim is read-only", at)
					}
				}
				volumes = append(volumes, v.Name)
			}
			if dir == "tenants" || dir == "shards" || job.Metadata.Name == "lifeboat-report" {
				continue // TestTenants, TestReport
			}
			want, affinity := map[string]int{"lifeboat-backup": 2, "lifeboat-compact": 2, "lifeboat-restore": 2, "lifeboat-verify": 1}[job.Metadata.Name], 0
			equal(t, at+": mounts", strings.Join(mounts, ", "), strings.Join([]string{"data /data", "tmp /tmp"}[2-want:], ", "))
			equal(t, at+": volumes", strings.Join(volumes, ", "), strings.Join([]string{"data", "tmp"}[2-want:], ", "))
			for _, term := range pod.Affinity.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution {
				e := term.LabelSelector.MatchExpressions[0]
				equal(t, at+": affinity", []string{term.TopologyKey, e.Key, e.Operator, e.Values[0]}, []string{"kubernetes.io/hostname", "app", "In", "app"})
				affinity++
			}
			// The restore runs while the application does not.
			backup := strings.Contains("lifeboat-backup lifeboat-compact", job.Metadata.Name)
			if backup != (affinity == 1) {
				t.Errorf("%s: %d terms of affinity", at, affinity)
			}
			// What the next backup has to know stays where the database is.
			cache := ""
			for _, variable := range pod.Containers[0].Env {
				if variable.Name == "LIFEBOAT_CACHE_DIR" {
					cache = variable.Value
				}
			}
			if backup != (cache == "/data/.lifeboat") {
				t.Errorf("%s: the cache is in %q", at, cache)
			}
		}
	}
}

// Each job has the credentials of its role and no others.
func TestCredentialsAreSeparate(t *testing.T) {
	roles := map[string]string{
		"lifeboat-backup": "lifeboat-backup", "lifeboat-compact": "lifeboat-backup", "lifeboat-status": "lifeboat-backup", "lifeboat-status-compact": "lifeboat-backup",
		"lifeboat-restore": "lifeboat-restore", "lifeboat-verify": "lifeboat-restore",
		"lifeboat-release": "lifeboat-release", "lifeboat-release-compact": "lifeboat-release",
		"lifeboat-prune": "lifeboat-prune", "lifeboat-prune-compact": "lifeboat-prune",
	}
	want := map[string][]string{
		"minio":   {"backup", "compact", "release", "release-compact", "restore", "status", "status-compact", "verify"},
		"aws":     {"backup", "compact", "restore", "status", "status-compact", "verify"},
		"r2":      {"backup", "compact", "prune", "prune-compact", "restore", "status", "status-compact", "verify"},
		"report":  {"backup", "compact", "release", "release-compact", "report", "restore", "status", "status-compact", "verify"},
		"tenants": {"backup", "status"}, "shards": {"backup", "status"},
	}
	for dir, objects := range all(t) {
		accounts, jobs := map[string]map[string]string{}, []string(nil)
		for _, o := range objects {
			if o.Kind == "ServiceAccount" {
				accounts[o.Metadata.Name] = o.Metadata.Annotations
				equal(t, dir+", "+o.Metadata.Name+": token", o.Raw["automountServiceAccountToken"], any(false))
			}
		}
		for _, job := range kubetest.CronJobs(t, objects) {
			at, pod := dir+", "+job.Metadata.Name, job.Spec.JobTemplate.Spec.Template.Spec
			jobs = append(jobs, strings.TrimPrefix(job.Metadata.Name, "lifeboat-"))
			role := roles[job.Metadata.Name]
			if dir == "report" && (jobs[len(jobs)-1] == "verify" || jobs[len(jobs)-1] == "report") {
				role = "lifeboat-drill"
			}
			equal(t, at+": account", pod.ServiceAccountName, role)
			if _, ok := accounts[role]; !ok {
				t.Errorf("%s: no account %s", at, role)
			}
			secret, c := role, pod.Containers[0]
			if dir == "aws" {
				secret = ""
				equal(t, at+": role", accounts[role], map[string]string{"eks.amazonaws.com/role-arn": "arn:aws:iam::111122223333:role/" + role})
			}
			equal(t, at+": Secret", c.Secret(), secret)
			if len(pod.Containers) != 1 || len(pod.InitContainers) != 0 || c.Name != "lifeboat" || c.EnvFrom[0].ConfigMapRef.Name != "lifeboat" {
				t.Errorf("%s: containers %+v", at, pod.Containers)
			}
			if i := len(c.EnvFrom) - 1; i > 1 || (i == 1 && c.EnvFrom[1].SecretRef.Optional) {
				t.Errorf("%s: environment from %+v", at, c.EnvFrom)
			}
		}
		slices.Sort(jobs)
		equal(t, dir+": jobs", jobs, want[dir])
	}
}

// What leaves a pod goes to DNS and the store.
func TestNetwork(t *testing.T) {
	ports := map[string][]float64{"minio": {53, 53, 9000}, "aws": {53, 53, 443}, "r2": {53, 53, 443}}
	for dir, want := range ports {
		var got []float64
		for _, o := range kubetest.Build(t, filepath.Join("overlays", dir)) {
			if o.Kind != "NetworkPolicy" {
				continue
			}
			var p struct {
				Spec struct {
					PodSelector     struct{ MatchLabels map[string]string }
					PolicyTypes     []string
					Ingress, Egress []struct {
						To    []any
						Ports []struct{ Port float64 }
					}
				}
			}
			o.As(t, &p)
			equal(t, dir+", "+o.Metadata.Name+": pods", p.Spec.PodSelector.MatchLabels, map[string]string{"app.kubernetes.io/name": "lifeboat"})
			if len(p.Spec.Ingress) > 0 || !slices.Contains(p.Spec.PolicyTypes, "Egress") || (o.Metadata.Name == "lifeboat") != slices.Contains(p.Spec.PolicyTypes, "Ingress") {
				t.Errorf("%s, %s: %+v", dir, o.Metadata.Name, p.Spec)
			}
			for _, rule := range p.Spec.Egress {
				if len(rule.To) == 0 || len(rule.Ports) == 0 {
					t.Errorf("%s, %s: goes anywhere", dir, o.Metadata.Name)
				}
				for _, port := range rule.Ports {
					got = append(got, port.Port)
				}
			}
		}
		slices.Sort(got)
		equal(t, dir+": ports", got, want)
	}
}

// Whoever changes the lines at the top of an overlay has changed everything,
// and finds nothing of the example's left.
func TestLinesToChange(t *testing.T) {
	lines := [][2]string{
		{"namespace: app\n", "namespace: shop\n"},
		{"newName: registry.example.com/lifeboat, newTag: \"1\"}", "newName: r.example.org/boat, newTag: v9}"},
		{"- CLAIM=app-data\n", "- CLAIM=shop-claim\n"},
		{"- BUCKET_URL=s3://my-bucket/app\n", "- BUCKET_URL=s3://their-bucket/shop\n"},
		{"- DATABASE=/data/app.db ", "- DATABASE=/data/shop.sqlite "},
		{"- APP_LABEL=app=app ", "- APP_LABEL=app.kubernetes.io/name=shop "},
		{"- RUN_AS_USER=1000 ", "- RUN_AS_USER=2001 "},
		{"- RUN_AS_GROUP=1000\n", "- RUN_AS_GROUP=2002\n"},
		{"- FS_GROUP=1000\n", "- FS_GROUP=2003\n"},
		{"- TEMP_SIZE=10Gi ", "- TEMP_SIZE=77Gi "},
	}
	old := regexp.MustCompile(`\b(namespace: app|app-data|my-bucket|registry\.example\.com|app\.db|app=app|1000|10Gi|CLAIM|KEY|VALUE|TEMP_SIZE)$`)
	for _, dir := range kubetest.Overlays(t, ".") {
		copied := kubetest.Copy(t, ".")
		mine := filepath.Join(copied, "overlays", "mine")
		if err := os.Rename(filepath.Join(copied, dir), mine); err != nil {
			t.Fatal(err)
		}
		for _, line := range lines {
			kubetest.Edit(t, filepath.Join(mine, "kustomization.yaml"), line[0], line[1])
		}
		objects := kubetest.Build(t, mine)
		for _, o := range objects {
			for path, value := range kubetest.Leaves(o.Raw) {
				if old.MatchString(value) {
					t.Errorf("%s: %s %s is still %s", dir, o.Metadata.Name, path, value)
				}
			}
			equal(t, dir+", "+o.Metadata.Name+": namespace", o.Metadata.Namespace, "shop")
		}
		pod := kubetest.Named(t, kubetest.CronJobs(t, objects), "lifeboat-backup").Spec.JobTemplate.Spec.Template.Spec
		e := pod.Affinity.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution[0].LabelSelector.MatchExpressions[0]
		equal(t, dir+": affinity", []string{e.Key, e.Values[0]}, []string{"app.kubernetes.io/name", "shop"})
		equal(t, dir+": claim", pod.Volumes[0].PersistentVolumeClaim.ClaimName, "shop-claim")
		equal(t, dir+": size", pod.Volumes[1].EmptyDir.SizeLimit, "77Gi")
		equal(t, dir+": image", pod.Containers[0].Image, "r.example.org/boat:v9")
		for field, want := range map[string]float64{"runAsUser": 2001, "runAsGroup": 2002, "fsGroup": 2003} {
			equal(t, dir+": "+field, pod.SecurityContext[field], any(want))
		}
	}
}

// One job backs up all databases of a volume, or four pods a part each, of which one
// that fails does not end the others.
func TestTenants(t *testing.T) {
	for dir, args := range map[string][]string{"tenants": {"backup"}, "shards": {"backup", "--shard=$(JOB_COMPLETION_INDEX)/4"}} {
		jobs := kubetest.CronJobs(t, all(t)[dir])
		for _, name := range []string{"lifeboat-backup", "lifeboat-status"} {
			pod := kubetest.Named(t, jobs, name).Spec.JobTemplate.Spec.Template.Spec
			at, has := dir+", "+name, map[string]string{}
			for _, v := range pod.Containers[0].Env {
				has[v.Name] = v.Value
			}
			equal(t, at+": configuration", has["LIFEBOAT_CONFIG"], "/etc/lifeboat/lifeboat.yaml")
			if _, named := has["LIFEBOAT_NAME"]; named || len(pod.Affinity.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution) != 1 {
				t.Errorf("%s: one name for all, or not on the application's node: %v", at, has)
			}
			mounted := map[string]string{}
			for _, m := range pod.Containers[0].VolumeMounts {
				mounted[m.MountPath] = m.Name
			}
			equal(t, at+": mounts", []string{mounted["/data"], mounted["/etc/lifeboat"]}, []string{"data", "databases"})
		}
		job := kubetest.Named(t, jobs, "lifeboat-backup").Spec.JobTemplate.Spec
		equal(t, dir+": args", job.Template.Spec.Containers[0].Args, args)
		failed := job.PodFailurePolicy.Rules[len(job.PodFailurePolicy.Rules)-1]
		if dir == "tenants" {
			equal(t, dir+": a failure ends", failed.Action, "FailJob")
			continue
		}
		equal(t, dir+": a failure ends", failed.Action, "FailIndex")
		equal(t, dir+": pods", []int{job.Completions, job.Parallelism}, []int{4, 4})
		if job.CompletionMode != "Indexed" || job.BackoffLimit < job.Completions*(job.BackoffLimitPerIndex+1) {
			t.Errorf("%s: %s, %d tries for %d parts of %d", dir, job.CompletionMode, job.BackoffLimit, job.Completions, job.BackoffLimitPerIndex+1)
		}
		whole := kubetest.Named(t, kubetest.CronJobs(t, all(t)["tenants"]), "lifeboat-backup").Spec.JobTemplate.Spec.PodFailurePolicy.Rules
		equal(t, dir+": exit codes", failed.OnExitCodes.Values, whole[len(whole)-1].OnExitCodes.Values)
	}
}

func equal[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}
