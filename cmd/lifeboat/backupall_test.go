package main

import (
	"context"
	"errors"
	"runtime"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/databases"
)

// A run over many databases that a signal ends does not collect memory for
// each of those that are left.
func TestEndedRunLeavesTheRest(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 100 {
		if _, _, err := (&task{Database: &databases.Database{}}).backup(ctx, nil); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
	runtime.ReadMemStats(&after)
	if n := after.NumForcedGC - before.NumForcedGC; n > 0 {
		t.Errorf("%d forced collections", n)
	}
}
