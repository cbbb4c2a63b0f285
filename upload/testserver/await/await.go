// Package await waits in tests for what happens elsewhere: in another process or
// goroutine.
package await

import (
	"testing"
	"time"
)

// patience is for a busy machine: what a test waits for comes in milliseconds.
const patience = time.Minute

// That waits until something is so. It fails the test if that takes a minute.
func That(t testing.TB, is func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(patience); !is(); {
		select {
		case <-deadline:
			t.Fatal("waited for a minute in vain")
		case <-tick.C:
		}
	}
}
