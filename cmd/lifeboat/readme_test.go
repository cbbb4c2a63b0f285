package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/deploy/docs/docstest"
	"github.com/lifeboat-sqlite/lifeboat/lifecycle"
	"github.com/lifeboat-sqlite/lifeboat/lifecycle/rules"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/needs"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/rawclient"
)

// testDocument runs all sh blocks of a document, in order, in one shell, with
// its example names replaced by real ones: those of a database that has two
// snapshots in a versioned bucket, the second a differential, has changed since, and
// then has this happen to it. In the end every database in its directory must be whole.
// It returns what the commands print.
func testDocument(t *testing.T, server *testserver.Server, path string, happens func(t *testing.T, db string)) string {
	needs.OneHour(t)
	commands := docstest.Commands(t, path)
	work := t.TempDir()
	db := filepath.Join(work, "app.db")
	names := seed(t, server, db)
	happens(t, db)
	if strings.Contains(commands, "export AWS_ACCESS_KEY_ID=") {
		for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL_S3"} {
			t.Setenv(name, "") // the document sets them
		}
	}
	notices := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(notices.Close)
	names = append(names, "/var/lib/app", work, "/mnt/nas", t.TempDir(), "/var/lib/node_exporter", t.TempDir(), "https://hc-ping.com", notices.URL, "https://hooks.example.com", notices.URL)
	names = append(names, "lifecycle retire ", "lifecycle retire --hold 0s ") // seconds old is too young
	if gateway := "http://pushgateway.example.com:9091"; strings.Contains(commands, gateway) {
		names = append(names, gateway, testserver.StartPushgateway(t))
	}
	shell := exec.Command("sh", "-eux", "-c", strings.NewReplacer(names...).Replace(commands))
	shell.Dir = work
	out, err := shell.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	restored, err := filepath.Glob(filepath.Join(work, "*.db"))
	if err != nil || len(restored) == 0 {
		t.Fatalf("databases: %v, %v", restored, err)
	}
	for _, name := range restored {
		if got := sqlite(t, name, "SELECT sum(balance) FROM account; PRAGMA integrity_check;"); got != "100\nok" {
			t.Errorf("%s: %s", name, got)
		}
	}
	return string(out)
}

// testRunbook runs the runbook's commands. Without Lifeboat it puts back a
// differential: SQLite must take all pages that its manifest counts.
func testRunbook(t *testing.T, server *testserver.Server) {
	out := testDocument(t, server, filepath.Join("..", "..", "deploy", "RUNBOOK.md"), ruin)
	found := regexp.MustCompile(`"pages":(\d+)\n.*\n0\|(\d+)\|(\d+)\n`).FindStringSubmatch(out)
	if found == nil || found[1] != found[2] || found[1] != found[3] {
		t.Errorf("SQLite answers %q: %s", found, out)
	}
}

// testPages runs the commands of every page behind the README.
func testPages(t *testing.T, server *testserver.Server) {
	ran := 0
	for _, page := range docstest.All(t) {
		if filepath.Base(filepath.Dir(page)) != "docs" || docstest.Commands(t, page) == "" {
			continue
		}
		ran++
		t.Run(filepath.Base(page), func(t *testing.T) { testDocument(t, server, page, tenants) })
	}
	if ran < 6 {
		t.Errorf("only %d pages have commands", ran)
	}
}

