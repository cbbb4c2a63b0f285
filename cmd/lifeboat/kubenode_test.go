package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/lifeboat-sqlite/lifeboat/deploy/kubernetes/kubetest"
)

// A kubeNode runs what the containers of rendered manifests run, with the
// program of the tests in the place of the image.
type kubeNode struct {
	objects []kubetest.Object
	secret  func(name string) (map[string]string, error)
	volume  string // the directory that stands for the database's volume, /data
	temp    string // and the one for /tmp
}

// command returns what a container runs.
func (n kubeNode) command(namespace string, c kubetest.Container) (*exec.Cmd, error) {
	environment, err := n.environment(namespace, c)
	if err != nil {
		return nil, err
	}
	var args []string
	for _, arg := range c.Args {
		args = append(args, n.inVolume(kubeExpand(arg, environment)))
	}
	command := exec.Command("lifeboat", args...)
	command.Env = []string{"PATH=" + os.Getenv("PATH"), "TMPDIR=" + n.temp, "GORACE=" + os.Getenv("GORACE"),
		"AWS_CONFIG_FILE=" + os.DevNull, "AWS_SHARED_CREDENTIALS_FILE=" + os.DevNull}
	for name, value := range environment {
		command.Env = append(command.Env, name+"="+n.inVolume(value))
	}
	return command, nil
}

// inVolume returns the file that a path in the container means.
func (n kubeNode) inVolume(path string) string {
	if file, found := strings.CutPrefix(path, "/data/"); found {
		return filepath.Join(n.volume, file)
	}
	return path
}

// environment returns the variables that the container has.
func (n kubeNode) environment(namespace string, c kubetest.Container) (map[string]string, error) {
	environment := map[string]string{}
	for _, from := range c.EnvFrom {
		read := func() (map[string]string, error) { return kubetest.Settings(n.objects) }
		if from.SecretRef != nil {
			read = func() (map[string]string, error) { return n.secret(from.SecretRef.Name) }
		}
		values, err := read()
		if err != nil {
			return nil, err
		}
		for name, value := range values {
			environment[name] = value
		}
	}
	for _, variable := range c.Env {
		environment[variable.Name] = kubeExpand(variable.Value, environment)
		switch field := variable.ValueFrom.FieldRef.FieldPath; field {
		case "":
		case "metadata.namespace":
			environment[variable.Name] = namespace
		default:
			return nil, fmt.Errorf("the pod's %s is not known here", field)
		}
	}
	return environment, nil
}

var kubeReference = regexp.MustCompile(`\$\(([A-Z0-9_]+)\)`)

// kubeExpand replaces references to variables as Kubernetes does: what is not
// known stays.
func kubeExpand(text string, environment map[string]string) string {
	return kubeReference.ReplaceAllStringFunc(text, func(reference string) string {
		if value, ok := environment[reference[2:len(reference)-1]]; ok {
			return value
		}
		return reference
	})
}
