package testserver

import (
	"bytes"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/needs"
)

// Promtool returns the path of Prometheus' promtool, which make tools-test takes
// out of a package.
func Promtool(t testing.TB) string {
	t.Helper()
	program, err := exec.LookPath("promtool")
	if err != nil {
		program = filepath.Join(goBin(t), "promtool")
	}
	if _, err := os.Stat(program); err != nil {
		t.Fatalf("promtool is missing, make tools-test fetches it: %v", err)
	}
	return program
}

// StartPushgateway starts a Pushgateway, which make tools-test builds, in the way
// of Start, and returns its URL.
func StartPushgateway(t testing.TB) string {
	t.Helper()
	needs.Server(t)
	program, err := exec.LookPath("pushgateway")
	if err != nil {
		program = filepath.Join(goBin(t), "pushgateway")
	}
	if _, err := os.Stat(program); err != nil {
		t.Fatalf("%s is missing, make tools-test builds it: %v", pinned(t, "pushgateway"), err)
	}
	var trouble string
	for range 5 {
		address := freeAddress(t)
		s := &Server{Endpoint: "http://" + address}
		var output bytes.Buffer
		command := exec.Command(program, "--web.listen-address="+address)
		command.Stdout, command.Stderr = &output, &output
		ended, err := StartBound(command)
		if err != nil {
			t.Fatal(err)
		}
		err = s.waitUntil(ended, func(client *http.Client) bool {
			response, err := client.Get(s.Endpoint + "/-/ready")
			if err != nil {
				return false
			}
			response.Body.Close()
			return response.StatusCode == http.StatusOK
		})
		if err == nil {
			t.Cleanup(func() { end(command, ended) })
			return s.Endpoint
		}
		end(command, ended)
		trouble = err.Error() + ": " + output.String()
	}
	t.Fatalf("pushgateway did not start: %s", trouble)
	return ""
}
