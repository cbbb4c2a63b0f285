package quirks

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
)

// A user is a plain client of one bucket, without retries.
type user struct {
	t      *testing.T
	client *s3.Client
	bucket string
}

func newUser(t *testing.T, server *testserver.Server, bucket string) *user {
	raw := server.Client(t)
	o := raw.Options()
	o.Retryer = aws.NopRetryer{}
	return &user{t, s3.New(o), bucket}
}

func (u *user) put(key string) (*s3.PutObjectOutput, error) {
	return u.client.PutObject(u.t.Context(), &s3.PutObjectInput{Bucket: &u.bucket, Key: &key, Body: strings.NewReader("content"), Tagging: aws.String("a=b")})
}

func (u *user) list() ([]types.Object, error) {
	out, err := u.client.ListObjectsV2(u.t.Context(), &s3.ListObjectsV2Input{Bucket: &u.bucket})
	if err != nil {
		return nil, err
	}
	return out.Contents, nil
}

// inParts uploads an object in one part, as an application that sends back the
// ETag that it was given.
func (u *user) inParts(key string) (*s3.CompleteMultipartUploadOutput, error) {
	ctx := u.t.Context()
	begun, err := u.client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: &u.bucket, Key: &key, Tagging: aws.String("a=b")})
	if err != nil {
		return nil, err
	}
	part, err := u.client.UploadPart(ctx, &s3.UploadPartInput{Bucket: &u.bucket, Key: &key, UploadId: begun.UploadId, PartNumber: aws.Int32(1), Body: strings.NewReader("content")})
	if err != nil {
		return nil, err
	}
	return u.client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{Bucket: &u.bucket, Key: &key, UploadId: begun.UploadId,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: []types.CompletedPart{{ETag: part.ETag, PartNumber: aws.Int32(1)}}}})
}

func (u *user) tags(key string) int {
	u.t.Helper()
	out, err := u.client.GetObjectTagging(u.t.Context(), &s3.GetObjectTaggingInput{Bucket: &u.bucket, Key: &key})
	if err != nil {
		u.t.Fatal(err)
	}
	return len(out.TagSet)
}

