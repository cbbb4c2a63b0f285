package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/await"
)

// A backup that is told to end, while its first command runs or while it reads, runs the
// second command, which learns of that, and leaves nothing running.
func TestCommandsOfTerminatedBackup(t *testing.T) {
	db := filepath.Join(t.TempDir(), "app.db")
	makeDB(t, db, 6000, "")
	for name, more := range map[string]string{"in the command": "; sleep 1000 & echo $! >left; wait", "in the read": ""} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			backup := exec.Command("lifeboat", "backup", db, "file://"+filepath.Join(dir, "bucket"), "--max-rate", "1MiB",
				"--run-before", "sh -c 'echo >began"+more+"'", "--run-after", "sh -c 'echo $LIFEBOAT_HOOK_EXIT >after'")
			backup.Dir = dir
			out := new(strings.Builder)
			backup.Stdout, backup.Stderr = out, out
			if err := backup.Start(); err != nil {
				t.Fatal(err)
			}
			wanted := "began"
			if more != "" {
				wanted = "left"
			}
			await.That(t, func() bool {
				text, err := os.ReadFile(filepath.Join(dir, wanted))
				return err == nil && len(text) > 0
			})
			if err := backup.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			_ = backup.Wait()
			if code := backup.ProcessState.ExitCode(); code != 143 {
				t.Errorf("exit %d: %s", code, out)
			}
			after, err := os.ReadFile(filepath.Join(dir, "after"))
			if err != nil || string(after) != "143\n" {
				t.Errorf("told %q, %v: %s", after, err, out)
			}
			if more == "" {
				return
			}
			left, err := os.ReadFile(filepath.Join(dir, "left"))
			if err != nil {
				t.Fatal(err)
			}
			pid, err := strconv.Atoi(strings.TrimSpace(string(left)))
			if err != nil {
				t.Fatal(err)
			}
			await.That(t, func() bool { // init may take its time to reap it
				state, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
				return err != nil || strings.Contains(string(state), ") Z ")
			})
		})
	}
}
