package main

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/deploy/docs/docstest"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
)

var monitoring = filepath.Join("..", "..", "deploy", "monitoring")

// testMonitoring compares the metrics that the program really writes with
// those that alerts, dashboard and documents go by, and runs the commands of
// deploy/monitoring.
func testMonitoring(t *testing.T, server *testserver.Server) {
	work := t.TempDir()
	db, file := filepath.Join(work, "app.db"), filepath.Join(work, "all.prom")
	names := seed(t, server, db)
	bucket := "s3://" + names[1] + "/app"
	t.Setenv("LIFEBOAT_METRICS_FILE", file)
	for _, args := range [][]string{{"backup", db}, {"verify"}, {"status"}, {"lifecycle", "release"}, {"prune", "--yes"}} {
		lifeboat(t, 0, append(args, bucket)...)
	}
	lifeboat(t, 0, "copy", bucket, "file://"+filepath.Join(work, "copies"))
	lifeboat(t, 0, "status", bucket, "--copy", "file://"+filepath.Join(work, "copies"))
	config := filepath.Join(work, "many.yaml")
	if err := os.WriteFile(config, []byte("databases: [{path: app.db, url: '"+bucket+"'}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"backup"}, {"verify"}, {"status"}, {"lifecycle", "release"}, {"prune", "--yes"}} {
		lifeboat(t, 0, append(args, "--config", config)...)
	}
	lifeboat(t, 0, "copy", "--config", config, "--to", "file://"+filepath.Join(work, "all-copies"))
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	written := slices.Sorted(maps.Keys(metrics(t, content)))
	read := func(path ...string) string {
		text, err := os.ReadFile(filepath.Join(path...))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	page := read(monitoring, "README.md")
	for name, text := range map[string]string{
		"deploy/monitoring/README.md":           page,
		"deploy/monitoring/prometheusrule.yaml": read(monitoring, "prometheusrule.yaml"),
		"deploy/monitoring/rules_test.yaml":     read(monitoring, "rules_test.yaml"),
		"deploy/monitoring/dashboard.json":      read(monitoring, "dashboard.json"),
	} {
		for _, metric := range regexp.MustCompile(`\blifeboat_[a-z_]+`).FindAllString(text, -1) {
			if !slices.Contains(written, metric) {
				t.Errorf("%s names %s, which nobody writes", name, metric)
			}
		}
	}
	told := metricsIn(page)
	for _, metric := range written {
		if !slices.Contains(told, metric) {
			t.Errorf("deploy/monitoring/README.md does not explain %s", metric)
		}
	}

	notices := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(notices.Close)
	t.Setenv("LIFEBOAT_METRICS_FILE", "")
	t.Setenv("PATH", os.Getenv("PATH")+string(os.PathListSeparator)+filepath.Dir(testserver.Promtool(t)))
	names = append(names, "/var/lib/app", work, "/var/lib/node_exporter", t.TempDir(), "http://pushgateway.example.com:9091", testserver.StartPushgateway(t), "https://hc-ping.com", notices.URL)
	shell := exec.Command("sh", "-eux", "-c", strings.NewReplacer(names...).Replace(docstest.Commands(t, filepath.Join(monitoring, "README.md"))))
	shell.Dir = t.TempDir()
	if err := os.CopyFS(shell.Dir, os.DirFS(monitoring)); err != nil {
		t.Fatal(err)
	}
	if out, err := shell.CombinedOutput(); err != nil || !strings.Contains(string(out), "SUCCESS: ") {
		t.Errorf("%v: %s", err, out)
	}
}

// metricsIn returns the metrics that the table of a page explains. A row may go
// on with other endings of its first name, or with other verbs.
func metricsIn(page string) []string {
	var all, four []string
	quoted := regexp.MustCompile("`([a-z_]+)(?:\\{[a-z,]+\\})?`")
	for _, row := range regexp.MustCompile(`(?m)^\| (.*?(?:lifeboat_|the same four).*?) \| .* \|$`).FindAllStringSubmatch(page, -1) {
		for _, name := range quoted.FindAllStringSubmatch(row[1], -1) {
			switch {
			case strings.HasPrefix(name[1], "_"):
				all = append(all, "lifeboat_backup"+name[1])
			case strings.HasPrefix(name[1], "lifeboat_"):
				all = append(all, name[1])
			default:
				for _, of := range four {
					all = append(all, strings.Replace(of, "backup", name[1], 1))
				}
			}
		}
		if len(all) <= 4 {
			four = all
		}
	}
	return all
}
