//go:build e2e

package e2e_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// testTrouble runs jobs with what users get wrong, all at once, and looks at
// what they see of it: exit code, log, events.
func testTrouble(t *testing.T, a *app) {
	a.exec(t, "fill", database, "8")
	a.exec(t, "fill", "/var/lib/app/other.db", "1")
	// Two at once do no harm: a job that is started by hand is not one that the
	// CronJob knows.
	a.start(t, "lifeboat-backup", "first")
	a.start(t, "lifeboat-backup", "second")
	a.completes(t, "first")
	a.completes(t, "second")
	a.failAtOnce(t)
	a.waitInVain(t)
	for name, test := range map[string]func(t *testing.T){
		"missing-secret": a.testMissingSecret,
		"unreachable":    a.testUnreachable,
		"too-late":       a.testTooLate,
		"evicted":        a.testEvicted,
		"out-of-memory":  a.testOutOfMemory,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t)
		})
	}
}

// failAtOnce: what a second try cannot mend.
func (a *app) failAtOnce(t *testing.T) {
	secure := strings.Replace(a.store.endpoint(storePort), "http:", "https:", 1)
	for _, wrong := range []struct {
		name, cronJob string
		changes       []change
		exit          int
		says          string
	}{
		{"wrong-key", "backup", []change{with("AWS_ACCESS_KEY_ID", "nobody")}, 11, "does not know this access key ID"},
		{"wrong-secret", "backup", []change{with("AWS_SECRET_ACCESS_KEY", "wrong")}, 11, "the secret access key is wrong"},
		{"no-keys", "backup", []change{withoutSecret}, 11, "no AWS credentials found"},
		{"other-bucket", "backup", []change{with("BUCKET_URL", "s3://lifeboat-e2e-nowhere/app")}, 11, "access denied"},
		{"wrong-url", "backup", []change{with("BUCKET_URL", "lifeboat")}, 64, "bucket URL"},
		{"wrong-scheme", "backup", []change{with("LIFEBOAT_RETRY_FOR", "2s"), with("AWS_ENDPOINT_URL_S3", secure)}, 11, "speaks HTTP, not HTTPS"},
		{"missing-database", "backup", []change{with("DATABASE", "/data/nowhere.db")}, 4, "no such file"},
		{"other-database", "backup", []change{with("DATABASE", "/data/other.db")}, 64, "belongs to another database"},
		{"other-user", "backup", []change{asUser(1234)}, 4, "permission denied"},
		{"no-room-for-the-copy", "backup", []change{with("LIFEBOAT_FULL", "true"), volume("tmp", inMemory("1Mi"))}, 8, "in the temp directory /tmp, which has"},
		{"no-room-to-restore", "restore", []change{volume("data", inMemory("1Mi"))}, 8, "the restore needs"},
		{"no-snapshot", "restore", []change{with("BUCKET_URL", a.url()+"/nothing")}, 6, "no such snapshot"},
	} {
		t.Run(wrong.name, func(t *testing.T) {
			t.Parallel()
			a.start(t, "lifeboat-"+wrong.cronJob, wrong.name, wrong.changes...)
			a.failsAtOnce(t, wrong.name, wrong.exit, wrong.says)
		})
	}
}

func withoutSecret(job map[string]any) {
	container := containerOf(job)
	container["envFrom"] = container["envFrom"].([]any)[:1]
}

// asUser runs the pod as somebody else than the application.
func asUser(id int) change {
	return func(job map[string]any) {
		podOf(job)["securityContext"] = map[string]any{"runAsNonRoot": true, "runAsUser": id, "runAsGroup": id,
			"seccompProfile": map[string]any{"type": "RuntimeDefault"}}
	}
}

// volume puts another volume in the place of one.
func volume(name string, source map[string]any) change {
	return func(job map[string]any) {
		volumes := podOf(job)["volumes"].([]any)
		for i, v := range volumes {
			if v.(map[string]any)["name"] == name {
				source["name"] = name
				volumes[i] = source
			}
		}
	}
}

// inMemory is a volume whose size the kernel sees to.
func inMemory(size string) map[string]any {
	return map[string]any{"emptyDir": map[string]any{"medium": "Memory", "sizeLimit": size}}
}

