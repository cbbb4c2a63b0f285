package upload

import (
	"errors"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket/buckettest"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
)

// What the store says of encryption is taken from its answers: MinIO's own,
// those of one that says less than was asked for, and of one that says nothing.
func TestServerSideEncryptionIsNoticed(t *testing.T) {
	server := testserver.StartTLS(t)
	server.Setenv(t)
	for name, c := range map[string]struct {
		asked ServerSideEncryption
		says  string // in place of the true header; "-": as it is
		want  bool   // NotEncrypted
	}{
		"not asked":               {ServerSideEncryption{}, "", false},
		"done":                    {ServerSideEncryption{Algorithm: "AES256"}, "-", false},
		"done with a KMS":         {ServerSideEncryption{Algorithm: "aws:kms", KMSKeyID: "key"}, "-", false},
		"done with our key":       {ServerSideEncryption{CustomerKey: buckettest.Content(32)}, "-", false},
		"ignored":                 {ServerSideEncryption{Algorithm: "AES256"}, "", true},
		"ignored with a KMS":      {ServerSideEncryption{Algorithm: "aws:kms"}, "", true},
		"ignored with our key":    {ServerSideEncryption{CustomerKey: buckettest.Content(32)}, "", true},
		"by the store's own keys": {ServerSideEncryption{Algorithm: "aws:kms"}, "AES256", true},
		"by a KMS all the same":   {ServerSideEncryption{Algorithm: "AES256"}, "aws:kms", false},
	} {
		t.Run(name, func(t *testing.T) {
			var seen atomic.Int32
			b := openBucket(t, server, Options{PartSize: buckettest.PartSize, SSE: c.asked, intercept: fault(func(r *http.Request, next aws.HTTPClient) (*http.Response, error) {
				response, err := next.Do(r)
				if err != nil || c.says == "-" {
					return response, err
				}
				for name := range response.Header {
					if strings.HasPrefix(name, "X-Amz-Server-Side-Encryption") {
						seen.Add(1)
						response.Header.Del(name)
					}
				}
				if c.says != "" {
					response.Header.Set("X-Amz-Server-Side-Encryption", c.says)
				}
				return response, nil
			}).intercept})
			whole, parts := buckettest.Put(t, b, "whole", buckettest.Content(10), nil), buckettest.Put(t, b, "parts", buckettest.Content(buckettest.PartSize+1), nil)
			if whole.NotEncrypted != c.want || parts.NotEncrypted != c.want {
				t.Errorf("not encrypted: %v, in parts %v; want %v", whole.NotEncrypted, parts.NotEncrypted, c.want)
			}
			if c.want && seen.Load() == 0 {
				t.Error("the server did not say that it encrypts")
			}
			db := filepath.Join(t.TempDir(), "app.db")
			runSQL(t, db, "CREATE TABLE t (a)")
			r, err := Backup(t.Context(), b, db, BackupOptions{})
			if got := errors.Is(err, ErrIncomplete) && errors.Is(err, ErrNotEncrypted); got != c.want || !c.want && err != nil || r.Snapshot.Object.Size == 0 {
				t.Errorf("%+v, %v", r, err)
			}
		})
	}
}
