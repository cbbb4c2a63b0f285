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
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/lifecycle"
	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/rawclient"
)

// testDocument runs all sh blocks of a document, in order, in one shell, with
// its example names replaced by real ones: those of a database that has two
// snapshots in a versioned bucket, has changed since, and then has this happen
// to it. In the end every database in its directory must be whole.
func testDocument(t *testing.T, server *testserver.Server, path string, happens func(t *testing.T, db string)) {
	commands := commandsIn(t, path)
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
	names = append(names, "/var/lib/app", work, "/mnt/nas", t.TempDir(), "/var/lib/node_exporter", t.TempDir(), "https://hc-ping.com", notices.URL)
	if gateway := "http://pushgateway.example.com:9091"; strings.Contains(commands, gateway) {
		names = append(names, gateway, testserver.StartPushgateway(t))
	}
	shell := exec.Command("sh", "-eux", "-c", strings.NewReplacer(names...).Replace(commands))
	shell.Dir = work
	if out, err := shell.CombinedOutput(); err != nil {
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
}

// commandsIn returns what is in the sh blocks of a document.
func commandsIn(t *testing.T, path string) string {
	var commands []string
	for _, block := range regexp.MustCompile("(?ms)^```sh\n(.*?)^```$").FindAllStringSubmatch(readFile(t, path), -1) {
		commands = append(commands, block[1])
	}
	return strings.Join(commands, "\n")
}

// testPages runs the commands of every page behind the README.
func testPages(t *testing.T, server *testserver.Server) {
	ran := 0
	for _, page := range documents(t) {
		if filepath.Base(filepath.Dir(page)) != "docs" || commandsIn(t, page) == "" {
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
	proposal, err := lifecycle.Propose(t.Context(), b,
		lifecycle.Terms{Policy: lifecycle.DefaultPolicy(), Hold: lifecycle.DefaultHold, Settle: 100 * time.Millisecond}, lifecycle.DefaultNoncurrent)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := proposal.Apply(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	sqlite(t, db, "PRAGMA journal_mode=WAL; CREATE TABLE account (id INTEGER PRIMARY KEY, balance); INSERT INTO account (balance) VALUES (70), (30);")
	var newest series.Snapshot
	for range 2 {
		r, err := upload.Backup(t.Context(), b, db, upload.BackupOptions{})
		if err != nil {
			t.Fatal(err)
		}
		newest = r.Snapshot
		sqlite(t, db, "INSERT INTO account (balance) VALUES (0);")
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
		"20261120T170000Z-3f9c2a", string(newest.ID),
		"2026-11-20 17:00", newest.ID.Time().Format(time.DateTime),
		"--version-id VERSION", "--version-id " + head.Get("X-Amz-Version-Id"),
	}
}

// TestPicture checks the numbers in the picture of two weeks against the plan
// that retention goes by.
func TestPicture(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 30, 0, 0, time.UTC)
	var items []lifecycle.Item
	for taken := time.Date(2026, 11, 10, 13, 7, 0, 0, time.UTC); taken.Before(now); taken = taken.Add(time.Hour) {
		items = append(items, lifecycle.Item{Snapshot: series.Snapshot{ID: snapshot.NewID(taken), Object: bucket.Object{Size: 1, Modified: taken}}})
	}
	count := map[string]int{}
	for _, d := range lifecycle.Decide(items, lifecycle.Terms{Policy: lifecycle.DefaultPolicy(), Hold: lifecycle.DefaultHold}, now) {
		count[string(d.Action)+" "+string(d.Class)]++
	}
	text := readFile(t, page("retention"))
	for _, want := range []string{
		fmt.Sprintf(" %d snapshots taken", len(items)),
		fmt.Sprintf(" %d, every hour", len(items)-count["release hourly"]-count["release daily"]-count["release weekly"]-count["expire hourly"]),
		fmt.Sprintf(" %d hourly,", count["release hourly"]),
		fmt.Sprintf(" %d daily,", count["release daily"]),
		fmt.Sprintf(" %d weekly,", count["release weekly"]),
		fmt.Sprintf(" %d other hours", count["expire hourly"]),
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the picture does not say%s: %v", want, count)
		}
	}
}

// page returns the path of a page behind the README.
func page(name string) string { return filepath.Join("..", "..", "deploy", "docs", name+".md") }

// documents returns the README, the pages behind it and those about deploying.
func documents(t *testing.T) []string {
	found := []string{filepath.Join("..", "..", "README.md")}
	err := filepath.WalkDir(filepath.Join("..", "..", "deploy"), func(path string, _ os.DirEntry, err error) error {
		if filepath.Ext(path) == ".md" {
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// What the documents link to is there: files, and headings as GitHub names them.
func TestLinks(t *testing.T) {
	for _, document := range documents(t) {
		for _, link := range regexp.MustCompile(`\]\(([^):]*)\)`).FindAllStringSubmatch(readFile(t, document), -1) {
			path, heading, _ := strings.Cut(link[1], "#")
			target := document
			if path != "" {
				target = filepath.Join(filepath.Dir(document), path)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: %v", document, err)
			} else if heading != "" && !slices.Contains(headings(readFile(t, target)), heading) {
				t.Errorf("%s: %s has no heading %s", document, target, heading)
			}
		}
	}
}

// The files that the page on the house sends to are there.
func TestPathsInArchitecture(t *testing.T) {
	root, seen := filepath.Join("..", ".."), 0
	for _, path := range regexp.MustCompile("`([a-z0-9]+(?:/[a-z0-9*.]+)+)`").FindAllStringSubmatch(readFile(t, page("architecture")), -1) {
		seen++
		if found, err := filepath.Glob(filepath.Join(root, path[1])); err != nil || len(found) == 0 {
			t.Errorf("%s: found %v, %v", path[1], found, err)
		}
	}
	if seen < 15 {
		t.Errorf("only %d paths", seen)
	}
}

// A page is read on a screen: the README has at most 180 lines, and no cell of a
// table is longer than 200 characters.
func TestDocumentsAreShort(t *testing.T) {
	all := documents(t)
	if lines := strings.Count(readFile(t, all[0]), "\n"); lines > 180 {
		t.Errorf("the README has %d lines", lines)
	}
	for _, document := range all {
		for _, line := range strings.Split(readFile(t, document), "\n") {
			if !strings.HasPrefix(line, "| ") {
				continue
			}
			for _, cell := range strings.Split(strings.Trim(line, "| "), " | ") {
				if len([]rune(cell)) > 200 {
					t.Errorf("%s: a cell of %d characters: %.60s...", document, len([]rune(cell)), cell)
				}
			}
		}
	}
}

// headings returns the anchors of a document.
func headings(document string) (anchors []string) {
	for _, heading := range regexp.MustCompile("(?m)^#+ (.*)$").FindAllStringSubmatch(document, -1) {
		plain := regexp.MustCompile(`[^a-z0-9 _-]`).ReplaceAllString(strings.ToLower(heading[1]), "")
		anchors = append(anchors, strings.ReplaceAll(plain, " ", "-"))
	}
	return anchors
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
