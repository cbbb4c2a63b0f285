package sqlite

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mattn/go-sqlite3"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/pause"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/reason"
)

// AttemptTime is how long SQLite itself waits for a lock in one attempt of
// Retry. That wait cannot be cancelled.
const AttemptTime = 100 * time.Millisecond

// NoWait as the option of a time to wait means: fail at the first lock.
const NoWait time.Duration = -1

// WaitTime returns how long to wait for locks by an option: 0 means 30 seconds,
// NoWait no time.
func WaitTime(option time.Duration) time.Duration {
	if option == 0 {
		return 30 * time.Second
	}
	return max(option, 0)
}

// IsLocked reports whether the lock of another connection caused err.
// SQLITE_PROTOCOL counts too: SQLite gives up so when other connections open and
// close a WAL database all the time.
func IsLocked(err error) bool {
	switch Code(err) {
	case sqlite3.ErrBusy, sqlite3.ErrLocked, sqlite3.ErrProtocol:
		return true
	}
	return false
}

// Retry calls f until no lock of another connection makes it fail, and returns
// f's last error. It gives up once wait is over, and returns ctx's error if ctx
// ends first. f should itself wait for AttemptTime, through SQLite.
func Retry(ctx context.Context, wait time.Duration, f func() error) error {
	deadline := time.Now().Add(wait)
	for {
		began := time.Now()
		err := f()
		if !IsLocked(err) {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !time.Now().Before(deadline) {
			return err
		}
		if time.Since(began) > AttemptTime/2 {
			continue
		}
		// SQLite does not wait where waiting could be in vain, such as for ErrLocked.
		if pause.For(ctx, AttemptTime/10) != nil {
			return ctx.Err()
		}
	}
}

// Waited adds to an error with reason.ErrLocked how long the wait for the lock was.
func Waited(err error, wait time.Duration) error {
	if wait > 0 && errors.Is(err, reason.ErrLocked) {
		return fmt.Errorf("%w (waited %s)", err, wait)
	}
	return err
}
