//go:build e2e

package e2e_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A runbook is what deploy/RUNBOOK.md says to do in Kubernetes.
type runbook [][]string

// restoreOf returns the runbook's commands for a restore, of the newest
// snapshot or, if it is given, of that one.
func (r runbook) restoreOf(t *testing.T, snapshot string) []string {
	t.Helper()
	commands := slices.Clone(r[0])
	if snapshot == "" {
		return commands
	}
	create := func(line string) bool { return strings.Contains(line, " create job lifeboat-restore ") }
	i, j := slices.IndexFunc(commands, create), slices.IndexFunc(r[1], create)
	if i < 0 || j < 0 {
		t.Fatalf("RUNBOOK.md makes no job: %q", r[:2])
	}
	commands[i] = regexp.MustCompile(`LIFEBOAT_SNAPSHOT=\S+`).ReplaceAllLiteralString(r[1][j], "LIFEBOAT_SNAPSHOT="+snapshot)
	return commands
}

// list returns the runbook's commands that show what snapshots there are.
func (r runbook) list() []string { return r[1][:len(r[1])-1] }

// afterwards returns those for the time after the restore.
func (r runbook) afterwards() []string { return r[2] }

// testWorstDay takes a backup, runs each of the other jobs, loses the database,
// and does what the runbook says.
func testWorstDay(t *testing.T, a *app) {
	book := runbook(readConsole(t, "RUNBOOK.md", 4))
	before := a.state(t)
	a.follow(t, readConsole(t, "README.md", 2)[1])
	saved := a.hasOneSnapshot(t, prefix)
	a.runOtherJobs(t)

	// The application runs: a restore leaves its database alone.
	a.start(t, "lifeboat-restore", "too-soon")
	a.failsAtOnce(t, "too-soon", 8, "is open")

	a.remove(t)
	if out := a.follow(t, book.restoreOf(t, "")); !strings.Contains(out, "restored: snapshot "+saved) {
		t.Errorf("%s was not restored", saved)
	}
	a.waitUntilRunning(t)
	a.holds(t, before)
	a.goesOn(t)

	// There is a newer snapshot now, but the old one is wanted.
	a.follow(t, book.afterwards())
	a.completes(t, "after-restore")
	listed := regexp.MustCompile(`(?m)^\d{8}T\d{6}Z-`)
	if out := a.follow(t, book.list()); len(listed.FindAllString(out, -1)) != 2 || !strings.Contains(out, saved) {
		t.Errorf("the list should have two snapshots, %s and another one", saved)
	}
	if out := a.follow(t, book.restoreOf(t, saved)); !strings.Contains(out, "restored: snapshot "+saved) {
		t.Errorf("%s was not restored", saved)
	}
	a.waitUntilRunning(t)
	a.holds(t, before)
	a.hasOnly(t, database, database+"-wal", database+"-shm", database+".before-"+saved)

	// And once more, but nobody runs a restore: the init container sees to it.
	a.remove(t)
	a.kubectl(t, "rollout", "restart", "deployment/app")
	a.waitUntilRunning(t)
	a.holds(t, before)
	a.goesOn(t)
}

// holds looks whether all rows of a state are in the database.
func (a *app) holds(t *testing.T, s state) {
	t.Helper()
	if sum := strings.TrimSpace(a.exec(t, "sum", database, fmt.Sprint(s.rows))); sum != s.sum {
		t.Errorf("the sum of row %d is %s, want %s", s.rows, sum, s.sum)
	}
}
