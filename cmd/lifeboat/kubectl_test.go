package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/lifeboat-sqlite/lifeboat/deploy/kubernetes/kubetest"
)

// A kubectlStandIn carries out what the documents ask of kubectl, on a
// directory in the place of a cluster: it renders what is applied, and runs
// what a node would run, at once. What is in the directory:
const (
	kubeOverlay = "overlay" // the name of the directory that was applied
	kubeVolume  = "volume"  // the name of that which stands for the database's volume
	kubeSecret  = "secret-" // variables
	kubeLog     = "log-"    // what a job or pod printed
	kubeFailed  = "failed-" // is there if it failed
	kubeVerbs   = "verbs"   // that came, in order
)

type kubectlStandIn struct {
	dir       string
	namespace string
	stdin     io.Reader
	stdout    io.Writer
}

func kubectl() {
	s := kubectlStandIn{dir: os.Getenv("KUBECTL_STATE"), stdin: os.Stdin, stdout: os.Stdout}
	args := os.Args[1:]
	if len(args) > 2 && args[0] == "-n" {
		s.namespace, args = args[1], args[2:]
	}
	if err := errors.Join(s.note(args), s.run(args)); err != nil {
		fmt.Fprintf(os.Stderr, "kubectl %v: %v\n", args, err)
		os.Exit(1)
	}
}

func (s kubectlStandIn) path(kind, name string) string { return filepath.Join(s.dir, kind+name) }

