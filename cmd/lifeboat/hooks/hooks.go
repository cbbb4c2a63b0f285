// Package hooks runs commands of the user's around the read of a database, for
// applications that must pause or flush something meanwhile.
package hooks

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/pause"
)

// VariablePrefix begins the variables that a command is told by.
const VariablePrefix = "LIFEBOAT_HOOK"

var (
	// ErrBefore: the first command failed, so nothing was read.
	ErrBefore = errors.New("nothing was backed up, because --run-before failed")
	// ErrAfter: the second command failed.
	ErrAfter = errors.New("--run-after failed")
	// ErrMayNotRun: a command could not be started, for lack of a permission.
	ErrMayNotRun = errors.New("it may not be run")
)

// afterSignal is how long the second command may take once the run has been told to end:
// the time until it is killed is running.
const afterSignal = 8 * time.Second

// Hooks are the commands of one run, each "" or one that Check takes.
type Hooks struct {
	Before, After Command
	Limit         time.Duration // of each
	// About are the variables for both, as NAME=value.
	About []string
	// Exit returns the exit code for the error of the read.
	Exit func(error) int
	// Log receives what they print, at Level.
	Log   *slog.Logger
	Level slog.Level

	failed error // of After
}

// Around runs the first command, read, and the second command: that also where one of the
// others has failed, has panicked or was interrupted. The error is that of the first
// command or of read: Failed has that of the second.
func (h *Hooks) Around(ctx context.Context, read func(context.Context) error) (err error) {
	outcome := errors.New("a bug in lifeboat")
	defer func() { h.after(ctx, outcome) }()
	if err = h.before(ctx); err == nil {
		err = read(ctx)
	}
	outcome = err
	return err
}

// Failed returns the error of the second command, which wraps ErrAfter, or nil.
func (h *Hooks) Failed() error { return h.failed }

func (h *Hooks) before(ctx context.Context) error {
	if h.Before == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, h.Limit)
	defer cancel()
	if err := h.run(ctx, "before", h.Before); err != nil {
		return fmt.Errorf("%w: %w", ErrBefore, err)
	}
	return nil
}

func (h *Hooks) after(ctx context.Context, outcome error) {
	if h.After == nil {
		return
	}
	told := []string{VariablePrefix + "_EXIT=" + strconv.Itoa(h.Exit(outcome))}
	if outcome != nil {
		told = append(told, VariablePrefix+"_ERROR="+strings.ReplaceAll(outcome.Error(), "\x00", ""))
	}
	own, cancel := context.WithTimeout(context.WithoutCancel(ctx), h.Limit)
	shortened := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(shortened)
		if pause.For(own, afterSignal) == nil {
			cancel()
		}
	})
	err := h.run(own, "after", h.After, told...)
	cancel()
	if !stop() {
		<-shortened
	}
	if err != nil {
		h.failed = errors.Join(h.failed, fmt.Errorf("%w: %w", ErrAfter, err))
	}
}

// run runs one command to its end, or that of ctx.
func (h *Hooks) run(ctx context.Context, when string, command Command, told ...string) error {
	out := &output{log: func(line string) { h.Log.Log(context.WithoutCancel(ctx), h.Level, line, "run", when) }}
	began := time.Now()
	err := start(ctx, command, append(append(environment(os.Environ()), append(h.About, VariablePrefix+"="+when)...), told...), out)
	h.Log.Debug("step: run "+when, "command", command[0], "ms", time.Since(began).Milliseconds())
	switch { // one that was ended may say that all is well
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("%s: it took longer than %s", command[0], h.Limit)
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w", command[0], ctx.Err())
	case err == nil:
		return nil
	case out.last != "":
		return fmt.Errorf("%s: %w: %s", command[0], err, out.last)
	}
	return fmt.Errorf("%s: %w", command[0], err)
}

// environment returns what a command gets of the program's: all but the settings of
// Lifeboat and the keys for the store.
func environment(all []string) (kept []string) {
	for _, setting := range all {
		if !strings.HasPrefix(setting, "LIFEBOAT_") && !strings.HasPrefix(setting, "AWS_") {
			kept = append(kept, setting)
		}
	}
	return kept
}
