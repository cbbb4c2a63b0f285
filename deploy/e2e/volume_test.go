//go:build e2e

package e2e_test

import (
	"context"
	"strings"
	"testing"
	"time"
)

// Volumes are where the applications' databases are: of the cluster's default
// storage class, or, where it has none, directories of its node, which must be
// the only one then.
type volumes struct {
	node namespace // of a pod that sees the node's /tmp, or ""
}

func newVolumes(t *testing.T) *volumes {
	t.Helper()
	if strings.Contains(kubectl(t, "", "get", "storageclasses", "--output=yaml"), `is-default-class: "true"`) {
		return &volumes{}
	}
	v := &volumes{newNamespace(t, runName+"-node", "privileged")}
	v.node.apply(t, render(`
apiVersion: v1
kind: Pod
metadata: {name: node}
spec:
  automountServiceAccountToken: false
  containers:
    - name: writer
      image: ${E2E_IMAGE}
      command: [/writer, wait]
      volumeMounts: [{name: tmp, mountPath: /node}]
  volumes: [{name: tmp, hostPath: {path: /tmp}}]
`))
	v.node.kubectl(t, "wait", "pod/node", "--for=condition=Ready", "--timeout=60s")
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if _, err := v.node.tried(ctx, "exec", "node", "--", "/writer", "remove", "/node/"+runName); err != nil {
			t.Error(err)
		}
	})
	return v
}

// make makes the volume for a claim in an application's namespace, if the cluster
// does not do so itself. It goes when the test ends.
func (v *volumes) make(t *testing.T, namespace, claim string) {
	t.Helper()
	if v.node == "" {
		return
	}
	// The kubelet gives such a volume to no fsGroup.
	name := namespace + "-" + claim
	dir := "/" + runName + "/" + name
	v.node.kubectl(t, "exec", "node", "--", "/writer", "own", "/node"+dir, "1000", "0770")
	kubectl(t, render(`
apiVersion: v1
kind: PersistentVolume
metadata: {name: "${NAME}", labels: {"${LABEL}": ""}}
spec:
  accessModes: [ReadWriteOnce]
  capacity: {storage: 20Gi}
  persistentVolumeReclaimPolicy: Retain
  claimRef: {namespace: "${NAMESPACE}", name: "${CLAIM}"}
  hostPath: {path: "/tmp${DIR}"}
`, "NAME", name, "NAMESPACE", namespace, "CLAIM", claim, "LABEL", label, "DIR", dir), "apply", "--filename=-")
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if _, err := tried(ctx, "", "delete", "persistentvolume", name); err != nil {
			t.Error(err)
		}
	})
}
