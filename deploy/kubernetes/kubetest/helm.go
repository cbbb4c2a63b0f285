package kubetest

import (
	"bytes"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/needs"
)

// Helm renders a chart as helm template does, as the release lifeboat in the
// namespace app, without its tests.
func Helm(t testing.TB, chart string, options ...string) []Object {
	t.Helper()
	text, err := HelmTried(t, append([]string{"template", "lifeboat", chart, "--namespace=app", "--skip-tests", "--kube-version=1.31"}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	objects, err := Parse([]byte(text))
	if err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return slices.DeleteFunc(objects, func(o Object) bool { return o.Kind == "" })
}

// HelmTried runs helm and returns what
// it prints.
func HelmTried(t testing.TB, arguments ...string) (string, error) {
	t.Helper()
	needs.Time(t)
	command := exec.Command("helm", arguments...)
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	err := command.Run()
	if errors.Is(err, exec.ErrNotFound) {
		t.Fatalf("%v: make tools-test builds it", err)
	}
	if err != nil {
		return stdout.String(), fmt.Errorf("helm %v: %w: %s%s", arguments, err, stderr.String(), stdout.String())
	}
	return stdout.String(), nil
}
