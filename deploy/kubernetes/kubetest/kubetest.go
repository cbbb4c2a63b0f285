// Package kubetest renders the manifests beside it as kubectl apply -k would,
// for tests.
package kubetest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

// An Object is one document of the rendered manifests.
type Object struct {
	APIVersion string
	Kind       string
	Metadata   Metadata
	Raw        map[string]any // the whole document
}

// Metadata is what tests look at of an object's.
type Metadata struct {
	Name, Namespace     string
	Labels, Annotations map[string]string
}

// Decode decodes the object into a struct that has some of its fields,
// whatever their case.
func (o Object) Decode(into any) error {
	text, err := json.Marshal(o.Raw)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}

// As is Decode, where an error is the end of the test.
func (o Object) As(t testing.TB, into any) {
	t.Helper()
	if err := o.Decode(into); err != nil {
		t.Fatalf("%s %s: %v", o.Kind, o.Metadata.Name, err)
	}
}

// Build renders a directory with a kustomization.
func Build(t testing.TB, dir string) []Object {
	t.Helper()
	objects, err := Render(dir)
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

// Render is Build outside of a test. A warning is an error.
func Render(dir string) ([]Object, error) {
	command := exec.Command("kustomize", "build", dir)
	var stderr bytes.Buffer
	command.Stderr = &stderr
	text, err := command.Output()
	if errors.Is(err, exec.ErrNotFound) {
		return nil, fmt.Errorf("%w: make tools-test builds it", err)
	}
	if err != nil || stderr.Len() > 0 {
		return nil, fmt.Errorf("kustomize build %s: %v: %s", dir, err, stderr.String())
	}
	return Parse(text)
}

// Parse returns the objects of a YAML file.
func Parse(text []byte) ([]Object, error) {
	var objects []Object
	for decoder := yaml.NewDecoder(bytes.NewReader(text)); ; {
		var o Object
		err := decoder.Decode(&o.Raw)
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, err
		}
		if err := o.Decode(&o); err != nil {
			return nil, err
		}
		objects = append(objects, o)
	}
}

// Overlays returns the overlays in a directory with this project's manifests.
func Overlays(t testing.TB, manifests string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(manifests, "overlays", "*", "kustomization.yaml"))
	if err != nil || len(files) < 3 {
		t.Fatalf("overlays: %v, %v", files, err)
	}
	for i := range files {
		files[i] = filepath.Dir(files[i])
	}
	return files
}

// Copy copies the manifests to a directory of the test's own, to be edited.
func Copy(t testing.TB, manifests string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(manifests)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// Edit replaces what stands in a file once.
func Edit(t testing.TB, file, from, to string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(text, []byte(from)); n != 1 {
		t.Fatalf("%s: %q stands there %d times", file, from, n)
	}
	if err := os.WriteFile(file, bytes.Replace(text, []byte(from), []byte(to), 1), 0o600); err != nil {
		t.Fatal(err)
	}
}

// SecondStoreInside lets the component copy out to a store in the cluster's namespace
// second, as the comment in its network policy has it. dir is a Copy of the manifests.
func SecondStoreInside(t testing.TB, dir string) {
	t.Helper()
	file := filepath.Join(dir, "components", "copy", "network-policy.yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	policy, _, found := strings.Cut(string(text), "  egress:\n")
	if !found {
		t.Fatalf("%s has no egress", file)
	}
	policy += "  egress:\n"
	for line := range strings.Lines(string(text)) {
		if rule, is := strings.CutPrefix(line, "#   "); is {
			policy += "    " + rule
		}
	}
	if err := os.WriteFile(file, []byte(policy), 0o600); err != nil {
		t.Fatal(err)
	}
}
