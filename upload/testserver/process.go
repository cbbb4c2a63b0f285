package testserver

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// find returns a program of versions.txt: from PATH, if it is the right one, else
// from where go install puts programs, else built there now.
func find(t testing.TB, name string, isRight func(path string) bool) string {
	t.Helper()
	if program, err := exec.LookPath(name); err == nil && isRight(program) {
		return program
	}
	dir := goBin(t)
	program := filepath.Join(dir, name)
	if _, err := os.Stat(program); err == nil {
		return program
	}
	module := pinned(t, name)
	t.Logf("no %s on PATH or in %s: building %s (some minutes, once)", name, dir, module)
	// Another test binary may be building it too: both build into a directory
	// of their own and the rename lets the last one win.
	build := t.TempDir()
	install := exec.Command("go", "install", module)
	install.Dir = build // outside any module, so that no go.mod is looked at
	install.Env = append(os.Environ(), "GOFLAGS=", "GOBIN="+build)
	if output, err := install.CombinedOutput(); err != nil {
		t.Fatalf("go install %s: %v: %s", module, err, output)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := moveFile(filepath.Join(build, name), program); err != nil {
		t.Fatal(err)
	}
	return program
}

// goBin returns the directory that go install puts programs into.
func goBin(t testing.TB) string {
	t.Helper()
	output, err := exec.Command("go", "env", "GOBIN", "GOPATH").Output()
	if err != nil {
		t.Fatalf("go env: %v", err)
	}
	lines := strings.Split(string(output), "\n")
	if lines[0] != "" {
		return lines[0]
	}
	return filepath.Join(filepath.SplitList(lines[1])[0], "bin")
}

// moveFile puts a program in place at once, also across file systems.
func moveFile(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	temp := fmt.Sprintf("%s.%d", to, os.Getpid())
	if err := os.WriteFile(temp, data, 0o755); err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	return os.Rename(temp, to)
}

// StartBound starts the command so that it cannot outlive this process, and
// returns a channel that is closed when it has ended. A test binary that is
// killed or runs into its deadline runs no cleanup, so the kernel ends the
// server: it does when the thread that started it ends, hence the locked one.
func StartBound(command *exec.Cmd) (<-chan struct{}, error) {
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started, ended := make(chan error), make(chan struct{})
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(ended)
		err := command.Start()
		started <- err
		if err == nil {
			command.Wait() // how it ended is told by its output
		}
	}()
	return ended, <-started
}

// end ends the server and waits for it.
func end(command *exec.Cmd, ended <-chan struct{}) {
	command.Process.Signal(syscall.SIGTERM) // it may have ended already
	select {
	case <-ended:
	case <-time.After(endWithin):
		command.Process.Kill()
		<-ended
	}
}

// waitUntil asks whether the server is ready until it says yes.
func (s *Server) waitUntil(ended <-chan struct{}, ready func(*http.Client) bool) error {
	deadline := time.After(readyWithin)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	client := s.httpClient()
	defer client.CloseIdleConnections()
	for {
		if ready(client) {
			return nil
		}
		select {
		case <-ended:
			return errors.New("it ended at once")
		case <-deadline:
			return fmt.Errorf("not ready within %v", readyWithin)
		case <-tick.C:
		}
	}
}

// freeAddress returns a loopback address with a port that is free now.
func freeAddress(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// withoutMinio returns the environment without settings meant for other
// servers or for the client under test.
func withoutMinio(environment []string) []string {
	var kept []string
	for _, setting := range environment {
		if !strings.HasPrefix(setting, "MINIO_") && !strings.HasPrefix(setting, "AWS_") {
			kept = append(kept, setting)
		}
	}
	return kept
}
