package s3store

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket/buckettest"
	"github.com/lifeboat-sqlite/lifeboat/upload/doctor"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/quirks"
)

// differing returns a bucket in a MinIO behind quirks, and the proxy.
func differing(t *testing.T, server *testserver.Server, o settings, list ...quirks.Quirk) (*s3Store, *quirks.Proxy) {
	t.Helper()
	proxy := quirks.Start(t, server, list...)
	proxy.Setenv(t)
	o.PartSize = buckettest.PartSize
	return openBucket(t, &proxy.Server, o), proxy
}

// What was uploaded is listed late: Put waits for it.
func TestLateListings(t *testing.T) {
	server := testserver.Start(t)
	for name, quirk := range map[string][]quirks.Quirk{
		"late":                     {quirks.LateListings(3)},
		"late, and answers lost":   {quirks.LateListings(3), quirks.On(quirks.First(2, quirks.DropAnswer()), "PutObject", "CompleteMultipartUpload")},
		"a second late":            {quirks.LateListing(time.Second)},
		"without ETags at the end": {quirks.EmptyETagAtComplete()},
	} {
		b, _ := differing(t, server, settings{}, quirk...)
		for _, size := range []int{10, buckettest.PartSize + 10} {
			data := buckettest.Content(size)
			o, err := b.Put(t.Context(), "object-"+string(rune('a'+size%7)), bucket.PutOptions{Tags: bucket.Tags{"a": "b"}}, buckettest.InPieces(data))
			if err != nil {
				t.Errorf("%s, %d bytes: %v", name, size, err)
				continue
			}
			if listed := buckettest.Find(t, b, o.Name); listed != o.Object || !bytes.Equal(buckettest.ReadAll(t, b, o.Object), data) {
				t.Errorf("%s: put returned %+v, listed is %+v, or the content differs", name, o, listed)
			}
			noUploads(t, server.Client(t), b, o.Name)
		}
	}
}

// Parts that could not be taken back are named, so that they can be removed.
func TestRemainingPartsAreNamed(t *testing.T) {
	server := testserver.Start(t)
	b, _ := differing(t, server, settings{},
		quirks.On(quirks.Refuse("AccessDenied", http.StatusForbidden), "CompleteMultipartUpload", "AbortMultipartUpload"))
	_, err := b.Put(t.Context(), "object", bucket.PutOptions{}, buckettest.InPieces(buckettest.Content(buckettest.PartSize+1)))
	ids := uploads(t, server.Client(t), b, "object")
	if len(ids) != 1 || err == nil || !strings.Contains(err.Error(), ids[0]) || !strings.Contains(err.Error(), b.objectKey("object")) {
		t.Errorf("%v does not name the upload %q", err, ids)
	}
}

