package s3store

import (
	"context"
	"time"
)

// How long taking back may last. It is short after a signal, when the end of the
// process is awaited.
const (
	abortTimeout          = 10 * time.Second
	abortTimeoutCancelled = 3 * time.Second
)

// afterwards returns a context for taking back, also when ctx is done.
func afterwards(ctx context.Context) (context.Context, context.CancelFunc) {
	timeout := abortTimeout
	if ctx.Err() != nil {
		timeout = abortTimeoutCancelled
	}
	return context.WithTimeout(context.WithoutCancel(ctx), timeout)
}

// createTimeout is how long the answer with an upload's ID is awaited then.
const createTimeout = 2 * time.Second

// linger returns a context that is done some time after ctx is.
func linger(ctx context.Context, longer time.Duration) (context.Context, context.CancelFunc) {
	lingering, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		select {
		case <-lingering.Done():
		case <-time.After(longer):
			cancel()
		}
	})
	return lingering, func() { stop(); cancel() }
}
