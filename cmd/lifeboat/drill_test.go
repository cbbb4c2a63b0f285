package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/await"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/needs"
)

// forgedSnapshot makes a series with one snapshot, of a table with a column that
// is computed at each read.
func forgedSnapshot(t *testing.T, column string) (bucket string) {
	t.Helper()
	db := filepath.Join(t.TempDir(), "app.db")
	sqlite(t, db, fmt.Sprintf("CREATE TABLE t (a); INSERT INTO t VALUES (1); PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = 'CREATE TABLE t (a, b NOT NULL AS (%s))'",
		strings.ReplaceAll(column, "'", "''")))
	bucket = "file://" + t.TempDir()
	if out, err := exec.Command("lifeboat", "backup", db, bucket, "--check", "none").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return bucket
}

// withoutEnd is one call of one function, which SQLite cannot interrupt.
const withoutEnd = "instr(zeroblob(30000000), zeroblob(15000000) || x'01') + a"

// A drill takes no more memory than a worker may, whatever the snapshot holds.
func TestDrillMemory(t *testing.T) {
	bucket := forgedSnapshot(t, "max("+strings.Repeat("hex(zeroblob(30000000)), ", 30)+"a) > a")
	drill := exec.Command("lifeboat", "verify", bucket)
	out, err := drill.CombinedOutput()
	if drill.ProcessState.ExitCode() != exitDamaged || !bytes.Contains(out, []byte("more memory than a worker may use")) {
		t.Errorf("%v: %s", err, out)
	}
	// Those of the workers are in it.
	if used := drill.ProcessState.SysUsage().(*syscall.Rusage).Maxrss; used > 400<<10 {
		t.Errorf("the largest process took %d KiB", used)
	}
}

// A worker that dies is that snapshot's failure.
func TestDrillKilled(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	drill := exec.Command("lifeboat", "verify", forgedSnapshot(t, withoutEnd))
	var output bytes.Buffer
	drill.Stdout, drill.Stderr = &output, &output
	if err := drill.Start(); err != nil {
		t.Fatal(err)
	}
	defer drill.Process.Kill()
	var pid int
	await.That(t, func() bool {
		pid = workerIn(temp)
		return pid != 0
	})
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		t.Error(err)
	}
	err := drill.Wait()
	if drill.ProcessState.ExitCode() != exitDamaged || !strings.Contains(output.String(), "the worker that checked the restored database died: signal: killed") {
		t.Errorf("%v: %s", err, &output)
	}
	checkEmpty(t, temp)
}

// A signal ends a drill in the middle of what SQLite cannot interrupt, and
// leaves neither a temp file nor the worker.
func TestDrillTerminated(t *testing.T) {
	needs.Time(t)
	temp, bucket := t.TempDir(), forgedSnapshot(t, withoutEnd)
	pid := 0
	terminate(t, syscall.SIGTERM, 143, temp, func() bool {
		pid = workerIn(temp)
		return pid != 0
	}, "verify", bucket)
	if err := unix.Kill(pid, 0); !errors.Is(err, unix.ESRCH) {
		t.Errorf("the worker: %v", err)
	}
}

// workerIn returns the worker that has this temp directory and is at work, or 0.
func workerIn(temp string) int {
	paths, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range paths {
		command, _ := os.ReadFile(path)
		environment, _ := os.ReadFile(filepath.Join(filepath.Dir(path), "environ"))
		if !bytes.HasSuffix(command, []byte("\x00__worker\x00")) || !bytes.Contains(environment, []byte("TMPDIR="+temp+"\x00")) {
			continue
		}
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if ticks(pid) > 20 {
			return pid
		}
	}
	return 0
}

// ticks returns how much processor time a process has taken, in hundredths of a
// second. Source: proc_pid_stat(5).
func ticks(pid int) int {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, after, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(after)
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(fields[11])
	return user
}