// note keeps what was asked for, so that a test can see the order.
func (s kubectlStandIn) note(args []string) error {
	f, err := os.OpenFile(s.path(kubeVerbs, ""), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	verb := args[0]
	if verb == "scale" {
		verb += " " + args[len(args)-1]
	}
	_, err = fmt.Fprintln(f, verb)
	return errors.Join(err, f.Close())
}

func (s kubectlStandIn) run(args []string) error {
	is := func(words ...string) bool { return len(args) >= len(words) && slices.Equal(args[:len(words)], words) }
	switch {
	case is("apply", "-k"):
		return s.applyOverlay(args[2])
	case is("create", "secret", "generic"):
		text, err := os.ReadFile(strings.TrimPrefix(args[4], "--from-env-file="))
		if err != nil {
			return err
		}
		return os.WriteFile(s.path(kubeSecret, args[3]), text, 0o600)
	case is("create", "job"):
		return s.createJob(args[2], strings.TrimPrefix(args[3], "--from=cronjob/"), args[4:])
	case is("create", "-f", "-"), is("apply", "-f", "-"):
		return s.create()
	case is("set", "env", "--local", "-f", "-", "-o", "yaml"):
		return s.change(func(container map[string]any) error { return addVariables(container, args[7:]) })
	case is("patch", "--local", "-f", "-", "--type=json", "-p"):
		return s.change(func(container map[string]any) error { return patchArgs(container, args[6]) })
	case is("wait") && slices.Contains(args, "--for=condition=complete"):
		if _, err := os.Stat(s.path(kubeFailed, strings.TrimPrefix(args[1], "job/"))); err == nil {
			return errors.New("timed out waiting for the condition")
		}
		return nil
	case is("logs"):
		text, err := os.ReadFile(s.path(kubeLog, strings.TrimPrefix(args[1], "job/")))
		if err != nil {
			return err
		}
		_, err = s.stdout.Write(text)
		return err
	case is("delete", "job"), is("delete", "pod"):
		var errs []error
		for _, name := range args[2:] {
			errs = append(errs, os.Remove(s.path(kubeLog, name)))
		}
		return errors.Join(errs...)
	case is("get"), is("describe"), is("patch"), is("scale"), is("wait"):
		return nil
	}
	return errors.New("not known here")
}

func (s kubectlStandIn) applyOverlay(dir string) error {
	if _, err := kubetest.Render(dir); err != nil {
		return err
	}
	absolute, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	return os.WriteFile(s.path(kubeOverlay, ""), []byte(absolute), 0o600)
}

func (s kubectlStandIn) objects() ([]kubetest.Object, error) {
	dir, err := os.ReadFile(s.path(kubeOverlay, ""))
	if err != nil {
		return nil, err
	}
	return kubetest.Render(string(dir))
}

// createJob makes a job of a CronJob, and runs or prints it.
func (s kubectlStandIn) createJob(name, cronJob string, options []string) error {
	objects, err := s.objects()
	if err != nil {
		return err
	}
	i := slices.IndexFunc(objects, func(o kubetest.Object) bool {
		return o.Kind == "CronJob" && o.Metadata.Name == cronJob && o.Metadata.Namespace == s.namespace
	})
	if i < 0 {
		return fmt.Errorf("cronjobs.batch %q not found in namespace %q", cronJob, s.namespace)
	}
	spec := objects[i].Raw["spec"].(map[string]any)["jobTemplate"].(map[string]any)["spec"]
	manifest, err := yaml.Marshal(map[string]any{"apiVersion": "batch/v1", "kind": "Job",
		"metadata": map[string]any{"name": name, "namespace": s.namespace}, "spec": spec})
	if err != nil {
		return err
	}
	if slices.Equal(options, []string{"--dry-run=client", "-o", "yaml"}) {
		_, err := s.stdout.Write(manifest)
		return err
	}
	s.stdin = bytes.NewReader(manifest)
	return s.create()
}

// create runs the job or the pod that comes from stdin. That it fails is no
// error here.
func (s kubectlStandIn) create() error {
	text, err := io.ReadAll(s.stdin)
	if err != nil {
		return err
	}
	objects, err := kubetest.Parse(text)
	if err != nil {
		return err
	}
	var made struct {
		Spec struct {
			Containers []kubetest.Container // of a Pod
			Template   kubetest.PodTemplate // of a Job
		}
	}
	if err := objects[0].Decode(&made); err != nil {
		return err
	}
	name := objects[0].Metadata.Name
	s.namespace = cmp.Or(s.namespace, objects[0].Metadata.Namespace)
	if _, err := os.Stat(s.path(kubeLog, name)); err == nil {
		return fmt.Errorf("%q already exists", name)
	}
	command, err := s.command(append(made.Spec.Containers, made.Spec.Template.Spec.Containers...)[0])
	if err != nil {
		return err
	}
	out, err := command.CombinedOutput()
	if ended := (*exec.ExitError)(nil); errors.As(err, &ended) {
		err = os.WriteFile(s.path(kubeFailed, name), nil, 0o600)
	}
	return errors.Join(err, os.WriteFile(s.path(kubeLog, name), out, 0o600))
}

func (s kubectlStandIn) command(c kubetest.Container) (*exec.Cmd, error) {
	volume, err := os.ReadFile(s.path(kubeVolume, ""))
	if err != nil {
		return nil, err
	}
	objects, err := s.objects()
	if err != nil {
		return nil, err
	}
	return kubeNode{objects, s.secret, string(volume), os.TempDir()}.command(s.namespace, c)
}

func (s kubectlStandIn) secret(name string) (map[string]string, error) {
	text, err := os.ReadFile(s.path(kubeSecret, name))
	if err != nil {
		return nil, err
	}
	values := map[string]string{}
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		values[key] = value
	}
	return values, nil
}

// change changes the container of the job that comes from stdin.
func (s kubectlStandIn) change(how func(container map[string]any) error) error {
	var job map[string]any
	if err := yaml.NewDecoder(s.stdin).Decode(&job); err != nil {
		return err
	}
	spec := job["spec"].(map[string]any)["template"].(map[string]any)["spec"].(map[string]any)
	if err := how(spec["containers"].([]any)[0].(map[string]any)); err != nil {
		return err
	}
	return yaml.NewEncoder(s.stdout).Encode(job)
}

func addVariables(container map[string]any, settings []string) error {
	env, _ := container["env"].([]any)
	for _, setting := range settings {
		name, value, found := strings.Cut(setting, "=")
		if !found {
			return fmt.Errorf("not NAME=VALUE: %s", setting)
		}
		env = append(env, map[string]any{"name": name, "value": value})
	}
	container["env"] = env
	return nil
}

// patchArgs applies a JSON patch that replaces the arguments.
func patchArgs(container map[string]any, patch string) error {
	var operations []struct {
		Op, Path string
		Value    []any
	}
	if err := json.Unmarshal([]byte(patch), &operations); err != nil {
		return err
	}
	if len(operations) != 1 || operations[0].Op != "replace" || operations[0].Path != "/spec/template/spec/containers/0/args" {
		return fmt.Errorf("not known here: %s", patch)
	}
	container["args"] = operations[0].Value
	return nil
}
