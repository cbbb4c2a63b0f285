package testserver

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/needs"
)

// StartVersityGW starts a Versity S3 Gateway over a directory, in the way of
// Start. Its metadata are in files of their own, so that the directory may be
// anywhere, also where there are no extended attributes.
func StartVersityGW(t testing.TB) *Server {
	t.Helper()
	return startOther(t, "versitygw", func(s *Server, program, address, dir string) *exec.Cmd {
		metadata := filepath.Join(t.TempDir(), "metadata")
		if err := os.Mkdir(metadata, 0o700); err != nil {
			t.Fatal(err)
		}
		command := exec.Command(program, "--quiet", "--port", address, "posix", "--sidecar", metadata, dir)
		command.Env = append(withoutMinio(os.Environ()), "ROOT_ACCESS_KEY="+s.AccessKey, "ROOT_SECRET_KEY="+s.SecretKey)
		return command
	})
}

// StartRclone starts rclone serve s3 over a directory, in the way of Start.
func StartRclone(t testing.TB) *Server {
	t.Helper()
	return startOther(t, "rclone", func(s *Server, program, address, dir string) *exec.Cmd {
		command := exec.Command(program, "serve", "s3", "--addr", address, "--config", os.DevNull, dir)
		command.Env = append(withoutMinio(os.Environ()), fmt.Sprintf("RCLONE_AUTH_KEY=%q", s.AccessKey+","+s.SecretKey))
		return command
	})
}

// startOther starts a server as start does.
func startOther(t testing.TB, name string, of func(s *Server, program, address, dir string) *exec.Cmd) *Server {
	t.Helper()
	needs.Server(t)
	program := find(t, name, func(path string) bool {
		// A distribution's rclone may be too old to serve S3.
		return name != "rclone" || exec.Command(path, "serve", "s3", "--help").Run() == nil
	})
	var trouble string
	for range 5 {
		s := &Server{AccessKey: "lifeboat-" + random(4), SecretKey: random(16)}
		address := freeAddress(t)
		s.Endpoint = "http://" + address
		var output bytes.Buffer
		command := of(s, program, address, t.TempDir())
		command.Stdout, command.Stderr = &output, &output
		ended, err := StartBound(command)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.waitUntil(ended, s.answersAs); err != nil {
			end(command, ended)
			trouble = fmt.Sprintf("%v: %s", err, output.String())
			continue
		}
		t.Cleanup(func() { end(command, ended) })
		return s
	}
	t.Fatalf("%s did not start: %s", name, trouble)
	return nil
}

// isReady asks MinIO for its readiness.
func (s *Server) isReady(client *http.Client) bool {
	response, err := client.Get(s.Endpoint + "/minio/health/ready")
	if err != nil {
		return false
	}
	response.Body.Close()
	return response.StatusCode == http.StatusOK && s.answersAs(client)
}
