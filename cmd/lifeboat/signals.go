package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

// interrupted is the cause of a context that a signal ended.
type interrupted struct{ signal syscall.Signal }

func (i interrupted) Error() string {
	if i.signal == syscall.SIGINT {
		return "interrupted"
	}
	return "terminated"
}

func (i interrupted) Is(target error) bool { return target == context.Canceled }

// withSignal wraps err in the signal that ended ctx, if one did.
func withSignal(ctx context.Context, err error) error {
	if caught, ok := context.Cause(ctx).(interrupted); ok && err != nil {
		return fmt.Errorf("%w%s", caught, withoutNoise(err))
	}
	return err
}

// untilSignal returns a context that ends at SIGINT, SIGTERM or SIGHUP, which
// counts as SIGTERM: the session is over. A second SIGINT or SIGTERM ends the
// process at once. A second SIGHUP does not, because shells and systemd send it
// beside another signal. A signal that was ignored at the start, as nohup does
// with SIGHUP, stays ignored.
func untilSignal(parent context.Context) (context.Context, func()) {
	// A file that reaches ulimit -f is an error to report, not a reason to die.
	signal.Ignore(syscall.SIGXFSZ)
	// Nor is a reader of stdout or stderr that has gone. Unlike Ignore, Notify
	// keeps the signal's default for child processes. Nothing reads the channel.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	ctx, cancel := context.WithCancelCause(parent)
	signals, stop := make(chan os.Signal, 4), make(chan struct{})
	for _, s := range []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		if !signal.Ignored(s) {
			signal.Notify(signals, s)
		}
	}
	go func() {
		for {
			select {
			case s := <-signals:
				if s == syscall.SIGHUP {
					cancel(interrupted{syscall.SIGTERM})
					continue
				}
				signal.Reset(syscall.SIGINT, syscall.SIGTERM)
				cancel(interrupted{s.(syscall.Signal)})
			case <-stop:
				return
			}
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(stop)
		cancel(nil)
	}
}

// withoutNoise returns what err adds to the fact of the interruption.
func withoutNoise(err error) string {
	text := err.Error()
	for _, noise := range []string{context.Canceled.Error(), "interrupted", "terminated"} {
		text = strings.TrimSuffix(strings.TrimSuffix(text, noise), ": ")
	}
	if text == "" {
		return ""
	}
	return " during: " + text
}
