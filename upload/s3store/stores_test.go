package s3store

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket/buckettest"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/rawclient"
)

func TestS3(t *testing.T) {
	buckettest.Contract(t, contractStore(t, testserver.Start(t), settings{}))
}

// Stores without a line of MinIO's code.
func TestVersityGW(t *testing.T) {
	s := contractStore(t, testserver.StartVersityGW(t), settings{})
	// It does not know encoding-type=url, so a key that XML cannot hold is
	// listed as another.
	s.ListedAs = map[string]string{"b\x01": "b\ufffd"}
	buckettest.Contract(t, s)
}

func TestRclone(t *testing.T) {
	buckettest.Contract(t, contractStore(t, testserver.StartRclone(t), settings{}))
}

func TestCeph(t *testing.T) {
	server := testserver.StartCeph(t)
	t.Run("contract", func(t *testing.T) { buckettest.Contract(t, contractStore(t, server, settings{})) })
}

// Nothing of the contract may depend on plain HTTP.
func TestS3OverTLS(t *testing.T) {
	s := contractStore(t, testserver.StartTLS(t), settings{Options: bucket.Options{SSE: bucket.ServerSideEncryption{CustomerKey: buckettest.Content(32)}}})
	buckettest.Contract(t, s, "put and read", "put existing", "ranged reads", "not found")
}

// contractStore returns the contract suite's view of a server.
func contractStore(t *testing.T, server *testserver.Server, o settings) buckettest.Store {
	t.Helper()
	server.Setenv(t)
	raw := server.Client(t)
	o.PartSize = buckettest.PartSize
	return buckettest.Store{
		Open: func(t *testing.T) bucket.Bucket { return openBucket(t, server, o) },
		Plant: func(t *testing.T, b bucket.Bucket, name string, data []byte) {
			_, err := raw.PutObject(t.Context(), &s3.PutObjectInput{
				Bucket: &b.(*s3Store).url.Bucket, Key: aws.String(b.(*s3Store).objectKey(name)), Body: bytes.NewReader(data),
			})
			if err != nil {
				t.Fatal(err)
			}
		},
		Clean: func(t *testing.T, b bucket.Bucket, names ...string) {
			t.Helper()
			buckettest.SameNames(t, keys(t, raw, b.(*s3Store)), names)
			for _, name := range append(names, "object") {
				noUploads(t, raw, b.(*s3Store), name)
			}
		},
	}
}

// openBucket opens a prefix in a fresh bucket with short retries.
func openBucket(t *testing.T, server *testserver.Server, o settings) *s3Store {
	t.Helper()
	if o.RetryFor == 0 {
		o.RetryFor = 20 * time.Second
	}
	b, err := open(t.Context(), bucket.URL{Bucket: server.Bucket(t), Prefix: "some where/app"}, o)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// keys lists everything in the bucket, without the prefix where it has it.
func keys(t *testing.T, raw *rawclient.Client, b *s3Store) []string {
	t.Helper()
	var found []string
	pages := s3.NewListObjectsV2Paginator(raw, &s3.ListObjectsV2Input{Bucket: &b.url.Bucket})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page.Contents {
			found = append(found, strings.TrimPrefix(*o.Key, b.objectKey("")))
		}
	}
	return found
}

// noUploads fails the test if there is an unfinished upload of the name.
// MinIO lists uploads only by the exact key.
func noUploads(t *testing.T, raw *rawclient.Client, b *s3Store, name string) {
	t.Helper()
	if n := len(uploads(t, raw, b, name)); n > 0 {
		t.Errorf("%d unfinished uploads of %s are left", n, name)
	}
}

func uploads(t *testing.T, raw *rawclient.Client, b *s3Store, name string) []string {
	t.Helper()
	out, err := raw.ListMultipartUploads(context.Background(), &s3.ListMultipartUploadsInput{
		Bucket: &b.url.Bucket, Prefix: aws.String(b.objectKey(name)),
	})
	var none smithy.APIError
	if errors.As(err, &none) && none.ErrorCode() == "NoSuchUpload" { // so rclone says it
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, u := range out.Uploads {
		ids = append(ids, *u.UploadId)
	}
	return ids
}
