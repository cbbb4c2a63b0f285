package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/await"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/needs"
)

// copying waits until a backup with this temp directory has begun its copy.
func copying(t *testing.T, temp string) {
	t.Helper()
	await.That(t, func() bool {
		copies, _ := filepath.Glob(filepath.Join(temp, "*", "copy.db"))
		return len(copies) == 1
	})
}

// A closed window ends a run as SIGTERM does, but not one under nohup, whose
// bars have no terminal any more.
func TestTerminalHangsUp(t *testing.T) {
	needs.Time(t)
	db := smallDatabase(t)
	for name, c := range map[string]struct {
		trap string
		exit int
	}{
		"ends":  {"", 143},
		"nohup": {"trap '' HUP; ", 3}, // the result is lost, the snapshot is not
	} {
		t.Run(name, func(t *testing.T) {
			temp, bucket := t.TempDir(), t.TempDir()
			t.Setenv("TERM", "xterm")
			t.Setenv("TMPDIR", temp)
			terminal := openTerminal(t, 80)
			command := exec.Command("sh", "-c", c.trap+`exec lifeboat backup "$0" "$1" --max-rate 512KiB`, db, "file://"+bucket)
			command.Stdin, command.Stdout, command.Stderr = terminal.tty, terminal.tty, terminal.tty
			command.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
			if err := command.Start(); err != nil {
				t.Fatal(err)
			}
			terminal.awaits(t, `copy.* left`)
			terminal.tty.Close()
			terminal.File.Close() // the window is closed
			if code := exitOf(command.Wait()); code != c.exit {
				t.Errorf("exit %d, want %d", code, c.exit)
			}
			checkEmpty(t, temp)
			if stored, _ := filepath.Glob(filepath.Join(bucket, "*.zst")); (len(stored) == 1) != (c.exit == 3) {
				t.Errorf("in the bucket: %v", stored)
			}
		})
	}
}

// Shells and systemd send a second signal at once. It ends no clean-up.
func TestHangupBesideAnotherSignal(t *testing.T) {
	for _, signals := range [][]syscall.Signal{{syscall.SIGHUP, syscall.SIGHUP}, {syscall.SIGTERM, syscall.SIGHUP}, {syscall.SIGHUP, syscall.SIGTERM}} {
		temp, bucket := t.TempDir(), t.TempDir()
		command := exec.Command("lifeboat", "backup", smallDatabase(t), "file://"+bucket, "--max-rate", "100KiB")
		command.Env = append(os.Environ(), "TMPDIR="+temp)
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		copying(t, temp)
		for _, s := range signals {
			send(t, command, s)
		}
		if code := exitOf(command.Wait()); code != 143 {
			t.Errorf("%v: exit %d", signals, code)
		}
		checkEmpty(t, temp)
	}
}

// A log whose reader has gone, or whose disk is full, costs no backup: not
// even the warnings of an outage do.
func TestLogGone(t *testing.T) {
	db := smallDatabase(t)
	for name, redirect := range map[string]string{
		"pipe": "2>&3", "full": "2>/dev/full", "closed": "2>&-", "both closed": "2>&- >&-",
	} {
		t.Run(name, func(t *testing.T) {
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			r.Close() // the reader is gone
			bucket := t.TempDir()
			command := exec.Command("sh", "-c", `exec lifeboat backup "$0" "$1" --debug `+redirect, db, "file://"+bucket)
			command.ExtraFiles = []*os.File{w}
			out, err := command.Output()
			w.Close()
			if err != nil {
				t.Errorf("%v: %s", err, out)
			}
			if stored, _ := filepath.Glob(filepath.Join(bucket, "*.zst")); len(stored) != 1 {
				t.Errorf("in the bucket: %v", stored)
			}
			if !strings.Contains(redirect, ">&-") && !strings.HasPrefix(string(out), "uploaded: ") {
				t.Errorf("stdout: %q", out)
			}
		})
	}
}

// An error is still told by its exit code if it cannot be printed.
func TestErrorWithoutLog(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	defer w.Close()
	command := exec.Command("lifeboat", "backup", filepath.Join(t.TempDir(), "missing.db"), "file://"+t.TempDir())
	command.Stdout, command.Stderr = w, w
	if code := exitOf(command.Run()); code != exitSource {
		t.Errorf("exit %d", code)
	}
}
