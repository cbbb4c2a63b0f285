//go:build e2e

package e2e_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A runbook is what deploy/RUNBOOK.md says to do in Kubernetes: its blocks of
// commands, each a list of lines.
type runbook [][]string

func readRunbook(t *testing.T) (blocks runbook) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "RUNBOOK.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range regexp.MustCompile("(?ms)^```console\n(.*?)^```$").FindAllStringSubmatch(string(text), -1) {
		var lines []string
		for line := range strings.SplitSeq(block[1], "\n") {
			if command, ok := strings.CutPrefix(line, "$ "); ok {
				lines = append(lines, command)
			}
		}
		blocks = append(blocks, lines)
	}
	if len(blocks) != 4 {
		t.Fatalf("RUNBOOK.md has %d blocks of commands", len(blocks))
	}
	return blocks
}

// follow runs commands of the runbook for this application, and returns what
// they print.
func (a *app) follow(t *testing.T, commands []string) string {
	t.Helper()
	script := strings.NewReplacer(
		"kubectl -n app ", "kubectl -n "+string(a.namespace)+" ",
		"deployment APP", "deployment app", "app=APP", "app=app", "--replicas=N", "--replicas=1",
		// Who looks on ends it by hand; a script waits.
		"get job lifeboat-restore --watch", "wait job/lifeboat-restore --for=condition=complete --timeout=90s",
	).Replace(strings.Join(commands, "\n"))
	out, err := exec.CommandContext(t.Context(), "sh", "-euc", script).CombinedOutput()
	if err != nil {
		t.Fatalf("%s\n%v: %s", script, err, out)
	}
	t.Logf("%s", out)
	return string(out)
}

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
	book := readRunbook(t)
	before := a.state(t)
	a.start(t, "lifeboat-backup", "backup")
	a.completes(t, "backup")
	saved := a.hasOneSnapshot(t, a.prefix)
	a.runOtherJobs(t)

	// The application runs: a restore leaves its database alone.
	a.start(t, "lifeboat-restore", "too-soon")
	a.failsAtOnce(t, "too-soon", 8, "is open")

	a.exec(t, "remove", database, database+"-wal", database+"-shm")
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

	// A new volume: nobody runs a restore, the init container sees to it.
	a.scale(t, 0)
	a.beside(t, "remove", database, database+"-wal", database+"-shm", database+".before-"+saved)
	a.scale(t, 1)
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
