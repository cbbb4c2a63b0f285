package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/reports"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
)

// lifeboat runs the program, which must exit with this code, and returns what
// it printed.
func lifeboat(t *testing.T, exit int, args ...string) string {
	t.Helper()
	out, err := exec.Command("lifeboat", args...).CombinedOutput()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		t.Fatal(err)
	}
	if ended == nil && exit != 0 || ended != nil && ended.ExitCode() != exit {
		t.Fatalf("lifeboat %v: %v, want exit %d: %s", args, err, exit, out)
	}
	return string(out)
}

// metrics parses an exposition with Prometheus' own parser.
func metrics(t *testing.T, exposition []byte) map[string]*dto.MetricFamily {
	t.Helper()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(exposition))
	if err != nil {
		t.Fatalf("%v: %s", err, exposition)
	}
	return families
}

// value returns the value of the one metric of a family that has a label of
// this value.
func value(t *testing.T, families map[string]*dto.MetricFamily, name, label string) float64 {
	t.Helper()
	var found []float64
	for _, m := range families[name].GetMetric() {
		for _, l := range m.GetLabel() {
			if l.GetValue() == label {
				found = append(found, m.GetGauge().GetValue())
			}
		}
	}
	if len(found) != 1 {
		t.Fatalf("%s of %s: %v in %v", name, label, found, families[name])
	}
	return found[0]
}

