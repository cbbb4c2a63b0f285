// Package iam_test proves the policies in this directory: those for MinIO on
// a real one, those for AWS for their form only, for want of an AWS.
package iam_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	_ "github.com/mattn/go-sqlite3"

	"github.com/lifeboat-sqlite/lifeboat/lifecycle"
	"github.com/lifeboat-sqlite/lifeboat/lifecycle/rules"
	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket/buckettest"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/await"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/rawclient"
)

const prefix = "team/app"

// A user has one of the policies.
type user struct {
	*rawclient.Client
	bucket bucket.Bucket
	keys   *testserver.Server
}

// newUser makes a user of the server with the policy in a file.
func newUser(t *testing.T, server *testserver.Server, bucketName, file string) user {
	t.Helper()
	policy, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return newUserWith(t, server, bucketName, strings.NewReplacer("BUCKET", bucketName, "PREFIX", prefix).Replace(string(policy)))
}

// newUserWith makes a user of the server with a policy.
func newUserWith(t *testing.T, server *testserver.Server, bucketName, policy string) user {
	t.Helper()
	restricted := server.As(t, policy)
	restricted.Setenv(t)
	b, err := upload.OpenURL(t.Context(), bucket.URL{Bucket: bucketName, Prefix: prefix},
		upload.Options{RetryFor: 10 * time.Second, PartSize: 5 << 20})
	if err != nil {
		t.Fatal(err)
	}
	return user{restricted.Client(t), b, restricted}
}

// versioned makes a bucket that keeps old versions.
func versioned(t *testing.T, server *testserver.Server) string {
	t.Helper()
	bucket := server.Bucket(t)
	if err := server.Client(t).KeepVersions(t.Context(), bucket); err != nil {
		t.Fatal(err)
	}
	return bucket
}

// newDatabase makes a database with size bytes of noise in it.
func newDatabase(t *testing.T, size int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "app.db")
	change(t, path, "CREATE TABLE t (x); INSERT INTO t VALUES (randomblob(?))", size)
	return path
}

