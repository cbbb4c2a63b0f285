package deploy_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/deploy/docs/docstest"
)

// TestCron installs the crontab as its document does, and runs its command as
// cron does.
func TestCron(t *testing.T) {
	etc, cache, data, bucket, bin := t.TempDir(), t.TempDir(), filepath.Join(t.TempDir(), "app"), filepath.Join(t.TempDir(), "bucket"), t.TempDir()
	newDatabase(t, filepath.Join(data, "app.db"))
	testCommands(t, "cron/README.md", "/etc/lifeboat", etc, "/etc/cron.d", etc, "/var/cache", cache, "-o app", "-o "+strconv.Itoa(os.Geteuid()))
	settings := strings.NewReplacer("/var/lib/app", data, "s3://my-bucket/app", "file://"+bucket).Replace(docstest.Read(t, filepath.Join(etc, "app.env")))
	write(t, filepath.Join(etc, "app.env"), settings+"LIFEBOAT_LOG_FORMAT=json\n", 0o600)
	programAs(t, filepath.Join(bin, "lifeboat"))
	crontab := strings.NewReplacer("/etc/lifeboat", etc, "/var/cache", cache, "/usr/local/bin", bin).Replace(docstest.Read(t, filepath.Join(etc, "lifeboat")))
	var environment, jobs []string
	for _, line := range strings.Split(crontab, "\n") {
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
		case regexp.MustCompile(`^[A-Z_]+=`).MatchString(line):
			environment = append(environment, line)
		default:
			jobs = append(jobs, line)
		}
	}
	if len(jobs) != 1 {
		t.Fatalf("jobs: %q", jobs)
	}
	// cron takes a % for the end of the line.
	job := regexp.MustCompile(`^[0-9]+( \*){4} +([a-z]+) +([^%]+)$`).FindStringSubmatch(jobs[0])
	if job == nil {
		t.Fatalf("not a line of a crontab with a user: %s", jobs[0])
	}
	run := func() string {
		shell := exec.Command("/bin/sh", "-c", job[3])
		shell.Env, shell.Dir = environment, "/"
		output, _ := shell.CombinedOutput()
		return string(output)
	}
	if output := run(); output != "" || snapshots(t, bucket) != 1 {
		t.Errorf("%d snapshots, and mail: %s", snapshots(t, bucket), output)
	}
	checkCache(t, filepath.Join(cache, "lifeboat"))
	// Trouble is mail.
	if err := os.Remove(filepath.Join(data, "app.db")); err != nil {
		t.Fatal(err)
	}
	if output := run(); !strings.Contains(output, `"level":"ERROR"`) {
		t.Errorf("no mail: %q", output)
	}
	// One at a time.
	holder := exec.Command("flock", filepath.Join(etc, "app.env"), "sh", "-c", "echo; read line")
	stdin, err := holder.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := stdout.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if output := run(); output != "" {
		t.Errorf("a second run was made beside the first: %s", output)
	}
	stdin.Close()
	holder.Wait() // read ended without a line
}