// A metrics file is as Prometheus wants it. A failed run keeps the last
// success, and all else that only a backup that was done can tell.
func TestMetricsFile(t *testing.T) {
	dir := t.TempDir()
	db, bucket, file := filepath.Join(dir, "app.db"), "file://"+dir+"/bucket", filepath.Join(dir, "app.prom")
	sqlite(t, db, "CREATE TABLE t (x); INSERT INTO t VALUES (1);")
	before := float64(time.Now().Unix())
	lifeboat(t, 0, "backup", db, bucket, "--metrics-file", file)
	info, err := os.Stat(file)
	if err != nil || info.Mode() != 0o644 {
		t.Fatalf("%v, %v", info, err)
	}
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.New(bytes.NewReader(content)).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
	first := metrics(t, content)
	success := value(t, first, "lifeboat_backup_last_success_timestamp_seconds", "app.db")
	if attempt := value(t, first, "lifeboat_backup_last_attempt_timestamp_seconds", "app.db"); success < before || attempt != success {
		t.Errorf("success %v, attempt %v, begun %v", success, attempt, before)
	}
	for name, want := range map[string]float64{
		"lifeboat_backup_last_exit_code": 0, "lifeboat_backup_pages": 2, "lifeboat_backup_read_bytes": 8192,
		"lifeboat_backup_restarts": 0, "lifeboat_backup_unchanged": 0,
	} {
		if got := value(t, first, name, "app.db"); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	stored := value(t, first, "lifeboat_backup_stored_bytes", "app.db")
	if got := value(t, first, "lifeboat_backup_uploaded_bytes", "app.db"); got != stored || got == 0 {
		t.Errorf("%v bytes uploaded, %v stored", got, stored)
	}
	if held := value(t, first, "lifeboat_snapshots", "held"); held != 1 {
		t.Errorf("%v held", held)
	}
	for _, stage := range []string{"copy", "digest", "upload"} {
		if took := value(t, first, "lifeboat_backup_stage_duration_seconds", stage); took <= 0 {
			t.Errorf("%s took %v", stage, took)
		}
	}

	lifeboat(t, 0, "backup", db, bucket, "--metrics-file", file)
	content, _ = os.ReadFile(file)
	unchanged := metrics(t, content)
	if got := value(t, unchanged, "lifeboat_backup_uploaded_bytes", "app.db"); got != 0 {
		t.Errorf("unchanged, but %v bytes uploaded", got)
	}
	success = value(t, unchanged, "lifeboat_backup_last_success_timestamp_seconds", "app.db")

	if err := os.Rename(db, db+".away"); err != nil {
		t.Fatal(err)
	}
	lifeboat(t, 4, "backup", db, bucket, "--metrics-file", file)
	content, _ = os.ReadFile(file)
	failed := metrics(t, content)
	if got := value(t, failed, "lifeboat_backup_last_success_timestamp_seconds", "app.db"); got != success {
		t.Errorf("a failed run has changed the last success from %v to %v", success, got)
	}
	if got := value(t, failed, "lifeboat_backup_last_attempt_timestamp_seconds", "app.db"); got <= success {
		t.Errorf("the failed attempt was at %v, before the success at %v", got, success)
	}
	if code, pages := value(t, failed, "lifeboat_backup_last_exit_code", "app.db"), value(t, failed, "lifeboat_backup_pages", "app.db"); code != 4 || pages != 2 {
		t.Errorf("exit code %v, %v pages", code, pages)
	}
}

func TestPushgateway(t *testing.T) {
	gateway := testserver.StartPushgateway(t)
	dir := t.TempDir()
	db, bucket := filepath.Join(dir, "app.db"), "file://"+dir+"/bucket"
	sqlite(t, db, "CREATE TABLE t (x); INSERT INTO t VALUES (1);")
	lifeboat(t, 0, "backup", db, bucket, "--pushgateway", gateway)
	has := scrape(t, gateway)
	success := value(t, has, "lifeboat_backup_last_success_timestamp_seconds", "app.db")
	labels := map[string]string{}
	for _, l := range has["lifeboat_backup_pages"].GetMetric()[0].GetLabel() {
		labels[l.GetName()] = l.GetValue()
	}
	// The gateway itself adds an empty instance.
	if len(labels) != 4 || labels["job"] != "lifeboat" || labels["database"] != "app.db" || labels["bucket_url"] != bucket || labels["instance"] != "" {
		t.Errorf("labels %v", labels)
	}

	if err := os.Rename(db, db+".away"); err != nil {
		t.Fatal(err)
	}
	lifeboat(t, 4, "backup", db, bucket, "--pushgateway", gateway+"/")
	lifeboat(t, 0, "verify", bucket, "--pushgateway", gateway)
	lifeboat(t, 0, "status", bucket, "--pushgateway", gateway)
	has = scrape(t, gateway)
	for _, name := range []string{"lifeboat_verify_newest_timestamp_seconds", "lifeboat_status_newest_timestamp_seconds"} {
		value(t, has, name, bucket)
		for _, l := range has[name].GetMetric()[0].GetLabel() {
			if l.GetName() == "database" {
				t.Errorf("%s has the label database", name)
			}
		}
	}
	if got := value(t, has, "lifeboat_backup_last_success_timestamp_seconds", "app.db"); got != success {
		t.Errorf("a failed run has changed the last success from %v to %v", success, got)
	}
	if got := value(t, has, "lifeboat_backup_last_exit_code", "app.db"); got != 4 {
		t.Errorf("exit code %v", got)
	}

	const odd = `my "app"+100%/ü?.db`
	lifeboat(t, 0, "backup", db+".away", bucket+"-odd", "--name", odd, "--pushgateway", gateway)
	if got := value(t, scrape(t, gateway), "lifeboat_backup_last_exit_code", odd); got != 0 {
		t.Errorf("exit code %v", got)
	}

	out := lifeboat(t, 64, "backup", "app.db", "s3://b/app", "--pushgateway", "http://me:hunter2-secret@127.0.0.1:1")
	if strings.Contains(out, "hunter2") {
		t.Error(out)
	}
}

func scrape(t *testing.T, gateway string) map[string]*dto.MetricFamily {
	t.Helper()
	response, err := http.Get(gateway + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return metrics(t, content)
}

// notices collects what a service for notices is told.
type notices struct {
	mu    sync.Mutex
	paths []string
	seen  int
	body  string
}

func (n *notices) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.paths, n.body = append(n.paths, r.Method+" "+r.URL.RequestURI()), string(body)
	if len(n.paths) == 1 {
		http.Error(w, "busy", http.StatusServiceUnavailable) // the next try is taken
	}
}

// told returns what was told since the last call: to where, and the last body.
func (n *notices) told() (paths []string, body string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	paths = n.paths[n.seen:]
	n.seen = len(n.paths)
	return paths, n.body
}

func TestPing(t *testing.T) {
	secrets := map[string]string{
		"AWS_ACCESS_KEY_ID": "AKIDSECRET", "AWS_SECRET_ACCESS_KEY": "hunter2-aws", "AWS_SESSION_TOKEN": "hunter2-token",
		"LIFEBOAT_PUSHGATEWAY_PASSWORD": "hunter2-push",
	}
	for name, value := range secrets {
		t.Setenv(name, value)
	}
	var service notices
	server := httptest.NewServer(&service)
	defer server.Close()
	t.Setenv("LIFEBOAT_PING_URL", server.URL+"/0f3c-uuid?create=1")
	dir := t.TempDir()
	db, bucket := filepath.Join(dir, "app.db"), "file://"+dir+"/bucket"
	sqlite(t, db, "CREATE TABLE t (x); INSERT INTO t VALUES (1);")
	lifeboat(t, 0, "backup", db, bucket)
	want := "POST /0f3c-uuid/start?create=1, POST /0f3c-uuid/start?create=1, POST /0f3c-uuid?create=1"
	paths, body := service.told()
	if got := strings.Join(paths, ", "); got != want || !strings.HasPrefix(body, "exit 0\n") {
		t.Errorf("told %s with %q", got, body)
	}

	t.Setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
	out := lifeboat(t, 5, "backup", db, "s3://bucket/app", "--retry-for", "1s", "--debug", "--pushgateway", "http://127.0.0.1:9")
	paths, body = service.told()
	if len(paths) != 2 || paths[1] != "POST /0f3c-uuid/5?create=1" {
		t.Errorf("told %v", paths)
	}
	for _, want := range []string{"exit 5\n", "error: ", "hint: ", "level="} {
		if !strings.Contains(body, want) {
			t.Errorf("no %q in %s", want, body)
		}
	}
	for _, secret := range append([]string{"0f3c-uuid"}, secrets["AWS_ACCESS_KEY_ID"], "hunter2") {
		if strings.Contains(body, secret) || strings.Contains(out, secret) {
			t.Errorf("%s was told: %s\nprinted: %s", secret, body, out)
		}
	}
}

// A panic is reported too, and the last lines of a long log are kept.
func TestReportOfPanic(t *testing.T) {
	var service notices
	server := httptest.NewServer(&service)
	defer server.Close()
	c := &console{globals: &globals{}, log: slog.New(slog.DiscardHandler)}
	f := reportFlags{reports.Flags{MetricsFile: filepath.Join(t.TempDir(), "app.prom")}}
	if err := f.PingURL.UnmarshalText([]byte(server.URL + "/uuid")); err != nil {
		t.Fatal(err)
	}
	run := func(ctx context.Context) (err error) {
		report, c, err := f.start(ctx, c, reports.Run{Verb: "backup", Database: "app.db", URL: "s3://b/app"})
		if err != nil {
			return err
		}
		defer func() { err = report.End(ctx, err) }()
		defer recovered(&err)
		for i := range 1000 {
			c.log.Info("step", "number", i)
		}
		panic("no luck")
	}
	err := run(t.Context())
	paths, body := service.told()
	if err == nil || exitCode(err) != exitFailed || len(paths) == 0 || paths[len(paths)-1] != "POST /uuid/1" {
		t.Errorf("%v, told %v", err, paths)
	}
	if !strings.Contains(body, "no luck") || !strings.Contains(body, "number=999\n") || strings.Contains(body, "number=1\n") || len(body) > 9<<10 {
		t.Errorf("told %s", body)
	}
	content, err := os.ReadFile(f.MetricsFile)
	if err != nil {
		t.Fatal(err)
	}
	if got := value(t, metrics(t, content), "lifeboat_backup_last_exit_code", "app.db"); got != 1 {
		t.Errorf("exit code %v", got)
	}
}
