//go:build e2e

package e2e_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2/client"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
)

const (
	storePort = 9000
	slowPort  = 9001 // the same store, far away
	downPort  = 9002 // the same store, when it is out of reach
	adminPort = 8474 // of the proxy that makes it so
	root      = "lifeboat-e2e-root"
	password  = "lifeboat-e2e-password"
)

// toxiproxy's client uses the default transport, and whether a connection through a
// forwarded port is still good after a while does not show.
func init() { http.DefaultTransport.(*http.Transport).DisableKeepAlives = true }

// A store is a MinIO in the cluster, behind a proxy of each port above.
type store struct {
	namespace
	ip     string
	server *testserver.Server // it, as seen from here
	proxy  *toxiproxy.Client
}

// newStore starts one in a namespace of its own. Pods reach it by its pod's address, which
// works in clusters without DNS, too.
func newStore(t *testing.T, name string) *store {
	t.Helper()
	s := &store{namespace: newNamespace(t, runName+"-"+name, "restricted")}
	s.apply(t, render(`
apiVersion: v1
kind: Pod
metadata:
  name: store
spec:
  automountServiceAccountToken: false
  securityContext: {runAsNonRoot: true, runAsUser: 1000, runAsGroup: 1000, fsGroup: 1000, seccompProfile: {type: RuntimeDefault}}
  containers:
    - name: minio
      image: ${E2E_IMAGE}
      command: [/minio, server, /data, --address, ":${PORT}", --quiet]
      env:
        - {name: MINIO_ROOT_USER, value: "${ROOT}"}
        - {name: MINIO_ROOT_PASSWORD, value: "${PASSWORD}"}
        - {name: MINIO_BROWSER, value: "off"}
        - {name: MINIO_UPDATE, value: "off"}
        - {name: HOME, value: /tmp}
      securityContext: &locked {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}, readOnlyRootFilesystem: true}
      volumeMounts: [{name: data, mountPath: /data}, {name: tmp, mountPath: /tmp}]
      readinessProbe: {httpGet: {path: /minio/health/ready, port: ${PORT}}, periodSeconds: 1}
    - name: proxy
      image: ${E2E_IMAGE}
      command: [/toxiproxy, -host, 0.0.0.0]
      env: [{name: LOG_LEVEL, value: error}]
      securityContext: *locked
  volumes: [{name: data, emptyDir: {}}, {name: tmp, emptyDir: {}}]
`, "PORT", fmt.Sprint(storePort), "ROOT", root, "PASSWORD", password))
	s.kubectl(t, "wait", "pod/store", "--for=condition=Ready", "--timeout=120s")
	s.ip = s.pods(t, "")[0].Status.PodIP

	ports := s.forward(t, "pod/store", storePort, adminPort)
	s.server = &testserver.Server{Endpoint: "http://" + ports[0], AccessKey: root, SecretKey: password}
	s.proxy = toxiproxy.NewClient(ports[1])
	for name, port := range map[string]int{"slow": slowPort, "down": downPort} {
		if _, err := s.proxy.CreateProxy(name, fmt.Sprint("0.0.0.0:", port), fmt.Sprint("127.0.0.1:", storePort)); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// endpoint returns the address of one of the store's ports, for pods.
func (s *store) endpoint(port int) string { return fmt.Sprintf("http://%s:%d", s.ip, port) }

// forward has kubectl listen on free ports of this machine for ports of a pod,
// and returns their addresses.
func (n namespace) forward(t *testing.T, pod string, ports ...int) []string {
	t.Helper()
	args := []string{"--namespace=" + string(n), "port-forward", "--address=127.0.0.1", pod}
	for _, port := range ports {
		args = append(args, fmt.Sprint(":", port))
	}
	command := exec.CommandContext(t.Context(), "kubectl", args...)
	command.Stderr = os.Stderr
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	ended, err := testserver.StartBound(command)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { <-ended })
	var addresses []string
	forwarding := regexp.MustCompile(`^Forwarding from (127\.0\.0\.1:\d+) -> `)
	lines := bufio.NewScanner(output)
	for len(addresses) < len(ports) && lines.Scan() {
		if found := forwarding.FindStringSubmatch(lines.Text()); found != nil {
			addresses = append(addresses, found[1])
		}
	}
	if len(addresses) < len(ports) {
		t.Fatalf("kubectl %s: forwards only %v", strings.Join(args, " "), addresses)
	}
	go func() { // it prints a line for each connection
		for lines.Scan() {
		}
	}()
	return addresses
}

// snapshots returns the objects of a series, by key, with their tags.
func (a *app) snapshots(t *testing.T, prefix string) map[string]bucket.Tags {
	t.Helper()
	client := a.store.server.Client(t)
	list, err := client.Objects(t.Context(), a.bucket, prefix+"/")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bucket.Tags{}
	for _, object := range list {
		tags, err := client.Tags(t.Context(), a.bucket, object.Name)
		if err != nil {
			t.Fatal(err)
		}
		found[object.Name] = tags
	}
	return found
}

// unfinished returns the files of uploads that were begun and not ended. MinIO
// lists such uploads only to who knows the key.
func (s *store) unfinished(t *testing.T) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := s.tried(ctx, "exec", "store", "--container=minio", "--", "/writer", "files", "/data/.minio.sys/multipart")
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// toxic adds a fault of toxiproxy's to one of the ways to the store, until the
// function that it returns is called.
func (s *store) toxic(t *testing.T, way, kind, stream string, attributes toxiproxy.Attributes) (remove func()) {
	t.Helper()
	p, err := s.proxy.Proxy(way)
	if err != nil {
		t.Fatal(err)
	}
	added, err := p.AddToxic("", kind, stream, 1, attributes)
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		if err := p.RemoveToxic(added.Name); err != nil {
			t.Fatal(err)
		}
	}
}
