package testserver

import (
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// As returns the server as a new user sees it who may do what the policies say,
// each a document in the language of IAM.
func (s *Server) As(t testing.TB, policies ...string) *Server {
	t.Helper()
	user := *s
	user.AccessKey, user.SecretKey = "user-"+random(4), random(16)
	s.mc(t, "admin", "user", "add", "test", user.AccessKey, user.SecretKey)
	for i, policy := range policies {
		name := fmt.Sprintf("%s-%d", user.AccessKey, i)
		file := filepath.Join(t.TempDir(), "policy.json")
		if err := os.WriteFile(file, []byte(policy), 0o600); err != nil {
			t.Fatal(err)
		}
		s.mc(t, "admin", "policy", "create", "test", name, file)
		s.mc(t, "admin", "policy", "attach", "test", name, "--user", user.AccessKey)
	}
	return &user
}

// SetQuota limits what a bucket may hold, in mc's words such as 1MiB.
func (s *Server) SetQuota(t testing.TB, bucket, size string) {
	t.Helper()
	s.mc(t, "quota", "set", "test/"+bucket, "--size", size)
}

// mc runs MinIO's client, which knows the server as "test".
func (s *Server) mc(t testing.TB, arguments ...string) {
	t.Helper()
	endpoint, err := url.Parse(s.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	endpoint.User = url.UserPassword(s.AccessKey, s.SecretKey)
	home := t.TempDir()
	arguments = append([]string{"--config-dir", home, "--insecure", "--quiet"}, arguments...)
	command := exec.Command(find(t, "mc", isMinioClient), arguments...)
	command.Env = append(withoutMinio(os.Environ()), "MC_HOST_test="+endpoint.String(), "HOME="+home)
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("mc %s: %v: %s", strings.Join(arguments, " "), err, output)
	}
}

// isMinioClient tells MinIO's client from Midnight Commander, whose program
// has the same name.
func isMinioClient(program string) bool {
	output, err := exec.Command(program, "--version").Output()
	return err == nil && strings.HasPrefix(string(output), "mc version")
}
