// Package busy waits for the locks that other SQLite connections hold.
package busy

import (
	"context"
	"errors"
	"time"

	"github.com/mattn/go-sqlite3"
)

// Slice is how long SQLite itself waits for a lock in one attempt, which
// cannot be cancelled.
const Slice = 100 * time.Millisecond

// Is reports whether another connection's lock made err. SQLITE_PROTOCOL is one,
// too: others open and close a WAL database all the time.
func Is(err error) bool {
	var e sqlite3.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Code & 0xff { // a backup's step gives the extended code as the code
	case sqlite3.ErrBusy, sqlite3.ErrLocked, sqlite3.ErrProtocol:
		return true
	}
	return false
}

// Retry calls f until another connection's lock no longer makes it fail, and
// returns f's last error. It gives up once wait is over, and returns ctx's error
// if ctx ends first. f should itself wait for Slice, through SQLite.
func Retry(ctx context.Context, wait time.Duration, f func() error) error {
	deadline := time.Now().Add(wait)
	for {
		began := time.Now()
		err := f()
		if !Is(err) {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !time.Now().Before(deadline) {
			return err
		}
		if time.Since(began) > Slice/2 {
			continue
		}
		// SQLite does not wait where waiting could be in vain, such as for ErrLocked.
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(Slice / 10):
		}
	}
}
