package quirks

import (
	"encoding/xml"
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/rawclient"
)

// A user is a plain client of one bucket, without retries.
type user struct {
	*rawclient.Client
	t      *testing.T
	bucket string
}

func newUser(t *testing.T, server *testserver.Server, bucket string) *user {
	return &user{server.Client(t), t, bucket}
}

func (u *user) put(key string) error {
	return u.Put(u.t.Context(), u.bucket, key, "content", "X-Amz-Tagging", "a=b")
}

func (u *user) list() ([]bucket.Object, error) { return u.Objects(u.t.Context(), u.bucket, "") }

// inParts uploads an object in one part, as an application that sends back the
// ETag that it was given, and returns the one that Complete gives.
func (u *user) inParts(key string) (etag string, err error) {
	ctx, target := u.t.Context(), u.bucket+"/"+key
	var begun struct{ UploadId string }
	answer, err := u.Call(ctx, http.MethodPost, target+"?uploads", "", "X-Amz-Tagging", "a=b")
	if err == nil {
		err = xml.Unmarshal(answer.Body, &begun)
	}
	if err != nil {
		return "", err
	}
	part, err := u.Call(ctx, http.MethodPut, target+"?partNumber=1&uploadId="+url.QueryEscape(begun.UploadId), "content")
	if err != nil {
		return "", err
	}
	var completed struct{ ETag string }
	answer, err = u.Call(ctx, http.MethodPost, target+"?uploadId="+url.QueryEscape(begun.UploadId),
		"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>"+html.EscapeString(part.Header.Get("ETag"))+"</ETag></Part></CompleteMultipartUpload>")
	if err == nil {
		err = xml.Unmarshal(answer.Body, &completed)
	}
	return completed.ETag, err
}

func (u *user) tags(key string) int {
	u.t.Helper()
	tags, err := u.Tags(u.t.Context(), u.bucket, key)
	if err != nil {
		u.t.Fatal(err)
	}
	return len(tags)
}

// Without quirks a proxy changes nothing; each quirk does what it says.
func TestQuirks(t *testing.T) {
	server := testserver.Start(t)
	code := func(t *testing.T, err error, want string) {
		t.Helper()
		if bucket.Code(err) != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
	for name, c := range map[string]struct {
		quirk Quirk
		check func(t *testing.T, u, raw *user)
	}{
		"none": {On(nil), func(t *testing.T, u, _ *user) {
			err := u.put("whole")
			if _, err2 := u.inParts("parts"); err != nil || err2 != nil {
				t.Fatal(err, err2)
			}
			if listed, err := u.list(); err != nil || len(listed) != 2 || u.tags("whole") != 1 || u.tags("parts") != 1 {
				t.Error(listed, err)
			}
		}},
		"accept-encoding": {RewriteAcceptEncoding(), func(t *testing.T, u, _ *user) {
			code(t, u.put("a"), "SignatureDoesNotMatch")
		}},
		"refuse tags": {RefuseTags("InvalidRequest", 400), func(t *testing.T, u, _ *user) {
			code(t, u.put("a"), "InvalidRequest")
		}},
		"lost tags": {LoseTagsAtComplete(), func(t *testing.T, u, raw *user) {
			if _, err := u.inParts("a"); err != nil || raw.tags("a") != 0 {
				t.Error(err, raw.tags("a"))
			}
		}},
		"empty etag": {EmptyETagAtComplete(), func(t *testing.T, u, _ *user) {
			if etag, err := u.inParts("a"); err != nil || etag != "" {
				t.Error(etag, err)
			}
		}},
		"weak etags": {WeakETags(), func(t *testing.T, u, _ *user) {
			etag, err := u.inParts("a")
			if err != nil || !strings.HasPrefix(etag, `W/"`) {
				t.Fatal(etag, err)
			}
			if listed, err := u.list(); err != nil || listed[0].ETag != etag {
				t.Error(listed, err)
			}
			got, err := u.Call(t.Context(), http.MethodGet, u.bucket+"/a", "", "If-Match", etag)
			if err != nil || string(got.Body) != "content" || got.Header.Get("ETag") != etag {
				t.Errorf("%q, %v", got.Body, err)
			}
		}},
		"dropped": {On(First(1, DropAnswer()), "PutObject"), func(t *testing.T, u, _ *user) {
			if err := u.put("a"); err == nil {
				t.Error("an answer came")
			}
			if listed, err := u.list(); err != nil || len(listed) != 1 {
				t.Error(listed, err)
			}
		}},
		"late": {LateListings(2), func(t *testing.T, u, _ *user) {
			if err := u.put("a"); err != nil {
				t.Fatal(err)
			}
			for _, want := range []int{0, 0, 1} {
				if listed, err := u.list(); err != nil || len(listed) != want {
					t.Error(listed, err)
				}
			}
		}},
		"late by time": {LateListing(time.Hour), func(t *testing.T, u, _ *user) {
			if err := u.put("a"); err != nil {
				t.Fatal(err)
			}
			if listed, err := u.list(); err != nil || len(listed) != 0 {
				t.Error(listed, err)
			}
		}},
		"backwards": {Backwards(), func(t *testing.T, u, raw *user) {
			raw.put("a")
			raw.put("b")
			if listed, err := u.list(); err != nil || len(listed) != 2 || listed[0].Name != "b" {
				t.Error(listed, err)
			}
		}},
		"repeated": {RepeatedToken(1), func(t *testing.T, u, raw *user) {
			raw.put("a")
			raw.put("b")
			after := ""
			for range 5 {
				page, err := u.List(t.Context(), u.bucket, "", after)
				if err != nil || len(page.Objects) != 1 || page.Objects[0].Name != "a" || page.Next == "" {
					t.Fatal(page, err)
				}
				after = page.Next
			}
		}},
		"truncated": {TruncatedWithoutToken(1), func(t *testing.T, u, raw *user) {
			raw.put("a")
			raw.put("b")
			page, err := u.List(t.Context(), u.bucket, "", "")
			if err != nil || len(page.Objects) != 1 || !page.Truncated || page.Next != "" {
				t.Error(page, err)
			}
		}},
		"outside": {Outside("x/y"), func(t *testing.T, u, _ *user) {
			if listed, err := u.list(); err != nil || len(listed) != 1 || listed[0].Name != "x/y" {
				t.Error(listed, err)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			name := server.Bucket(t)
			proxy := Start(t, server, c.quirk)
			c.check(t, newUser(t, &proxy.Server, name), newUser(t, server, name))
			if proxy.Count() == 0 {
				t.Error("nothing was counted")
			}
		})
	}
}

// A proxy with TLS passes on to a server without, and redirects where it is told.
func TestTLS(t *testing.T) {
	server := testserver.Start(t)
	name := server.Bucket(t)
	proxy := StartTLS(t, server, On(RedirectTo("http://elsewhere.invalid"), "GetObject"))
	if proxy.CAFile == "" {
		t.Fatal("no certificate")
	}
	u := newUser(t, &proxy.Server, name)
	if err := u.put("a"); err != nil {
		t.Fatal(err)
	}
	if proxy.Count("PutObject") != 1 || proxy.Count("ListObjectsV2") != 0 {
		t.Error(proxy.Counts())
	}
	_, err := u.Get(t.Context(), name, "a")
	if err == nil || !strings.Contains(err.Error(), "elsewhere.invalid") && !strings.Contains(err.Error(), http.StatusText(http.StatusTemporaryRedirect)) {
		t.Error(err)
	}
}
