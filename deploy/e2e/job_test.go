//go:build e2e

package e2e_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

// A change is made to the specification of a job before it starts: what
// somebody got wrong in it.
type change func(job map[string]any)

// start starts a job from one of the overlay's CronJobs, as kubectl create job
// --from does.
func (a *app) start(t *testing.T, cronJob, name string, changes ...change) {
	t.Helper()
	text := a.kubectl(t, "create", "job", name, "--from=cronjob/"+cronJob, "--dry-run=client", "--output=json")
	var job map[string]any
	if err := json.Unmarshal([]byte(text), &job); err != nil {
		t.Fatal(err)
	}
	if len(changes) > 0 {
		// A CronJob removes all but the last three of its failed jobs.
		delete(job["metadata"].(map[string]any), "ownerReferences")
	}
	for _, c := range changes {
		c(job["spec"].(map[string]any))
	}
	changed, err := json.Marshal(job)
	if err != nil {
		t.Fatal(err)
	}
	a.apply(t, string(changed))
}

// within returns what is at a path in a document, of maps by their keys and of
// lists the first.
func within(document any, path ...string) map[string]any {
	for _, key := range path {
		document = document.(map[string]any)[key]
		if list, ok := document.([]any); ok {
			document = list[0]
		}
	}
	return document.(map[string]any)
}

func podOf(job map[string]any) map[string]any { return within(job, "template", "spec") }

func containerOf(job map[string]any) map[string]any { return within(podOf(job), "containers") }

// with sets a variable, whatever ConfigMap and Secret say. Those that are made
// of it see it, too.
func with(name, value string) change {
	return func(job map[string]any) {
		container := containerOf(job)
		env, _ := container["env"].([]any)
		container["env"] = append([]any{map[string]any{"name": name, "value": value}}, env...)
	}
}

// A job is what the tests look at of one.
type job struct {
	Status struct {
		Active, Succeeded, Failed int
		Conditions                []condition
	}
}

func (a *app) job(t *testing.T, name string) (j job) {
	t.Helper()
	a.get(t, &j, "job", name)
	return j
}

// completes waits until a job is done, and returns what its pods printed.
func (a *app) completes(t *testing.T, name string) string {
	t.Helper()
	a.waitForEnd(t, name)
	logs := a.logs(t, name)
	if c := has(a.job(t, name).Status.Conditions, "Failed"); c != nil {
		t.Fatalf("job %s failed: %s: %s\n%s", name, c.Reason, c.Message, logs)
	}
	return logs
}

// failsAtOnce waits until a job has failed, and fails unless it did so with one
// pod and the exit code, and printed each of the words.
func (a *app) failsAtOnce(t *testing.T, name string, exit int, words ...string) {
	t.Helper()
	a.waitForEnd(t, name)
	logs := a.logs(t, name)
	if c := has(a.job(t, name).Status.Conditions, "Failed"); c == nil || c.Reason != "PodFailurePolicy" {
		t.Errorf("job %s: %+v, want it failed by its podFailurePolicy", name, c)
	}
	pods := a.podsOf(t, name)
	if len(pods) != 1 || pods[0].exit() != exit {
		t.Errorf("job %s: pods: %v, want one with exit %d", name, pods, exit)
	}
	for _, word := range words {
		if !strings.Contains(logs, word) {
			t.Errorf("job %s does not say %q", name, word)
		}
	}
	t.Logf("what the user sees of %s:\n%s", name, logs)
}

// podsOf returns the pods that a job has made, as far as they are still there.
func (a *app) podsOf(t *testing.T, job string) []pod {
	t.Helper()
	return a.pods(t, "batch.kubernetes.io/job-name="+job)
}

func (a *app) waitForEnd(t *testing.T, name string) {
	t.Helper()
	eventually(t, 90*time.Second, "the end of job "+name, func() (string, bool) {
		j := a.job(t, name)
		return fmt.Sprintf("%+v", j.Status), has(j.Status.Conditions, "Complete") != nil || has(j.Status.Conditions, "Failed") != nil
	})
}

func (a *app) logs(t *testing.T, job string) string {
	t.Helper()
	return a.kubectl(t, "logs", "--selector=batch.kubernetes.io/job-name="+job, "--tail=-1")
}
