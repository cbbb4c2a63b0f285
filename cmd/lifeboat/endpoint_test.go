package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/quirks"
)

// A bucket URL or an endpoint that cannot be right is refused with the setting
// to change, before anything is put.
func TestBucketsThatCannotBe(t *testing.T) {
	server := testserver.Start(t)
	bucket := server.Bucket(t)
	noRoot := quirks.Start(t, server, quirks.On(quirks.Refuse("NoSuchKey", http.StatusNotFound), "ListObjectsV2", "ListObjectVersions"))
	dir := t.TempDir()
	db, file := filepath.Join(dir, "app.db"), filepath.Join(dir, "file")
	sqlite(t, db, "CREATE TABLE t (a)")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	noRoot.Setenv(t)
	for name, c := range map[string]struct{ endpoint, url, hint string }{
		"bucket in the path":    {noRoot.Endpoint + "/" + bucket, "s3://" + bucket + "/app", "set AWS_ENDPOINT_URL_S3 to " + noRoot.Endpoint + ":"},
		"bucket in the host":    {noRoot.Endpoint, "s3://" + bucket + "/app", "without the bucket's name"},
		"a file":                {noRoot.Endpoint, "file://" + file, "where a directory should be"},
		"a file in the way":     {noRoot.Endpoint, "file://" + file + "/app", "where a directory should be"},
		"a database as a place": {noRoot.Endpoint, "file://" + db, "where a directory should be"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("AWS_ENDPOINT_URL_S3", c.endpoint)
			for _, verb := range [][]string{
				{"backup", db, c.url}, {"list", c.url}, {"status", c.url}, {"verify", c.url}, {"doctor", c.url},
				{"restore", "--if-missing", "--allow-empty", c.url, filepath.Join(dir, "new.db")},
			} {
				out := lifeboat(t, exitRefused, verb...)
				if verb[0] != "doctor" && !strings.Contains(out, "\nhint: ") || verb[0] == "backup" && !strings.Contains(out, c.hint) {
					t.Errorf("%s: no hint with %q: %s", verb[0], c.hint, out)
				}
			}
		})
	}
	if n := noRoot.Count("PutObject", "CreateMultipartUpload"); n > 0 {
		t.Errorf("%d objects were put", n)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 2 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// A listing that is cut short makes no older snapshot the newest.
func TestListingsThatAreCut(t *testing.T) {
	server := testserver.Start(t)
	server.Setenv(t)
	url := "s3://" + server.Bucket(t) + "/app"
	dir := t.TempDir()
	db, target := filepath.Join(dir, "app.db"), filepath.Join(dir, "new.db")
	sqlite(t, db, "CREATE TABLE t (a)")
	for range 2 {
		lifeboat(t, 0, "backup", db, url, "--always")
	}
	for _, quirk := range []quirks.Quirk{quirks.TruncatedWithoutToken(1), quirks.RepeatedToken(1)} {
		cut := quirks.Start(t, server, quirk)
		cut.Setenv(t)
		for _, verb := range [][]string{
			{"restore", url, target}, {"verify", url}, {"status", url}, {"list", url}, {"list", "--versions", url}, {"backup", db, url}, {"prune", url},
		} {
			out := lifeboat(t, exitUnreachable, append(verb, "--retry-for", "1s")...)
			if !strings.Contains(out, "the store's listing is wrong") {
				t.Errorf("%s: %s", verb[0], out)
			}
		}
		if _, err := os.Stat(target); err == nil {
			t.Error("it was restored")
		}
	}
}
