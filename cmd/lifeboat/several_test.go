package main

import (
	"fmt"
	"strings"
	"testing"
)

// Each database that failed has a line of its own; the last line is one that a
// terminal can show.
func TestVerdictOfThousands(t *testing.T) {
	var all []outcome
	for i := range 5000 {
		all = append(all, outcome{path: fmt.Sprintf("%04d.db", i), done: true, exit: exitSource})
	}
	err := verdictOf(t.Context(), all, "failed", "not backed up", exitOfAll)
	if err == nil || !strings.HasSuffix(err.Error(), "0009.db (exit 4) and 4990 more") || !strings.HasPrefix(err.Error(), "5000 of 5000 databases failed: 0000.db (exit 4), ") {
		t.Errorf("%v", err)
	}
}