// seed makes the database and its snapshots, and returns the names that
// documents have for them, each with its real one.
func seed(t *testing.T, server *testserver.Server, db string) []string {
	server.Setenv(t)
	bucketName := server.Bucket(t)
	client := server.Client(t)
	if err := client.KeepVersions(t.Context(), bucketName); err != nil {
		t.Fatal(err)
	}
	b, err := upload.OpenURL(t.Context(), bucket.URL{Bucket: bucketName, Prefix: "app"}, upload.Options{})
	if err != nil {
		t.Fatal(err)
	}
	proposal, err := rules.OfSeries(b).Propose(t.Context(), lifecycle.Options{Terms: lifecycle.Terms{Policy: lifecycle.DefaultPolicy(), Hold: lifecycle.DefaultHold}, Settle: 100 * time.Millisecond}, rules.DefaultNoncurrent)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := proposal.Apply(t.Context()); err != nil {
		t.Fatal(err)
	}
	sqlite(t, db, "PRAGMA journal_mode=WAL; CREATE TABLE account (id INTEGER PRIMARY KEY, balance); INSERT INTO account (balance) VALUES (70), (30);"+
		"CREATE TABLE file (content); INSERT INTO file VALUES (randomblob(5000000))")
	var first, newest series.Snapshot
	cacheDir := t.TempDir()
	for range 2 {
		r, err := upload.Backup(t.Context(), b, db, upload.BackupOptions{CacheDir: cacheDir})
		if err != nil {
			t.Fatal(err)
		}
		first, newest = newest, r.Snapshot
		sqlite(t, db, "INSERT INTO account (balance) VALUES (0);")
	}
	if newest.Full() { // unless a month has begun between the two
		t.Log("the newest snapshot is no differential")
	}
	head, err := client.Head(t.Context(), bucketName, "app/"+newest.Object.Name)
	if err != nil {
		t.Fatal(err)
	}
	return []string{
		"my-bucket", bucketName,
		"my-access-key", server.AccessKey,
		"my-secret-key", server.SecretKey,
		"https://s3.example.com", server.Endpoint,
		"second-bucket", server.Bucket(t),
		"second-access-key", server.AccessKey,
		"second-secret-key", server.SecretKey,
		"https://s3.second.example.com", server.Endpoint,
		"20261120T170000Z-3f9c2a", string(newest.ID),
		"2026-11-20 09:00", first.ID.Time().Format(time.DateTime),
		"2026-11-20 17:00", newest.ID.Time().Format(time.DateTime),
		"--version-id VERSION", "--version-id " + head.Get("X-Amz-Version-Id"),
	}
}

// ruin makes a database what nobody can open, with a log beside it.
func ruin(t *testing.T, db string) {
	for name, content := range map[string]string{db: "no database any more", db + "-wal": "no log either"} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// aws is a stand-in for what the documents use of the AWS tool:
// aws s3 ls s3://BUCKET/PREFIX/ and aws s3 cp s3://BUCKET/KEY - or FILE.
func aws() {
	if err := runAWS(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func runAWS(args []string, w io.Writer) error {
	ctx := context.Background()
	client := rawclient.New(rawclient.Store{
		Endpoint: os.Getenv("AWS_ENDPOINT_URL_S3"), Region: cmp.Or(os.Getenv("AWS_REGION"), "us-east-1"),
		AccessKey: os.Getenv("AWS_ACCESS_KEY_ID"), SecretKey: os.Getenv("AWS_SECRET_ACCESS_KEY"), HTTP: http.DefaultClient,
	})
	if len(args) < 3 || args[0] != "s3" {
		return fmt.Errorf("not known here: aws %v", args)
	}
	bucket, key, _ := strings.Cut(strings.TrimPrefix(args[2], "s3://"), "/")
	switch {
	case args[1] == "ls":
		found, err := client.Objects(ctx, bucket, key)
		if err != nil {
			return err
		}
		for _, o := range found {
			fmt.Fprintf(w, "%s %10d %s\n", o.Modified.Format(time.DateTime), o.Size, strings.TrimPrefix(o.Name, key))
		}
		return nil
	case args[1] == "cp" && len(args) == 4:
		object, err := client.Get(ctx, bucket, key)
		if err != nil {
			return err
		}
		if args[3] == "-" {
			_, err = w.Write(object.Body)
			return err
		}
		return os.WriteFile(args[3], object.Body, 0o644)
	}
	return fmt.Errorf("not known here: aws %v", args)
}

// testDemo runs make demo without the build.
func testDemo(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	out, err := exec.Command("sh", "demo.sh").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "are the same, byte for byte") {
		t.Fatalf("%v: %s", err, out)
	}
	checkEmpty(t, temp)
}
