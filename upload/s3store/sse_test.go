package s3store

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket/buckettest"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket/sidecar"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
)

// What the store says of encryption is taken from its answers: MinIO's own,
// those of one that says less than was asked for, and of one that says nothing.
func TestServerSideEncryptionIsNoticed(t *testing.T) {
	server := testserver.StartTLS(t)
	server.Setenv(t)
	for name, c := range map[string]struct {
		asked bucket.ServerSideEncryption
		says  string // in place of the true header; "-": as it is
		want  bool   // NotEncrypted
	}{
		"not asked":               {bucket.ServerSideEncryption{}, "", false},
		"done":                    {bucket.ServerSideEncryption{Algorithm: "AES256"}, "-", false},
		"done with a KMS":         {bucket.ServerSideEncryption{Algorithm: "aws:kms", KMSKeyID: "key"}, "-", false},
		"done with our key":       {bucket.ServerSideEncryption{CustomerKey: buckettest.Content(32)}, "-", false},
		"ignored":                 {bucket.ServerSideEncryption{Algorithm: "AES256"}, "", true},
		"ignored with a KMS":      {bucket.ServerSideEncryption{Algorithm: "aws:kms"}, "", true},
		"ignored with our key":    {bucket.ServerSideEncryption{CustomerKey: buckettest.Content(32)}, "", true},
		"by the store's own keys": {bucket.ServerSideEncryption{Algorithm: "aws:kms"}, "AES256", true},
		"by a KMS all the same":   {bucket.ServerSideEncryption{Algorithm: "AES256"}, "aws:kms", false},
	} {
		t.Run(name, func(t *testing.T) {
			var seen atomic.Int32
			b := openBucket(t, server, settings{Options: bucket.Options{PartSize: buckettest.PartSize, SSE: c.asked}, intercept: fault(func(r *http.Request, next aws.HTTPClient) (*http.Response, error) {
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
			whole, parts := buckettest.PutAll(t, b, "whole", buckettest.Content(10), nil), buckettest.PutAll(t, b, "parts", buckettest.Content(buckettest.PartSize+1), nil)
			if whole.NotEncrypted != c.want || parts.NotEncrypted != c.want {
				t.Errorf("not encrypted: %v, in parts %v; want %v", whole.NotEncrypted, parts.NotEncrypted, c.want)
			}
			// Only who has the customer's key may ask about the object.
			if when, err := b.Expiration(t.Context(), parts.Object); when != "" || err != nil {
				t.Errorf("expiration: %q, %v", when, err)
			}
			if c.want && seen.Load() == 0 {
				t.Error("the server did not say that it encrypts")
			}
		})
	}
}

// Where the answer that tells of encryption is lost, the store is asked. What
// it does not tell does not count as encrypted.
func TestLostAnswerOfEncryption(t *testing.T) {
	server := testserver.StartTLS(t)
	server.Setenv(t)
	for name, c := range map[string]struct {
		asked bucket.ServerSideEncryption
		head  func(r *http.Request, next aws.HTTPClient) (*http.Response, error)
		want  bool // NotEncrypted
	}{
		"not asked": {bucket.ServerSideEncryption{}, forbid, false},
		"done":      {bucket.ServerSideEncryption{Algorithm: "AES256"}, pass, false},
		"our key":   {bucket.ServerSideEncryption{CustomerKey: buckettest.Content(32)}, pass, false},
		"not known": {bucket.ServerSideEncryption{Algorithm: "AES256"}, forbid, true},
		"not done":  {bucket.ServerSideEncryption{Algorithm: "AES256"}, silent, true},
	} {
		t.Run(name, func(t *testing.T) {
			var losses atomic.Int32
			b := openBucket(t, server, settings{Options: bucket.Options{PartSize: buckettest.PartSize, SSE: c.asked}, intercept: fault(func(r *http.Request, next aws.HTTPClient) (*http.Response, error) {
				if r.Method == http.MethodHead {
					return c.head(r, next)
				}
				if isCreate(r) || isPart(r) { // says nothing, as some stores do
					return silent(r, next)
				}
				response, err := next.Do(r)
				if err != nil || !isPut(r) && !isComplete(r) || losses.Add(1) > 1 {
					return response, err
				}
				io.Copy(io.Discard, response.Body)
				response.Body.Close()
				return nil, errors.New("connection reset by peer")
			}).intercept})
			for _, size := range []int{10, buckettest.PartSize + 10} {
				losses.Store(0)
				o := buckettest.PutAll(t, b, string(rune('a'+size%26)), buckettest.Content(size), nil)
				if o.NotEncrypted != c.want || losses.Load() == 0 {
					t.Errorf("%d bytes: not encrypted: %v, want %v", size, o.NotEncrypted, c.want)
				}
			}
		})
	}
}

func pass(r *http.Request, next aws.HTTPClient) (*http.Response, error) { return next.Do(r) }

func forbid(r *http.Request, _ aws.HTTPClient) (*http.Response, error) {
	return answers(r, http.StatusForbidden, "AccessDenied", ""), nil
}

func silent(r *http.Request, next aws.HTTPClient) (*http.Response, error) {
	response, err := next.Do(r)
	if err == nil {
		for name := range response.Header {
			if len(name) > 28 && name[:28] == "X-Amz-Server-Side-Encryption" {
				response.Header.Del(name)
			}
		}
		response.Header.Del("X-Amz-Server-Side-Encryption")
	}
	return response, err
}

// A store without a KMS refuses the encryption in the words in which others refuse
// tags. The error names the object, and not the one that tags would be in.
func TestRefusedEncryptionIsNoRefusalOfTags(t *testing.T) {
	server := testserver.Start(t)
	server.Setenv(t)
	b := openBucket(t, server, settings{Options: bucket.Options{PartSize: buckettest.PartSize, SSE: bucket.ServerSideEncryption{Algorithm: "AES256"}}})
	for _, size := range []int{10, buckettest.PartSize + 10} {
		_, err := b.Put(t.Context(), "object", bucket.PutOptions{Tags: bucket.Tags{"a": "b"}}, buckettest.InPieces(buckettest.Content(size)))
		if !errors.Is(err, bucket.ErrRefused) || strings.Contains(err.Error(), sidecar.Of("object")) || !strings.Contains(err.Error(), "ncryption") {
			t.Errorf("%d bytes: %v", size, err)
		}
		if beside, _ := b.TagsBeside(); beside {
			t.Error("the store counts as one without tags")
		}
	}
}
