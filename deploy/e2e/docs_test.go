//go:build e2e

package e2e_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/deploy/docs/docstest"
)

// readConsole returns the commands in the console blocks of a document in
// deploy/, which must have so many: the lines with a prompt.
func readConsole(t *testing.T, document string, count int) (blocks [][]string) {
	t.Helper()
	for _, block := range docstest.Blocks(t, filepath.Join("..", document), "console") {
		var lines []string
		for line := range strings.SplitSeq(block, "\n") {
			if command, ok := strings.CutPrefix(line, "$ "); ok {
				lines = append(lines, command)
			}
		}
		blocks = append(blocks, lines)
	}
	if len(blocks) != count {
		t.Fatalf("%s has %d blocks of commands, want %d", document, len(blocks), count)
	}
	return blocks
}

// follow runs commands of a document for this application, and returns what
// they print. The program itself has an admin's keys. For pairs of names the second is
// in the place of the first.
func (a *app) follow(t *testing.T, commands []string, names ...string) string {
	t.Helper()
	script := strings.NewReplacer(append(names,
		"kubectl -n app ", "kubectl -n "+string(a.namespace)+" ", "s3://my-bucket/app", a.url(),
		"deployment APP", "deployment app", "app=APP", "app=app", "--replicas=N", "--replicas=1",
		// Who looks on ends it by hand; a script waits.
		"get job lifeboat-restore --watch", "wait job/lifeboat-restore --for=condition=complete --timeout=90s",
	)...).Replace(strings.Join(commands, "\n"))
	prelude := `lifeboat() { env $(cat admin.env) "$LIFEBOAT" "$@"; }` + "\n"
	shell := exec.CommandContext(t.Context(), "sh", "-euc", prelude+script)
	shell.Dir = a.dir
	shell.Env = os.Environ()
	for name, value := range a.store.server.Environment() {
		shell.Env = append(shell.Env, name+"="+value)
	}
	out, err := shell.CombinedOutput()
	if err != nil {
		t.Fatalf("%s\n%v: %s", script, err, out)
	}
	t.Logf("%s", out)
	return string(out)
}
