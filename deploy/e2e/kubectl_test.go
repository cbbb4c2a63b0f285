//go:build e2e

package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// A namespace is one in the cluster, deleted when the test ends.
type namespace string

// tried runs kubectl and returns what it printed.
func tried(ctx context.Context, stdin string, args ...string) (string, error) {
	command := exec.CommandContext(ctx, "kubectl", args...)
	command.Stdin = strings.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Run(); err != nil {
		return stdout.String(), fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}

// kubectl is tried, where an error is the end of the test.
func kubectl(t testing.TB, stdin string, args ...string) string {
	t.Helper()
	out, err := tried(t.Context(), stdin, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// tried runs kubectl in the namespace.
func (n namespace) tried(ctx context.Context, args ...string) (string, error) {
	return tried(ctx, "", append([]string{"--namespace=" + string(n)}, args...)...)
}

// kubectl is tried, where an error is the end of the test.
func (n namespace) kubectl(t testing.TB, args ...string) string {
	t.Helper()
	return kubectl(t, "", append([]string{"--namespace=" + string(n)}, args...)...)
}

// apply applies a manifest in the namespace.
func (n namespace) apply(t testing.TB, manifest string) {
	t.Helper()
	kubectl(t, manifest, "--namespace="+string(n), "apply", "--filename=-")
}

// newNamespace makes one. Its Pod Security level is one of Kubernetes': what
// asks for more rights is refused.
func newNamespace(t testing.TB, name, level string) namespace {
	t.Helper()
	n := namespace(name)
	kubectl(t, "", "create", "namespace", name)
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(n.describe())
		}
		// Its pods have 30 seconds to end, though none needs them.
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		if _, err := tried(ctx, "", "delete", "namespace", name); err != nil {
			t.Error(err)
		}
	})
	kubectl(t, "", "label", "namespace", name, label+"=", "pod-security.kubernetes.io/enforce="+level)
	// Pods are refused until it is there.
	eventually(t, time.Minute, "the service account of "+name, func() (string, bool) {
		out, err := n.tried(t.Context(), "get", "serviceaccount", "default")
		return fmt.Sprint(out, err), err == nil
	})
	return n
}

// describe returns what somebody would look at who wonders what went wrong.
func (n namespace) describe() string {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var all strings.Builder
	show := func(args ...string) {
		out, err := n.tried(ctx, args...)
		fmt.Fprintf(&all, "--- kubectl %s\n%s", strings.Join(args, " "), out)
		if err != nil {
			fmt.Fprintln(&all, err)
		}
	}
	show("get", "deployments,cronjobs,jobs,pods,persistentvolumeclaims", "--output=wide")
	show("get", "events", "--sort-by=.lastTimestamp", "--field-selector=reason!=MissingClusterDNS")
	pods, err := n.tried(ctx, "get", "pods", "--output=name")
	if err != nil {
		fmt.Fprintln(&all, err)
	}
	for _, pod := range strings.Fields(pods) {
		show("logs", pod, "--all-containers", "--tail=50")
	}
	return all.String()
}

// eventually asks until the answer is yes, and fails with the last answer's
// words if it never is.
func eventually(t testing.TB, within time.Duration, what string, ask func() (string, bool)) {
	t.Helper()
	deadline := time.Now().Add(within)
	for {
		answer, yes := ask()
		if yes {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v: %s", what, within, answer)
		}
		time.Sleep(time.Second)
	}
}

// get reads an object, or several, into a struct that has some of its fields.
func (n namespace) get(t testing.TB, into any, args ...string) {
	t.Helper()
	out := n.kubectl(t, append([]string{"get", "--output=json"}, args...)...)
	if err := json.Unmarshal([]byte(out), into); err != nil {
		t.Fatalf("kubectl get %v: %v", args, err)
	}
}

// A pod is what the tests look at of one.
type pod struct {
	Metadata struct{ Name string }
	Status   struct {
		Phase, Reason, Message, PodIP string
		ContainerStatuses             []struct {
			State struct {
				Terminated *struct {
					Reason   string
					ExitCode int
				}
			}
		}
	}
}

// String is for messages.
func (p pod) String() string {
	return fmt.Sprintf("%s: %s %s, exit %d", p.Metadata.Name, p.Status.Phase, p.Status.Reason, p.exit())
}

// A condition is one of a job's.
type condition struct{ Type, Status, Reason, Message string }

// has returns the condition of a type, if it is true.
func has(conditions []condition, kind string) *condition {
	for _, c := range conditions {
		if c.Type == kind && c.Status == "True" {
			return &c
		}
	}
	return nil
}

// exit returns the code that the pod's container ended with, or -1.
func (p pod) exit() int {
	for _, container := range p.Status.ContainerStatuses {
		if container.State.Terminated != nil {
			return container.State.Terminated.ExitCode
		}
	}
	return -1
}

// pods returns those that a selector finds.
func (n namespace) pods(t testing.TB, selector string) []pod {
	t.Helper()
	var list struct{ Items []pod }
	n.get(t, &list, "pods", "--selector="+selector)
	return list.Items
}

// watch follows a pod until it is gone, and returns how it was last seen: a
// deleted pod's exit code shows for a moment only.
func (n namespace) watch(t testing.TB, name string) <-chan pod {
	t.Helper()
	command := exec.CommandContext(t.Context(), "kubectl", "--namespace="+string(n), "get", "pod", name,
		"--watch", "--output-watch-events", "--output=json")
	events, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	last := make(chan pod, 1)
	done := make(chan struct{})
	t.Cleanup(func() { <-done })
	go func() {
		defer close(done)
		last <- lastSeen(events)
		close(last)
		command.Process.Kill() // a watch does not end by itself
		command.Wait()         // how it ended says nothing
	}()
	return last
}

func lastSeen(events io.Reader) (last pod) {
	for decoder := json.NewDecoder(events); ; {
		var event struct {
			Type   string
			Object pod
		}
		if err := decoder.Decode(&event); err != nil {
			return last
		}
		last = event.Object
		if event.Type == "DELETED" {
			return last
		}
	}
}
