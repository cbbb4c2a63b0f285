package hooks

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

const (
	// grace is how long a command may take to end when it is told to, before it is killed.
	grace = 2 * time.Second
	// strays is how long to wait for the end of the output once a command has ended: what
	// has left its group may keep stdout open.
	strays = time.Second
)

// start runs a program until it ends, and ends it with ctx: it and all that it has
// started in its process group, which is one of its own, as the terminal's signals are
// Lifeboat's to answer. Nothing of that group is left in the end. The error is that of a
// program that failed.
func start(ctx context.Context, command Command, environment []string, out *output) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	// The kernel kills the program with the thread that started it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	process := exec.Command(command[0], command[1:]...)
	process.Env, process.Stdout, process.Stderr, process.SysProcAttr = environment, out, out, attributes()
	process.WaitDelay = strays
	switch err := process.Start(); {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: %w", ErrMayNotRun, err)
	case err != nil:
		return err
	}
	ended, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		endWith(ctx, process, ended)
	}()
	err := finish(process, func() {
		close(ended)
		<-done
	})
	out.end()
	if errors.Is(err, exec.ErrWaitDelay) {
		return nil // the program itself has ended well
	}
	return err
}

// endWith tells a program's process group to end when ctx does, and kills it after the
// grace. It returns once ended is closed.
func endWith(ctx context.Context, process *exec.Cmd, ended <-chan struct{}) {
	select {
	case <-ended:
		return
	case <-ctx.Done():
	}
	_ = syscall.Kill(-process.Process.Pid, syscall.SIGTERM) // it may have ended by itself
	last := time.NewTimer(grace)
	defer last.Stop()
	select {
	case <-ended:
		return
	case <-last.C:
	}
	killGroup(process)
	<-ended
}

// killGroup kills what is left of a program's process group.
func killGroup(process *exec.Cmd) {
	_ = syscall.Kill(-process.Process.Pid, syscall.SIGKILL) // most leave nothing behind
}