// waitInVain: pods that never start, until the job's deadline. Their events
// say why.
func (a *app) waitInVain(t *testing.T) {
	for name, c := range map[string]struct {
		change change
		says   string
	}{
		"no-application": {func(job map[string]any) {
			within(podOf(job), "affinity", "podAffinity", "requiredDuringSchedulingIgnoredDuringExecution", "labelSelector", "matchExpressions")["values"] = []any{"nobody"}
		}, "didn't match pod affinity rules"},
		"no-claim": {volume("data", map[string]any{"persistentVolumeClaim": map[string]any{"claimName": "nowhere"}}),
			`persistentvolumeclaim "nowhere" not found`},
		"no-image": {func(job map[string]any) { containerOf(job)["image"] = "localhost/lifeboat:nowhere" },
			`Failed to pull image "localhost/lifeboat:nowhere"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a.start(t, "lifeboat-backup", name, c.change)
			a.hasEvent(t, name, c.says)
			a.kubectl(t, "delete", "job", name)
		})
	}
}

// hasEvent waits for an event of a job's pod with these words.
func (a *app) hasEvent(t *testing.T, job, says string) {
	t.Helper()
	eventually(t, time.Minute, "an event of "+job, func() (string, bool) {
		events := a.kubectl(t, "get", "events", "--field-selector=involvedObject.kind=Pod", "--output=wide")
		for line := range strings.Lines(events) {
			if strings.Contains(line, "pod/"+job+"-") && strings.Contains(line, says) {
				return "", true
			}
		}
		return events, false
	})
}

// testMissingSecret looks that a pod without its Secret says so, and runs as
// soon as that is there.
func (a *app) testMissingSecret(t *testing.T) {
	a.start(t, "lifeboat-backup", "missing-secret", func(job map[string]any) {
		containerOf(job)["envFrom"].([]any)[1] = map[string]any{"secretRef": map[string]any{"name": "not-yet"}}
	})
	a.hasEvent(t, "missing-secret", `secret "not-yet" not found`)
	a.follow(t, []string{"kubectl -n app create secret generic not-yet --from-env-file=backup.env"})
	a.completes(t, "missing-secret")
}

// testUnreachable cuts the way to the store: pod after pod tries, until it is
// there again.
func (a *app) testUnreachable(t *testing.T) {
	down, err := a.store.proxy.Proxy("down")
	if err != nil {
		t.Fatal(err)
	}
	if err := down.Disable(); err != nil {
		t.Fatal(err)
	}
	a.start(t, "lifeboat-backup", "unreachable", with("LIFEBOAT_RETRY_FOR", "2s"), with("AWS_ENDPOINT_URL_S3", a.store.endpoint(downPort)))
	eventually(t, time.Minute, "a second pod", func() (string, bool) {
		pods := a.podsOf(t, "unreachable")
		return fmt.Sprint(pods), len(pods) > 1
	})
	if j := a.job(t, "unreachable"); len(j.Status.Conditions) > 0 {
		t.Errorf("the job is over already: %+v", j.Status)
	}
	if err := down.Enable(); err != nil {
		t.Fatal(err)
	}
	logs := a.completes(t, "unreachable")
	if !strings.Contains(logs, "connection refused") || !strings.Contains(logs, "hint: is AWS_ENDPOINT_URL_S3 right?") {
		t.Errorf("what the user sees: %s", logs)
	}
	exits := map[int]int{}
	for _, p := range a.podsOf(t, "unreachable") {
		exits[p.exit()]++
	}
	if exits[5] == 0 || exits[0] != 1 || len(exits) != 2 {
		t.Errorf("exit codes, with how many pods have them: %v", exits)
	}
}

// testTooLate gives a job too little time.
func (a *app) testTooLate(t *testing.T) {
	a.start(t, "lifeboat-backup", "too-late", with("LIFEBOAT_MAX_RATE", "50KiB"), func(job map[string]any) { job["activeDeadlineSeconds"] = 5 })
	a.waitForEnd(t, "too-late")
	if c := has(a.job(t, "too-late").Status.Conditions, "Failed"); c == nil || c.Reason != "DeadlineExceeded" {
		t.Errorf("job too-late: %+v, want it failed by its deadline", c)
	}
}

// testEvicted lets a copy outgrow the limit of its volume, which the kubelet
// measures now and then.
func (a *app) testEvicted(t *testing.T) {
	a.start(t, "lifeboat-backup", "evicted", with("LIFEBOAT_MAX_RATE", "50KiB"), with("LIFEBOAT_FULL", "true"),
		volume("tmp", map[string]any{"emptyDir": map[string]any{"sizeLimit": "100Ki"}}))
	if p := a.firstFailed(t, "evicted"); p.Status.Reason != "Evicted" || !strings.Contains(p.Status.Message, `Usage of EmptyDir volume "tmp" exceeds the limit`) {
		t.Errorf("%v: %s, want an eviction", p, p.Status.Message)
	}
}

// testOutOfMemory gives a pod too little of it. The kernel kills the program, or
// the worker that reads the database.
func (a *app) testOutOfMemory(t *testing.T) {
	a.start(t, "lifeboat-backup", "out-of-memory", func(job map[string]any) {
		within(containerOf(job), "resources")["limits"] = map[string]any{"memory": "16Mi"}
		within(containerOf(job), "resources")["requests"] = map[string]any{"memory": "16Mi"}
	})
	p := a.failed(t, "out-of-memory")
	killed := p.exit() == 137 && p.Status.ContainerStatuses[0].State.Terminated.Reason == "OOMKilled"
	if !killed && p.exit() != 4 {
		t.Errorf("%v, want it or its worker killed", p)
	}
}

// firstFailed waits for a failed pod that its job counts, but does not give up
// for, and returns it. It ends the job, since the next pod would do the same.
func (a *app) firstFailed(t *testing.T, name string) pod {
	t.Helper()
	a.waitFailed(t, name)
	if c := has(a.job(t, name).Status.Conditions, "Failed"); c != nil {
		t.Errorf("job %s failed at once: %+v", name, c)
	}
	return a.failed(t, name)
}

func (a *app) waitFailed(t *testing.T, name string) {
	t.Helper()
	eventually(t, 3*time.Minute, "a failed pod of "+name, func() (string, bool) {
		j := a.job(t, name)
		return fmt.Sprintf("%+v", j.Status), j.Status.Failed > 0
	})
}

// failed waits for a failed pod, ends its job, and returns the pod.
func (a *app) failed(t *testing.T, name string) pod {
	t.Helper()
	a.waitFailed(t, name)
	pods := a.podsOf(t, name)
	a.kubectl(t, "delete", "job", name)
	for _, p := range pods {
		if p.Status.Phase == "Failed" {
			return p
		}
	}
	t.Fatalf("no pod of %s failed: %v", name, pods)
	return pod{}
}