// The tags given when an upload began are lost when it is complete.
func TestTagsLostAtComplete(t *testing.T) {
	server := testserver.Start(t)
	tags := bucket.Tags{series.TagRetention: series.Held(series.Daily), series.TagDigest: "lb1:00"}
	data := buckettest.Content(buckettest.PartSize + 10)
	for name, c := range map[string]struct {
		quirks []quirks.Quirk
		fails  bool
	}{
		"lost":                       {[]quirks.Quirk{quirks.EmptyETagAtComplete()}, false},
		"they may not be read":       {[]quirks.Quirk{quirks.On(quirks.Refuse("AccessDenied", http.StatusForbidden), "GetObjectTagging")}, false},
		"they may not be set":        {[]quirks.Quirk{quirks.On(quirks.Refuse("AccessDenied", http.StatusForbidden), "PutObjectTagging")}, true},
		"setting them does nothing":  {[]quirks.Quirk{quirks.On(quirks.AnswerWith(http.StatusOK, ""), "PutObjectTagging")}, true},
		"the answer came to nothing": {[]quirks.Quirk{quirks.On(quirks.First(1, quirks.DropAnswer()), "CompleteMultipartUpload")}, false},
	} {
		b, _ := differing(t, server, settings{}, append(c.quirks, quirks.LoseTagsAtComplete())...)
		o, err := b.Put(t.Context(), "object", bucket.PutOptions{Tags: tags}, buckettest.InPieces(data))
		if errors.Is(err, bucket.ErrUntagged) != c.fails || !c.fails && err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if o.Name != "object" || o.Size != int64(len(data)) || o.ETag == "" {
			t.Errorf("%s: put returned %+v", name, o)
		}
		server.Setenv(t)
		direct, err := Open(t.Context(), b.URL(), bucket.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := direct.Tags(t.Context(), o.Object); err != nil || !c.fails && !maps.Equal(got, tags) {
			t.Errorf("%s: tags %v, %v", name, got, err)
		}
	}
	// What was kept is not set again.
	b, proxy := differing(t, server, settings{})
	buckettest.Put(t, b, "object", data, tags)
	if n := proxy.Count("PutObjectTagging"); n != 0 {
		t.Errorf("tags that were kept are set %d times", n)
	}
}

// Proxies that compress make the ETags of answers weak. Some know them again in
// requests, others leave that to the store.
func TestWeakETags(t *testing.T) {
	server := testserver.Start(t)
	weakAnswers := func(store *quirks.Store, r *http.Request) (*http.Response, error) {
		response, err := store.Do(r)
		if err == nil && strings.HasPrefix(response.Header.Get("Etag"), `"`) {
			response.Header.Set("Etag", "W/"+response.Header.Get("Etag"))
		}
		return response, err
	}
	strictly := quirks.When(func(r *http.Request) bool { return r.Header.Get("If-Match") != "" },
		quirks.Refuse("PreconditionFailed", http.StatusPreconditionFailed))
	for name, quirk := range map[string][]quirks.Quirk{
		"in all":                 {quirks.WeakETags()},
		"in headers alone":       {weakAnswers},
		"and none of them match": {strictly, quirks.WeakETags()},
	} {
		proxy := quirks.Start(t, server, quirk...)
		s := contractStore(t, &proxy.Server, settings{})
		t.Run(name, func(t *testing.T) {
			buckettest.Contract(t, s, "put and read", "ranged reads", "changed", "tags", "put existing")
		})
	}
}

// A bucket whose default retention locks every object takes none without a
// checksum, in S3's words.
func TestChecksumsDemanded(t *testing.T) {
	server := testserver.Start(t)
	demand := quirks.When(func(r *http.Request) bool {
		operation := quirks.Operation(r)
		return (operation == "PutObject" || operation == "UploadPart") && r.Header.Get("Content-Md5") == ""
	}, quirks.AnswerWith(http.StatusBadRequest, "<Error><Code>InvalidRequest</Code><Message>Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters</Message></Error>"))
	b, proxy := differing(t, server, settings{}, demand)
	for _, size := range []int{0, 10, 3*buckettest.PartSize + 10} {
		data := buckettest.Content(size)
		o := buckettest.Put(t, b, fmt.Sprint("object-", size), data, bucket.Tags{"a": "b"})
		if !bytes.Equal(buckettest.ReadAll(t, b, o), data) {
			t.Errorf("%d bytes: other content than what was put", size)
		}
	}
	if n := proxy.Count("PutObject"); n != 3 {
		t.Errorf("%d requests for 2 objects, want one more than objects", n)
	}
	if report, err := doctor.Examine(t.Context(), b); err != nil || !report.CanBackup() {
		t.Errorf("doctor: %+v, %v", report, err)
	}
	if tags, err := b.Tags(t.Context(), buckettest.Find(t, b, "object-10")); err != nil || tags["a"] != "b" {
		t.Errorf("tags %v, %v", tags, err)
	}
}

// A cap on storage, or a full store, is no missing permission.
func TestStorageCaps(t *testing.T) {
	server := testserver.Start(t)
	for message, status := range map[string]int{
		"<Code>AccessDenied</Code><Message>Cannot upload files, storage cap exceeded. See the Caps &amp; Alerts page to increase your cap.</Message>": http.StatusForbidden,
		"<Code>AccessDenied</Code><Message>The account is over its storage quota</Message>":                                                           http.StatusForbidden,
		"<Code>QuotaExceeded</Code>":        http.StatusForbidden,
		"<Code>ServiceQuotaExceeded</Code>": http.StatusBadRequest,
		"<Code>XMinioStorageFull</Code><Message>Storage backend has reached its minimum free drive threshold.</Message>": http.StatusInsufficientStorage,
	} {
		b, _ := differing(t, server, settings{}, quirks.On(quirks.AnswerWith(status, "<Error>"+message+"</Error>"), "PutObject", "CreateMultipartUpload"))
		for _, size := range []int{10, buckettest.PartSize + 1} {
			_, err := b.Put(t.Context(), "object", bucket.PutOptions{Tags: bucket.Tags{"a": "b"}}, buckettest.InPieces(buckettest.Content(size)))
			if !errors.Is(err, bucket.ErrQuota) || !errors.Is(err, bucket.ErrRefused) || bucket.MissingAction(err) != "" || strings.Contains(err.Error(), "the credentials need") {
				t.Errorf("%s: %v, action %q, want ErrQuota", message, err, bucket.MissingAction(err))
			}
		}
	}
}

// Names from before the rules of today, on AWS itself and elsewhere.
func TestOldBucketNames(t *testing.T) {
	for endpoint, want := range map[string]string{"": "s3.us-east-1.amazonaws.com", "https://store.example": "store.example"} {
		t.Setenv("AWS_ENDPOINT_URL_S3", endpoint)
		for name, value := range map[string]string{"AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_CONFIG_FILE": os.DevNull} {
			t.Setenv(name, value)
		}
		for _, bucketName := range []string{"Old_Bucket", "my_bucket", strings.Repeat("Long-name_", 20)} {
			u, err := bucket.ParseURL("s3://" + bucketName + "/app")
			if err != nil {
				t.Fatal(err)
			}
			var asked []string
			b, err := open(t.Context(), u, settings{intercept: fault(func(r *http.Request, _ aws.HTTPClient) (*http.Response, error) {
				asked = append(asked, r.URL.Host+r.URL.Path)
				return answers(r, http.StatusForbidden, "AccessDenied", ""), nil
			}).intercept})
			if err != nil {
				t.Fatal(err)
			}
			for _, err := range b.List(t.Context(), "") {
				if !errors.Is(err, bucket.ErrRefused) {
					t.Error(err)
				}
			}
			if len(asked) != 1 || strings.TrimSuffix(asked[0], "/") != want+"/"+bucketName {
				t.Errorf("%s at %q: asked %q", bucketName, endpoint, asked)
			}
		}
	}
}
