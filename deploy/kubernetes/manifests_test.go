// Package kubernetes_test checks the manifests in this directory: that they
// are valid, and that no edit loses what makes them safe.
package kubernetes_test

import (
	"path/filepath"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/deploy/kubernetes/kubetest"
)

// all renders every overlay.
func all(t *testing.T) map[string][]kubetest.Object {
	t.Helper()
	rendered := map[string][]kubetest.Object{}
	for _, dir := range kubetest.Overlays(t, ".") {
		rendered[filepath.Base(dir)] = kubetest.Build(t, dir)
	}
	return rendered
}