// Without quirks a proxy changes nothing; each quirk does what it says.
func TestQuirks(t *testing.T) {
	server := testserver.Start(t)
	code := func(t *testing.T, err error, want string) {
		t.Helper()
		var answer smithy.APIError
		if !errors.As(err, &answer) || answer.ErrorCode() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
	for name, c := range map[string]struct {
		quirk Quirk
		check func(t *testing.T, u, raw *user)
	}{
		"none": {On(nil), func(t *testing.T, u, _ *user) {
			_, err := u.put("whole")
			if _, err2 := u.inParts("parts"); err != nil || err2 != nil {
				t.Fatal(err, err2)
			}
			if listed, err := u.list(); err != nil || len(listed) != 2 || u.tags("whole") != 1 || u.tags("parts") != 1 {
				t.Error(listed, err)
			}
		}},
		"accept-encoding": {RewriteAcceptEncoding(), func(t *testing.T, u, _ *user) {
			_, err := u.put("a")
			code(t, err, "SignatureDoesNotMatch")
		}},
		"refuse tags": {RefuseTags("InvalidRequest", 400), func(t *testing.T, u, _ *user) {
			_, err := u.put("a")
			code(t, err, "InvalidRequest")
		}},
		"lost tags": {LoseTagsAtComplete(), func(t *testing.T, u, raw *user) {
			if _, err := u.inParts("a"); err != nil || raw.tags("a") != 0 {
				t.Error(err, raw.tags("a"))
			}
		}},
		"empty etag": {EmptyETagAtComplete(), func(t *testing.T, u, _ *user) {
			if out, err := u.inParts("a"); err != nil || aws.ToString(out.ETag) != "" {
				t.Error(out, err)
			}
		}},
		"weak etags": {WeakETags(), func(t *testing.T, u, _ *user) {
			out, err := u.inParts("a")
			if err != nil || !strings.HasPrefix(*out.ETag, `W/"`) {
				t.Fatal(out, err)
			}
			if listed, err := u.list(); err != nil || *listed[0].ETag != *out.ETag {
				t.Error(listed, err)
			}
			got, err := u.client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &u.bucket, Key: aws.String("a"), IfMatch: out.ETag})
			if err != nil {
				t.Fatal(err)
			}
			defer got.Body.Close()
			if data, err := io.ReadAll(got.Body); err != nil || !bytes.Equal(data, []byte("content")) || *got.ETag != *out.ETag {
				t.Errorf("%q, %v", data, err)
			}
		}},
		"dropped": {On(First(1, DropAnswer()), "PutObject"), func(t *testing.T, u, _ *user) {
			if _, err := u.put("a"); err == nil {
				t.Error("an answer came")
			}
			if listed, err := u.list(); err != nil || len(listed) != 1 {
				t.Error(listed, err)
			}
		}},
		"late": {LateListings(2), func(t *testing.T, u, _ *user) {
			if _, err := u.put("a"); err != nil {
				t.Fatal(err)
			}
			for _, want := range []int{0, 0, 1} {
				if listed, err := u.list(); err != nil || len(listed) != want {
					t.Error(listed, err)
				}
			}
		}},
		"late by time": {LateListing(time.Hour), func(t *testing.T, u, _ *user) {
			if _, err := u.put("a"); err != nil {
				t.Fatal(err)
			}
			if listed, err := u.list(); err != nil || len(listed) != 0 {
				t.Error(listed, err)
			}
		}},
		"backwards": {Backwards(), func(t *testing.T, u, raw *user) {
			raw.put("a")
			raw.put("b")
			if listed, err := u.list(); err != nil || len(listed) != 2 || *listed[0].Key != "b" {
				t.Error(listed, err)
			}
		}},
		"repeated": {RepeatedToken(1), func(t *testing.T, u, raw *user) {
			raw.put("a")
			raw.put("b")
			pages := s3.NewListObjectsV2Paginator(u.client, &s3.ListObjectsV2Input{Bucket: &u.bucket})
			for range 5 {
				if page, err := pages.NextPage(t.Context()); err != nil || len(page.Contents) != 1 || *page.Contents[0].Key != "a" {
					t.Fatal(page, err)
				}
			}
		}},
		"truncated": {TruncatedWithoutToken(1), func(t *testing.T, u, raw *user) {
			raw.put("a")
			raw.put("b")
			out, err := u.client.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &u.bucket})
			if err != nil || len(out.Contents) != 1 || !*out.IsTruncated || out.NextContinuationToken != nil {
				t.Error(out, err)
			}
		}},
		"outside": {Outside("x/y"), func(t *testing.T, u, _ *user) {
			if listed, err := u.list(); err != nil || len(listed) != 1 || *listed[0].Key != "x/y" {
				t.Error(listed, err)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			bucket := server.Bucket(t)
			proxy := Start(t, server, c.quirk)
			c.check(t, newUser(t, &proxy.Server, bucket), newUser(t, server, bucket))
			if proxy.Count() == 0 {
				t.Error("nothing was counted")
			}
		})
	}
}

// A proxy with TLS passes on to a server without, and redirects where it is told.
func TestTLS(t *testing.T) {
	server := testserver.Start(t)
	bucket := server.Bucket(t)
	proxy := StartTLS(t, server, On(RedirectTo("http://elsewhere.invalid"), "GetObject"))
	if proxy.CAFile == "" {
		t.Fatal("no certificate")
	}
	u := newUser(t, &proxy.Server, bucket)
	if _, err := u.put("a"); err != nil {
		t.Fatal(err)
	}
	if proxy.Count("PutObject") != 1 || proxy.Count("ListObjectsV2") != 0 {
		t.Error(proxy.Counts())
	}
	_, err := u.client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &bucket, Key: aws.String("a")})
	if err == nil || !strings.Contains(err.Error(), "elsewhere.invalid") && !strings.Contains(err.Error(), http.StatusText(http.StatusTemporaryRedirect)) {
		t.Error(err)
	}
}
