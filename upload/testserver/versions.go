package testserver

import (
	_ "embed"
	"fmt"
	"strings"
	"testing"
)

//go:embed versions.txt
var versions string

// pinned returns the package of a program with its version, as go install takes
// them.
func pinned(t testing.TB, program string) string {
	t.Helper()
	from, err := pinnedIn(versions, program)
	if err != nil {
		t.Fatal(err)
	}
	return from
}

func pinnedIn(versions, program string) (string, error) {
	for line := range strings.Lines(versions) {
		if fields := strings.Fields(line); len(fields) == 2 && fields[0] == program {
			return fields[1], nil
		}
	}
	return "", fmt.Errorf("%s is not in versions.txt", program)
}
