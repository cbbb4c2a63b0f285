package s3store

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket/buckettest"
	"github.com/lifeboat-sqlite/lifeboat/upload/doctor"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/quirks"
)

// virtualHost makes a store's endpoint one of a single bucket, as a host with
// the bucket's name is: what follows the host is a key.
func virtualHost(bucket string) quirks.Quirk {
	return func(store *quirks.Store, r *http.Request) (*http.Response, error) {
		r.URL.Path = "/" + bucket + r.URL.Path
		r.URL.RawPath = ""
		if r.URL.Query().Get("list-type") != "" {
			r.URL.RawQuery = "" // a listing of what is a key
		}
		if err := store.Sign(r); err != nil {
			return nil, err
		}
		return store.Do(r)
	}
}

// An endpoint that has the bucket in it already is refused: in the path before
// anything is asked, in the host by the first listing. Nothing is put.
func TestEndpointsWithTheBucket(t *testing.T) {
	server := testserver.Start(t)
	bucketName := server.Bucket(t)
	proxy := quirks.Start(t, server, virtualHost(bucketName))
	proxy.Setenv(t)
	u := bucket.URL{Bucket: bucketName, Prefix: "app"}
	for endpoint, says := range map[string]string{
		proxy.Endpoint + "/" + bucketName:             "has the bucket's name in it",
		proxy.Endpoint + "/" + bucketName + "/":       "has the bucket's name in it",
		proxy.Endpoint + "/s3/" + bucketName + "/app": "has the bucket's name in it",
		proxy.Endpoint + "/?a=b":                      "a query",
		proxy.Endpoint + "/#a":                        "a fragment",
		"http://key:hunter2@localhost:9000":           "a user or a password",
	} {
		t.Setenv("AWS_ENDPOINT_URL_S3", endpoint)
		_, err := Open(t.Context(), u, bucket.Options{})
		checkRefusal(t, endpoint, err, says)
		if setting := bucket.Setting(err); !strings.HasPrefix(setting, "set AWS_ENDPOINT_URL_S3 to http://") || strings.Contains(setting+err.Error(), "hunter2") {
			t.Errorf("%s: setting %q", endpoint, setting)
		}
	}
	for _, endpoint := range []string{proxy.Endpoint, proxy.Endpoint + "/some/path"} {
		t.Setenv("AWS_ENDPOINT_URL_S3", endpoint)
		b, err := Open(t.Context(), u, bucket.Options{PartSize: buckettest.PartSize})
		if err != nil {
			t.Fatal(err)
		}
		for name, list := range map[string]func() error{
			"list":   func() error { _, err := series.Snapshots(t.Context(), b, time.Time{}); return err },
			"newest": func() error { _, err := series.Newest(t.Context(), b); return err },
			"doctor": func() error { _, err := doctor.Examine(t.Context(), b); return err },
		} {
			err := list()
			checkRefusal(t, endpoint+", "+name, err, "not the root of an S3 store")
			if !strings.Contains(bucket.Setting(err), "without the bucket's name") || errors.Is(err, bucket.ErrNotFound) {
				t.Errorf("%s: setting %q of %v", name, bucket.Setting(err), err)
			}
		}
	}
	if n := proxy.Count("PutObject", "CreateMultipartUpload"); n > 0 {
		t.Errorf("%d objects were put", n)
	}
	// A slash behind the host changes nothing.
	server.Setenv(t)
	t.Setenv("AWS_ENDPOINT_URL_S3", server.Endpoint+"/")
	buckettest.Put(t, openBucket(t, server, settings{}), "object", buckettest.Content(10), nil)
}

// A store on the network says where it is, however that is written.
func TestEndpoint(t *testing.T) {
	for given, want := range map[string]string{
		"": "", "https://MinIO.example:9000/": "https://minio.example:9000", "HTTP://minio.example/S3/": "http://minio.example/S3",
	} {
		(&testserver.Server{AccessKey: "a", SecretKey: "b", Endpoint: given}).Setenv(t)
		b, err := Open(t.Context(), bucket.URL{Bucket: "bucket", Prefix: "app"}, bucket.Options{})
		if err != nil {
			t.Fatal(err)
		}
		remote, ok := bucket.As[bucket.Remote](b)
		if !ok || remote.Endpoint() != want {
			t.Errorf("%q: %v, want %q", given, remote, want)
		}
	}
}
