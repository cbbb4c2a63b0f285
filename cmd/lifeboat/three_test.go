package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
)

// testThree is a user who has keys in the environment and knows nothing else: each of
// three commands names the next one, and the third restores the database.
func testThree(t *testing.T, server *testserver.Server) {
	for name, value := range server.Environment() {
		t.Setenv(name, value)
	}
	bucket := server.Bucket(t)
	db := smallDatabase(t)
	for _, prefix := range []string{"web1/app", "web1/blog", "web2"} {
		lifeboat(t, exitDone, "backup", db, "s3://"+bucket+"/"+prefix)
	}
	if out := lifeboat(t, exitUsage); !strings.Contains(out, "  lifeboat series s3://bucket ") || strings.Count(out, "\n") > 24+2 {
		t.Errorf("without a command it prints\n%s", out)
	}
	for _, width := range widths {
		t.Run(fmt.Sprint(width), func(t *testing.T) {
			dir := shortDir(t)
			shown := inShell(t, width, dir, "lifeboat series s3://"+bucket, exitDone)
			shown = inShell(t, width, dir, suggested(t, shown, "lifeboat list"), exitDone)
			shown = inShell(t, width, dir, suggested(t, shown, "lifeboat restore"), exitDone)
			if got := sqlite(t, filepath.Join(dir, "restored.db"), "PRAGMA quick_check"); got != "ok" {
				t.Errorf("restored: %s, and it shows\n%s", got, shown)
			}
		})
	}
	t.Run("astray", func(t *testing.T) { testAstray(t, bucket) })
}

// testAstray is the same with the prefix forgotten, with another one, and with the wrong
// endpoint in the environment.
func testAstray(t *testing.T, bucket string) {
	dir := shortDir(t)
	for command, exit := range map[string]int{
		"lifeboat restore s3://" + bucket + " restored.db":         exitUsage,
		"lifeboat list s3://" + bucket:                             exitUsage,
		"lifeboat restore s3://" + bucket + "/web3 restored.db":    exitNoSnapshot,
		"lifeboat restore s3://" + bucket + "/web1 restored.db":    exitNoSnapshot,
		"lifeboat show s3://" + bucket + "/web3":                   exitNoSnapshot,
		"lifeboat verify s3://" + bucket + "/web3 --retry-for 1s ": exitNoSnapshot,
	} {
		if shown := inShell(t, 80, dir, command, exit); !strings.Contains(shown, "lifeboat series s3://"+bucket) {
			t.Errorf("%s names no next command:\n%s", command, shown)
		}
	}
	t.Setenv("AWS_ENDPOINT_URL_S3", refusingEndpoint)
	if shown := inShell(t, 80, dir, "lifeboat series s3://"+bucket+" --retry-for 1s", exitUnreachable); !strings.Contains(shown, "hint: is AWS_ENDPOINT_URL_S3 right?") {
		t.Errorf("with the wrong endpoint it shows\n%s", shown)
	}
}

// inShell runs a command as it was pasted, at a terminal of this width. Enter takes the
// newest snapshot, where there is a question.
func inShell(t *testing.T, width int, dir, command string, exit int) string {
	t.Helper()
	tty := atTerminal(t, width)
	if code := exitOf(tty.startProgram(t, nil, "sh", "-c", "cd "+dir+"; "+command).Wait()); code != exit {
		t.Errorf("%s: exit %d, want %d", command, code, exit)
	}
	tty.tty.Close()
	<-tty.ended
	return tty.shows().String()
}

// suggested returns the command in what a terminal shows that begins so.
func suggested(t *testing.T, shown, begin string) string {
	t.Helper()
	found := regexp.MustCompile(`(?m)^  ` + begin + `(.*\\\n)*.*$`).FindString(shown)
	if found == "" {
		t.Fatalf("no command %s:\n%s", begin, shown)
	}
	if err := exec.Command("sh", "-n", "-c", found).Run(); err != nil {
		t.Errorf("%q is no command: %v", found, err)
	}
	return found
}
