package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/lifeboat-sqlite/lifeboat/upload/miniotest"
)

// testReadme runs all sh blocks of the README, in order, in one shell, with
// its example names replaced by real ones.
func testReadme(t *testing.T, server *miniotest.Server) {
	readme, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	var commands []string
	for _, block := range regexp.MustCompile("(?ms)^```sh\n(.*?)^```$").FindAllStringSubmatch(string(readme), -1) {
		commands = append(commands, block[1])
	}
	if len(commands) < 3 {
		t.Fatalf("only %d blocks of commands found", len(commands))
	}
	work := t.TempDir()
	script := strings.NewReplacer(
		"my-bucket", server.Bucket(t),
		"my-access-key", server.AccessKey,
		"my-secret-key", server.SecretKey,
		"https://s3.example.com", server.Endpoint,
		"/var/lib/app", work,
	).Replace(strings.Join(commands, "\n"))

	server.Setenv(t)
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL_S3"} {
		t.Setenv(name, "") // the README sets them
	}
	db := filepath.Join(work, "app.db")
	sqlite(t, db, "PRAGMA journal_mode=WAL; CREATE TABLE account (id INTEGER PRIMARY KEY, balance); INSERT INTO account (balance) VALUES (70), (30);")
	shell := exec.Command("sh", "-eux", "-c", script)
	shell.Dir = work
	if out, err := shell.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	restored, err := filepath.Glob(filepath.Join(work, "*.db"))
	if err != nil || len(restored) < 3 {
		t.Fatalf("restored %v, %v", restored, err)
	}
	for _, name := range restored {
		if got := sqlite(t, name, "SELECT sum(balance) FROM account; PRAGMA integrity_check;"); got != "100\nok" {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// aws is a stand-in for what the README uses of the AWS tool:
// aws s3 ls s3://BUCKET/PREFIX/ and aws s3 cp s3://BUCKET/KEY -.
func aws() {
	if err := runAWS(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func runAWS(args []string, w io.Writer) error {
	ctx := context.Background()
	cfg, err := config.LoadDefaultConfig(ctx, config.WithDefaultRegion("us-east-1"))
	if err != nil {
		return err
	}
	client := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
	if len(args) < 3 || args[0] != "s3" {
		return fmt.Errorf("not known here: aws %v", args)
	}
	bucket, key, _ := strings.Cut(strings.TrimPrefix(args[2], "s3://"), "/")
	switch {
	case args[1] == "ls":
		found, err := client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &bucket, Prefix: &key})
		if err != nil {
			return err
		}
		for _, o := range found.Contents {
			fmt.Fprintf(w, "%s %10d %s\n", o.LastModified.Format(time.DateTime), *o.Size, strings.TrimPrefix(*o.Key, key))
		}
		return nil
	case args[1] == "cp" && len(args) == 4 && args[3] == "-":
		object, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key})
		if err != nil {
			return err
		}
		defer object.Body.Close()
		_, err = io.Copy(w, object.Body)
		return err
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