func change(t *testing.T, path, statements string, arguments ...any) {
	t.Helper()
	db, err := sql.Open("sqlite3", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(statements, arguments...); err != nil {
		t.Fatal(err)
	}
}

func backup(t *testing.T, u user, path string) upload.BackupResult {
	t.Helper()
	result, err := upload.Backup(t.Context(), u.bucket, path, upload.BackupOptions{Copy: snapshot.CopyOptions{TempDir: t.TempDir()}})
	if err != nil {
		t.Fatalf("backup: %v", err)
	}
	return result
}

// denied checks that a call is refused for want of permission, or, of tags
// that contradict each other, because no store takes those.
func denied(t *testing.T, what string, err error) {
	t.Helper()
	if !slices.Contains([]string{"AccessDenied", "Forbidden", "InvalidTag"}, bucket.Code(err)) {
		t.Errorf("%s: %v, want access denied", what, err)
	}
}

// call is one thing that a user may try on an object.
type call struct {
	what string
	try  func(u user, bucket, key string) error
}

// send tries a request of S3's on the bucket, on what target makes of its name
// and the key.
func send(method, target, body string, header ...string) func(u user, bucket, key string) error {
	return func(u user, bucket, key string) error {
		named := strings.NewReplacer("BUCKET", bucket, "KEY", key)
		filled := slices.Clone(header)
		for i := range filled {
			filled[i] = named.Replace(filled[i])
		}
		answer, err := u.Call(context.Background(), method, named.Replace(target), named.Replace(body), filled...)
		var each struct { // of DeleteObjects
			Error *rawclient.Error
		}
		if err == nil && xml.Unmarshal(answer.Body, &each) == nil && each.Error != nil {
			return each.Error
		}
		return err
	}
}

func putWith(tags string) func(u user, bucket, key string) error {
	return send(http.MethodPut, "BUCKET/KEYx", "x", "X-Amz-Tagging", tags)
}

func setTo(value string) func(u user, bucket, key string) error {
	return func(u user, bucket, key string) error {
		return u.SetTags(context.Background(), bucket, key, map[string]string{series.TagRetention: value})
	}
}

var reads = []call{
	{"read", send(http.MethodGet, "BUCKET/KEY", "")},
	{"head", send(http.MethodHead, "BUCKET/KEY", "")},
}

// writes is what a job does with a snapshot of a class.
func writes(class series.Class) []call {
	tag := series.TagRetention + "=" + series.Held(class)
	return []call{
		{"upload", putWith(tag)},
		{"multipart upload", send(http.MethodPost, "BUCKET/KEYx?uploads", "", "X-Amz-Tagging", tag)},
		{"upload without a tag", send(http.MethodPut, "BUCKET/KEYx", "x")},
		{"set to held", setTo(series.Held(class))},
	}
}

// releases is what a release does with a snapshot of a class.
func releases(class series.Class) []call {
	return []call{{"set to its class", setTo(string(class))}}
}

// otherClasses is what nobody may do with a snapshot of a class: it would be kept for
// less or more than that class, or go without having been released.
func otherClasses(class series.Class) (calls []call) {
	as := func(value string) {
		tag := series.TagRetention + "=" + value
		calls = append(calls,
			call{"upload as " + value, putWith(tag)},
			call{"multipart upload as " + value, send(http.MethodPost, "BUCKET/KEYx?uploads", "", "X-Amz-Tagging", tag)},
			call{"copy over it as " + value, send(http.MethodPut, "BUCKET/KEY", "", "X-Amz-Copy-Source", "BUCKET/KEY",
				"X-Amz-Tagging-Directive", "REPLACE", "X-Amz-Tagging", tag)},
			call{"upload as held and as " + value, putWith(series.TagRetention + "=" + series.Held(class) + "&" + tag)})
	}
	as(string(class))
	as("anything-else")
	for _, other := range series.Classes() {
		if other != class {
			as(string(other))
			as(series.Held(other))
			calls = append(calls, call{"set to " + string(other), setTo(string(other))}, call{"set to held-" + string(other), setTo(series.Held(other))})
			calls = append(calls, detours(class, string(other))...)
		}
	}
	return calls
}

// never is what none but the admin may do, and mostly not even they.
var never = []call{
	{"delete", send(http.MethodDelete, "BUCKET/KEY", "")},
	{"delete a version", send(http.MethodDelete, "BUCKET/KEY?versionId=null", "")},
	{"delete many", send(http.MethodPost, "BUCKET?delete", "<Delete><Object><Key>KEY</Key></Object></Delete>")},
	{"delete tags", send(http.MethodDelete, "BUCKET/KEY?tagging", "")},
	{"set no tags", send(http.MethodPut, "BUCKET/KEY?tagging", "<Tagging><TagSet></TagSet></Tagging>")},
	{"set to anything else", setTo("x")},
	{"change versioning", send(http.MethodPut, "BUCKET?versioning", "<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>")},
	{"change the bucket's policy", send(http.MethodPut, "BUCKET?policy", `{"Version":"2012-10-17","Statement":[]}`)},
	{"delete the bucket", send(http.MethodDelete, "BUCKET", "")},
	{"upload elsewhere", func(u user, bucket, key string) error {
		return putWith(series.TagRetention+"="+series.Held(series.Recent))(u, bucket, "team/app2/"+key)
	}},
	{"list elsewhere", send(http.MethodGet, "BUCKET?list-type=2&prefix=team%2F", "")},
	{"list everything", send(http.MethodGet, "BUCKET?list-type=2", "")},
}

var ruleWrites = []call{
	{"change the rules", send(http.MethodPut, "BUCKET?lifecycle", "<LifecycleConfiguration><Rule><ID>all</ID><Status>Enabled</Status>"+
		"<Filter><Prefix>"+prefix+"/</Prefix></Filter><Expiration><Days>1</Days></Expiration></Rule></LifecycleConfiguration>")},
	{"delete the rules", send(http.MethodDelete, "BUCKET?lifecycle", "")},
}

var pin = []call{{"pin", setTo("pinned")}}

func allDenied(t *testing.T, u user, bucket, key string, lists ...[]call) {
	t.Helper()
	for _, c := range slices.Concat(lists...) {
		denied(t, c.what, c.try(u, bucket, key))
	}
}

// snapshotsOf uploads a snapshot of each class as the job would, and returns their keys.
func snapshotsOf(t *testing.T, job user, bucketName string) map[series.Class]string {
	t.Helper()
	keys := map[series.Class]string{}
	for _, class := range series.Classes() {
		name := series.Name{ID: snapshot.NewID(time.Now()), Class: class}.String()
		buckettest.Put(t, job.bucket, name, []byte("a snapshot"), bucket.Tags{series.TagRetention: series.Held(class)})
		keys[class] = prefix + "/" + name
	}
	return keys
}

func allAllowed(t *testing.T, u user, bucket, key string, lists ...[]call) {
	t.Helper()
	for _, c := range slices.Concat(lists...) {
		if err := c.try(u, bucket, key); err != nil {
			t.Errorf("%s: %v", c.what, err)
		}
	}
}

func TestMinIO(t *testing.T) {
	server := testserver.Start(t)
	bucketName := versioned(t, server)
	admin := newUser(t, server, bucketName, "admin-minio.json")
	job := newUser(t, server, bucketName, "backup-minio.json")
	releaser := newUser(t, server, bucketName, "release-minio.json")
	restorer := newUser(t, server, bucketName, "restore-minio.json")
	path := newDatabase(t, 1000)

	first := backup(t, job, path)
	if again := backup(t, job, path); !again.Unchanged || again.Snapshot.ID != first.Snapshot.ID {
		t.Errorf("an unchanged database was uploaded again")
	}
	change(t, path, "INSERT INTO t VALUES (randomblob(12000000))")
	second := backup(t, job, path)
	if !strings.Contains(second.Snapshot.Object.ETag, "-") {
		t.Errorf("%s was not uploaded in parts", second.Snapshot.ID)
	}
	key := prefix + "/" + second.Snapshot.Object.Name

	t.Run("backup", func(t *testing.T) {
		if has, err := rules.OfSeries(job.bucket).Read(t.Context()); err != nil || len(has.Rules()) > 0 {
			t.Errorf("rules: %v, %v", has.Rules(), err)
		}
		aborts(t, server, job, bucketName)
		allDenied(t, job, bucketName, key, reads, never, ruleWrites, pin)
	})
	t.Run("release", func(t *testing.T) {
		var result lifecycle.Result
		var err error
		await.That(t, func() bool { // the store's clock has whole seconds
			result, err = lifecycle.Release(t.Context(), releaser.bucket, lifecycle.Options{Terms: lifecycle.Terms{Hold: lifecycle.NoHold}})
			return err != nil || len(result.Released) > 0
		})
		if err != nil || len(result.Released) != 1 || result.Released[0].ID != first.Snapshot.ID {
			t.Errorf("released %v: %v", result.Released, err)
		}
		allDenied(t, releaser, bucketName, key, reads, never, ruleWrites, pin)
	})
	t.Run("restore", func(t *testing.T) {
		restores(t, restorer, second.Snapshot.Object, path)
		allDenied(t, restorer, bucketName, key, never, ruleWrites, pin)
	})
	t.Run("admin", func(t *testing.T) {
		b := admin.bucket
		options := lifecycle.Options{Terms: lifecycle.Terms{Policy: lifecycle.DefaultPolicy(), Hold: lifecycle.DefaultHold}, Settle: 100 * time.Millisecond}
		proposal, err := rules.OfSeries(b).Propose(t.Context(), options, rules.DefaultNoncurrent)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := proposal.Apply(t.Context()); err != nil {
			t.Error(err)
		}
		if _, err := lifecycle.Pin(t.Context(), b, second.Snapshot.ID, options); err != nil {
			t.Error(err)
		}
		if _, err := lifecycle.Unpin(t.Context(), b, second.Snapshot.ID, options); err != nil {
			t.Error(err)
		}
		allDenied(t, admin, bucketName, key, reads, never)
	})
	all := newUserWith(t, server, bucketName, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::*"}]}`)
	allAllowed(t, all, bucketName, snapshotsOf(t, job, bucketName)[series.Daily], detours(series.Daily, "recent"))
	for class, key := range snapshotsOf(t, job, bucketName) {
		t.Run(string(class), func(t *testing.T) {
			for _, u := range []user{admin, job, releaser, restorer} {
				allDenied(t, u, bucketName, key, otherClasses(class))
			}
			allDenied(t, job, bucketName, key, releases(class))
			allDenied(t, releaser, bucketName, key, writes(class))
			allDenied(t, restorer, bucketName, key, writes(class), releases(class))
			allDenied(t, admin, bucketName, key, writes(class)[:3])
			allAllowed(t, job, bucketName, key, writes(class))
			allAllowed(t, releaser, bucketName, key, releases(class))
			allAllowed(t, admin, bucketName, key, pin, writes(class)[3:], releases(class))
		})
	}
	t.Run("time", func(t *testing.T) { uploadsChooseTheirTime(t, job, all, bucketName) })
	t.Run("overwrite", func(t *testing.T) { overwriteLosesNothing(t, job, restorer, second.Snapshot.Object, bucketName, path) })
}

// aborts shows that the job's failed upload leaves no parts behind, although
// it may not list them.
func aborts(t *testing.T, server *testserver.Server, job user, bucketName string) {
	t.Helper()
	failed := errors.New("the database went away")
	name := buckettest.ObjectName(snapshot.NewID(time.Now()))
	_, err := job.bucket.Put(t.Context(), name, bucket.PutOptions{MaxSize: 20 << 20, Tags: bucket.Tags{series.TagRetention: series.Held(series.Daily)}},
		func(w io.Writer) error {
			if _, err := io.CopyN(w, rand.Reader, 12<<20); err != nil {
				return err
			}
			return failed
		})
	if !errors.Is(err, failed) {
		t.Errorf("put: %v", err)
	}
	if left, err := server.Client(t).Uploads(t.Context(), bucketName, prefix+"/"+name); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// restores compares a snapshot's content with the database that it is of.
func restores(t *testing.T, u user, object bucket.Object, path string) {
	t.Helper()
	blob, err := u.bucket.Open(t.Context(), object)
	if err != nil {
		t.Fatal(err)
	}
	defer blob.Close()
	archive, err := snapshot.OpenArchive(t.Context(), blob, object.Size, snapshot.ID(object.Name[:len(snapshot.NewID(time.Time{}))]))
	if err != nil {
		t.Fatal(err)
	}
	chain, err := snapshot.NewChain(archive)
	if err != nil {
		t.Fatal(err)
	}
	var content bytes.Buffer
	if err := chain.Stream(t.Context(), &content, snapshot.ExtractOptions{}); err != nil {
		t.Fatal(err)
	}
	restored := filepath.Join(t.TempDir(), "restored.db")
	if err := os.WriteFile(restored, content.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, want := rows(t, restored), rows(t, path); got != want {
		t.Errorf("restored %s, want %s", got, want)
	}
}

// rows sums up the content of a database.
func rows(t *testing.T, path string) string {
	t.Helper()
	db, err := sql.Open("sqlite3", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var sum string
	if err := db.QueryRow("SELECT group_concat(length(x) || ':' || hex(substr(x, -16)), ' ') FROM t").Scan(&sum); err != nil {
		t.Fatal(err)
	}
	return sum
}
