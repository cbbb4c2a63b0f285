// Package kubetest renders the manifests beside it as kubectl apply -k would,
// for tests.
package kubetest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"go.yaml.in/yaml/v4"
)

// module is the pinned kustomize, the same that newer kubectls have inside.
const module = "sigs.k8s.io/kustomize/kustomize/v5@v5.8.1"

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

// As decodes the object into a struct that has some of its fields, whatever
// their case.
func (o Object) As(t testing.TB, into any) {
	t.Helper()
	text, err := json.Marshal(o.Raw)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatalf("%s %s: %v", o.Kind, o.Metadata.Name, err)
	}
}

// Build renders a directory with a kustomization.
func Build(t testing.TB, dir string) []Object {
	t.Helper()
	if _, err := exec.LookPath("kustomize"); err != nil {
		t.Fatalf("%v: make tools-test builds %s", err, module)
	}
	command := exec.Command("kustomize", "build", dir)
	var stderr bytes.Buffer
	command.Stderr = &stderr
	text, err := command.Output()
	if err != nil {
		t.Fatalf("kustomize build %s: %v: %s", dir, err, stderr.String())
	}
	if stderr.Len() > 0 {
		t.Errorf("kustomize build %s warns: %s", dir, stderr.String())
	}
	return Parse(t, text)
}

// Parse returns the objects of a YAML file.
func Parse(t testing.TB, text []byte) []Object {
	t.Helper()
	var objects []Object
	for decoder := yaml.NewDecoder(bytes.NewReader(text)); ; {
		var o Object
		err := decoder.Decode(&o.Raw)
		if errors.Is(err, io.EOF) {
			return objects
		}
		if err != nil {
			t.Fatal(err)
		}
		o.As(t, &o)
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
