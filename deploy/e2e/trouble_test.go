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
	a.start(t, "lifeboat-backup", "first")
	a.completes(t, "first")
	quick := with("LIFEBOAT_RETRY_FOR", "2s")
	for _, wrong := range []struct {
		name, cronJob string
		changes       []change
		exit          int
		says          string
	}{
		{"wrong-key", "backup", []change{with("AWS_ACCESS_KEY_ID", "nobody")}, 11, "does not know this access key ID"},
		{"wrong-secret", "backup", []change{with("AWS_SECRET_ACCESS_KEY", "wrong")}, 11, "the secret access key is wrong"},
		{"wrong-bucket", "backup", []change{with("BUCKET_URL", "s3://lifeboat-e2e-nowhere/app")}, 11, "s3://lifeboat-e2e-nowhere/app"},
		{"wrong-url", "backup", []change{with("BUCKET_URL", "lifeboat")}, 64, "bucket URL"},
		{"wrong-scheme", "backup", []change{quick, with("AWS_ENDPOINT_URL_S3", strings.Replace(a.store.endpoint(storePort), "http:", "https:", 1))}, 11, "speaks HTTP, not HTTPS"},
		{"missing-database", "backup", []change{with("DATABASE", "/data/nowhere.db")}, 4, "no such file"},
		{"other-user", "backup", []change{asUser(1234)}, 4, "permission denied"},
		{"other-database", "backup", []change{with("DATABASE", "/data/other.db")}, 64, "give each database a prefix of its own"},
		{"no-room-for-the-copy", "backup", []change{volume("tmp", inMemory("1Mi"))}, 8, "MiB in the temp directory /tmp"},
		{"no-room-to-restore", "restore", []change{volume("data", inMemory("1Mi"))}, 8, "MiB in /data"},
		{"no-snapshot", "restore", []change{with("BUCKET_URL", a.url()+"/nothing")}, 6, "no such snapshot"},
	} {
		t.Run(wrong.name, func(t *testing.T) {
			t.Parallel()
			a.start(t, "lifeboat-"+wrong.cronJob, wrong.name, wrong.changes...)
			a.failsAtOnce(t, wrong.name, wrong.exit, wrong.says)
		})
	}
	t.Run("missing-secret", func(t *testing.T) {
		t.Parallel()
		testMissingSecret(t, a)
	})
	t.Run("unreachable", func(t *testing.T) {
		t.Parallel()
		testUnreachable(t, a)
	})
	t.Run("evicted", func(t *testing.T) {
		t.Parallel()
		testEvicted(t, a)
	})
}

// asUser runs the pod as somebody else than the application.
func asUser(id int) change {
	return func(pod map[string]any) {
		context := pod["securityContext"].(map[string]any)
		context["runAsUser"], context["runAsGroup"] = id, id
		delete(context, "fsGroup")
		delete(context, "fsGroupChangePolicy")
	}
}

// volume puts another volume in the place of one.
func volume(name string, source map[string]any) change {
	return func(pod map[string]any) {
		for i, v := range pod["volumes"].([]any) {
			if v.(map[string]any)["name"] == name {
				source["name"] = name
				pod["volumes"].([]any)[i] = source
			}
		}
	}
}

// inMemory is a volume whose size the kernel sees to.
func inMemory(size string) map[string]any {
	return map[string]any{"emptyDir": map[string]any{"medium": "Memory", "sizeLimit": size}}
}

// testMissingSecret looks that a pod without its Secret says so, and runs as
// soon as that is there.
func testMissingSecret(t *testing.T, a *app) {
	a.start(t, "lifeboat-backup", "missing-secret", func(pod map[string]any) {
		for _, source := range container(pod)["envFrom"].([]any) {
			if secret, ok := source.(map[string]any)["secretRef"].(map[string]any); ok {
				secret["name"] = "not-yet"
			}
		}
	})
	eventually(t, time.Minute, "a pod that waits for its Secret", func() (string, bool) {
		events := a.kubectl(t, "get", "events", "--field-selector=involvedObject.kind=Pod,reason=Failed")
		return events, strings.Contains(events, `secret "not-yet" not found`)
	})
	a.store.secret(t, a.namespace, "not-yet", "backup", a.prefix)
	a.completes(t, "missing-secret")
}

// testUnreachable cuts the way to the store: pod after pod tries, until it is
// there again.
func testUnreachable(t *testing.T, a *app) {
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
		return fmt.Sprintf("%+v", pods), len(pods) > 1
	})
	if j := a.job(t, "unreachable"); len(j.Status.Conditions) > 0 {
		t.Errorf("the job is over already: %+v", j.Status)
	}
	if err := down.Enable(); err != nil {
		t.Fatal(err)
	}
	logs := a.completes(t, "unreachable")
	if !strings.Contains(logs, "the store is unreachable") || !strings.Contains(logs, "hint: AWS_ENDPOINT_URL_S3") {
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

// testEvicted lets a copy outgrow the limit of its volume, which the kubelet
// measures once a minute. It is not a disruption to ignore: each pod would do
// the same.
func testEvicted(t *testing.T, a *app) {
	a.start(t, "lifeboat-backup", "evicted", with("LIFEBOAT_MAX_RATE", "50KiB"),
		volume("tmp", map[string]any{"emptyDir": map[string]any{"sizeLimit": "100Ki"}}))
	eventually(t, 3*time.Minute, "an eviction that counts", func() (string, bool) {
		pods := a.podsOf(t, "evicted")
		return fmt.Sprintf("%+v", pods), a.job(t, "evicted").Status.Failed > 0
	})
	for _, p := range a.podsOf(t, "evicted") {
		if p.Status.Reason == "Evicted" {
			if !strings.Contains(p.Status.Message, `EmptyDir volume "tmp" exceeds the limit`) {
				t.Errorf("what the user sees: %s", p.Status.Message)
			}
			a.kubectl(t, "delete", "job", "evicted") // the next pod would do the same
			return
		}
	}
	t.Error("no pod was evicted")
}
