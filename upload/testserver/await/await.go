// Package await waits in tests for what happens elsewhere: in another process or
// goroutine.
package await

import (
	"testing"
	"time"
)

// patience is for a busy machine: what a test waits for comes in milliseconds.
const patience = 5 * time.Minute

// That waits until something is so. It fails the test if that takes five minutes.
func That(t testing.TB, is func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(patience); !is(); {
		select {
		case <-deadline:
			t.Fatal("waited for five minutes in vain")
		case <-tick.C:
		}
	}
}
