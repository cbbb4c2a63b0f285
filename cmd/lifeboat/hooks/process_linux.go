package hooks

import (
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// attributes say how a command is started.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// finish waits for a program, calls ended, and kills what is left of its group: the
// program is not yet waited for then, so that the group is still its own.
func finish(process *exec.Cmd, ended func()) error {
	for unix.Waitid(unix.P_PID, process.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
	}
	ended()
	killGroup(process)
	return process.Wait()
}
