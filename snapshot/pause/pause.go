// Package pause waits for a time to pass. It belongs to the ground floor of
// Lifeboat's own packages and promises nothing to applications.
package pause

import (
	"context"
	"time"
)

// For returns after d, or with the cause as soon as ctx is done.
func For(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}
