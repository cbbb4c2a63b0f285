package upload

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite/sqlitetest"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket/buckettest"
	"github.com/lifeboat-sqlite/lifeboat/upload/doctor"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/quirks"
)

// What is listed is what counts, whatever the answer to the upload was.
func TestAnotherIsListed(t *testing.T) {
	server := testserver.Start(t)
	for name, quirk := range map[string]quirks.Quirk{
		"another size": quirks.ReplaceInAnswers("<Size>[0-9]+</Size>", "<Size>7</Size>"),
		"another ETag": quirks.ReplaceInAnswers("<ETag>([^<]*?)[0-9a-f]{4}", "<ETag>${1}xxxx"),
	} {
		b := behind(t, server, bucket.Options{}, quirks.On(quirk, "ListObjectsV2"))
		if _, err := Backup(t.Context(), b, newDatabase(t, 10), BackupOptions{}); !errors.Is(err, bucket.ErrChanged) {
			t.Errorf("%s: %v, want ErrChanged", name, err)
		}
	}
}

// Of a backup no answer means that a snapshot is missing.
func TestBackupFindsNothingMissing(t *testing.T) {
	server := testserver.Start(t)
	for _, operation := range []string{"GetObjectTagging", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload", "PutObject"} {
		b := behind(t, server, bucket.Options{RetryFor: time.Second}, quirks.On(quirks.Refuse("NoSuchUpload", http.StatusNotFound), operation))
		path := newDatabase(t, 4000)
		if operation == "PutObject" {
			path = newDatabase(t, 10)
		}
		_, err := Backup(t.Context(), b, path, BackupOptions{})
		if want := error(bucket.ErrUnreachable); operation == "GetObjectTagging" && !errors.Is(err, ErrIncomplete) ||
			operation != "GetObjectTagging" && (!errors.Is(err, want) || errors.Is(err, bucket.ErrNotFound)) {
			t.Errorf("%s: %v", operation, err)
		}
	}
}

// Tags are refused in many ways. Doctor and a backup mean the same by each.
func TestTagsRefused(t *testing.T) {
	server := testserver.Start(t)
	for code, c := range map[string]struct {
		status int
		works  bool
	}{
		"NotImplemented":   {http.StatusNotImplemented, true},
		"InvalidRequest":   {http.StatusBadRequest, true},
		"InvalidArgument":  {http.StatusBadRequest, true},
		"MethodNotAllowed": {http.StatusMethodNotAllowed, true},
		"AccessDenied":     {http.StatusForbidden, false},
		"Nonsense":         {http.StatusBadRequest, false},
	} {
		b := behind(t, server, bucket.Options{}, quirks.RefuseTags(code, c.status))
		report, err := doctor.Examine(t.Context(), b)
		if err != nil || report.CanBackup() != c.works {
			t.Errorf("%s: doctor says of a backup %v, %v, want %v", code, report.CanBackup(), err, c.works)
		}
		for name, rows := range map[string]int{"small": 10, "in parts": 4000} {
			b := behind(t, server, bucket.Options{}, quirks.RefuseTags(code, c.status))
			path := newDatabase(t, rows)
			first, err := Backup(t.Context(), b, path, BackupOptions{})
			if (err == nil) != c.works {
				t.Errorf("%s, %s: a backup: %v, want success: %v", code, name, err, c.works)
			}
			if err != nil {
				nothingIn(t, server, b)
				continue
			}
			next, err := OpenURL(t.Context(), b.URL(), bucket.Options{PartSize: buckettest.PartSize}) // another process
			if err != nil {
				t.Fatal(err)
			}
			again, err := Backup(t.Context(), next, path, BackupOptions{})
			if err != nil || !again.Unchanged || again.Snapshot.ID != first.Snapshot.ID {
				t.Errorf("%s, %s: the second backup: %+v, %v", code, name, again, err)
			}
			if err := b.SetTags(t.Context(), first.Snapshot.Object, bucket.Tags{"a": "b"}); err != nil {
				t.Errorf("%s, %s: set tags: %v", code, name, err)
			}
		}
	}
}

// newDatabase makes a database with about 2 KB for each row, which do not
// compress.
func newDatabase(t *testing.T, rows int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "app.db")
	sqlitetest.Exec(t, path, fmt.Sprintf("CREATE TABLE t (a INTEGER PRIMARY KEY, b); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < %d) INSERT INTO t SELECT i, randomblob(2000) FROM n", rows))
	return path
}

// emptyBucket opens a prefix in a fresh bucket with short retries.
func emptyBucket(t *testing.T, server *testserver.Server, o bucket.Options) bucket.Bucket {
	t.Helper()
	server.Setenv(t)
	o.PartSize, o.RetryFor = buckettest.PartSize, cmp.Or(o.RetryFor, 20*time.Second)
	b, err := OpenURL(t.Context(), bucket.URL{Bucket: server.Bucket(t), Prefix: "some where/app"}, o)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// behind opens one in a MinIO behind quirks.
func behind(t *testing.T, server *testserver.Server, o bucket.Options, list ...quirks.Quirk) bucket.Bucket {
	t.Helper()
	return emptyBucket(t, &quirks.Start(t, server, list...).Server, o)
}

// nothingIn fails the test if there is anything in the whole bucket.
func nothingIn(t *testing.T, server *testserver.Server, b bucket.Bucket) {
	t.Helper()
	if left, err := server.Client(t).Objects(t.Context(), b.URL().Bucket, ""); err != nil || len(left) > 0 {
		t.Errorf("left in the bucket: %v, %v", left, err)
	}
}

// What is never listed is a failing store's and no missing snapshot.
func TestBackupThatIsNeverListed(t *testing.T) {
	server := testserver.Start(t)
	b := behind(t, server, bucket.Options{RetryFor: time.Second}, quirks.LateListing(time.Hour))
	began := time.Now()
	path := newDatabase(t, 10)
	_, err := Backup(t.Context(), b, path, BackupOptions{})
	if !errors.Is(err, bucket.ErrUnreachable) || errors.Is(err, bucket.ErrNotFound) || time.Since(began) > time.Minute {
		t.Errorf("never listed: %v after %v, want ErrUnreachable", err, time.Since(began))
	}
	if err == nil || !strings.Contains(err.Error(), "it may be there all the same") {
		t.Errorf("never listed: %v", err)
	}
}
