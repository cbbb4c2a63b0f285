//go:build !linux

package hooks

import (
	"os/exec"
	"syscall"
)

// attributes say how a command is started.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// finish waits for a program, calls ended, and kills what is left of its group.
func finish(process *exec.Cmd, ended func()) error {
	err := process.Wait()
	ended()
	killGroup(process)
	return err
}
