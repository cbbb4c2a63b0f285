package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/upload/miniotest"
)

// testRunbookKubernetes runs the runbook's kubectl lines in order against a
// stand-in, which runs the restore that the Pod's manifest asks for.
func testRunbookKubernetes(t *testing.T, server *miniotest.Server) {
	text, err := os.ReadFile(filepath.Join("..", "..", "deploy", "RUNBOOK.md"))
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?ms)^```console\n(.*?)^```$").FindStringSubmatch(string(text))
	if block == nil {
		t.Fatal("no console block found")
	}
	// A line with a prompt is a command, and so is what belongs to its here
	// document; the rest is output.
	var script []string
	inDocument := false
	for _, line := range strings.Split(block[1], "\n") {
		command, prompt := strings.CutPrefix(line, "$ ")
		if prompt || inDocument {
			script = append(script, command)
		}
		if strings.HasSuffix(line, "<<'END'") {
			inDocument = true
		} else if line == "END" {
			inDocument = false
		}
	}
	work := t.TempDir()
	db := filepath.Join(work, "app.db")
	names := append(seed(t, server, db), "/data/", work+"/")
	sqlite(t, db, "DELETE FROM account")
	t.Setenv("KUBECTL_LOG", filepath.Join(work, "kubectl.log"))
	shell := exec.Command("sh", "-eu", "-c", strings.NewReplacer(names...).Replace(strings.Join(script, "\n")))
	shell.Dir = work
	if out, err := shell.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if got := sqlite(t, db, "SELECT sum(balance) FROM account; PRAGMA integrity_check;"); got != "100\nok" {
		t.Errorf("after the restore: %s", got)
	}
	log, err := os.ReadFile(filepath.Join(work, "kubectl.log"))
	if err != nil {
		t.Fatal(err)
	}
	// The application must be down before, and up again after the restore.
	want := []string{"patch", "get", "scale --replicas=0", "wait", "apply", "get", "logs", "delete", "scale --replicas=N"}
	if got := strings.Split(strings.TrimSpace(string(log)), "\n"); !slices.Equal(got, want) {
		t.Errorf("order of the commands: %q, want %q", got, want)
	}
}

// kubectl is a stand-in that notes its verbs and carries out apply as a node would.
func kubectl() {
	if err := runKubectl(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func runKubectl(args []string) error {
	if len(args) < 3 || args[0] != "-n" {
		return fmt.Errorf("no namespace, or no verb: kubectl %v", args)
	}
	verb := args[2]
	note := verb
	if verb == "scale" {
		note += " " + args[len(args)-1]
	}
	log, err := os.OpenFile(os.Getenv("KUBECTL_LOG"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(log, note); err != nil {
		return err
	}
	if err := log.Close(); err != nil {
		return err
	}
	if verb != "apply" {
		return nil
	}
	manifest, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	command := regexp.MustCompile(`(?m)^ +command: \[(.*)\]$`).FindStringSubmatch(string(manifest))
	if command == nil {
		return fmt.Errorf("no command in the manifest: %s", manifest)
	}
	words := strings.Split(command[1], ", ")
	pod := exec.Command(words[0], words[1:]...)
	pod.Stdout, pod.Stderr = os.Stdout, os.Stderr
	return pod.Run()
}
