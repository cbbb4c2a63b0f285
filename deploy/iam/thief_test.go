package iam_test

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"mime/multipart"
	"net/http"
	"net/url"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/rawclient"
)

// detours are ways of MinIO's own to upload or to set the tag of a snapshot of that
// class to another value, past what a policy sees of it. Without a word against them
// in the policy each of them works.
func detours(class series.Class, value string) []call {
	tag := series.TagRetention + "=" + value
	// MinIO takes parameters of the address for values of the condition, beside those
	// of the request.
	condition := "RequestObjectTag/" + series.TagRetention + "=" + series.Held(class)
	return []call{
		{"upload with a condition in the address as " + value, send(http.MethodPut, "BUCKET/KEYx?"+condition, "x", "X-Amz-Tagging", tag)},
		{"multipart upload with a condition in the address as " + value, send(http.MethodPost, "BUCKET/KEYx?uploads&"+condition, "", "X-Amz-Tagging", tag)},
		{"set with a condition in the address to " + value, send(http.MethodPut, "BUCKET/KEY?tagging&"+condition, tagging(value))},
		{"upload an archive as " + value, func(u user, bucket, key string) error {
			_, err := u.Call(context.Background(), http.MethodPut, bucket+"/"+key+".tar", archive("../"+path.Base(key)+"x", tag),
				"X-Amz-Tagging", series.TagRetention+"="+series.Held(class),
				"X-Amz-Meta-Snowball-Auto-Extract", "true", "X-Amz-Meta-Minio-Snowball-Prefix", key+".folder")
			return err
		}},
		{"upload a form as " + value, func(u user, bucket, key string) error {
			return u.form(bucket, key+"x", tagging(value), "X-Amz-Tagging", series.TagRetention+"="+series.Held(class))
		}},
	}
}

func tagging(value string) string {
	return "<Tagging><TagSet><Tag><Key>" + series.TagRetention + "</Key><Value>" + value + "</Value></Tag></TagSet></Tagging>"
}

// archive returns a tar file that MinIO unpacks on upload, with a file that is to have
// those tags.
func archive(name, tags string) string {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	header := &tar.Header{Name: name, Size: 1, Mode: 0o600, ModTime: time.Now(), Format: tar.FormatPAX,
		PAXRecords: map[string]string{"minio.metadata.X-Amz-Tagging": tags}}
	err := w.WriteHeader(header)
	if err == nil {
		_, err = w.Write([]byte("x"))
	}
	if err = errors.Join(err, w.Close()); err != nil {
		panic(err) // a buffer takes all
	}
	return b.String()
}

// form uploads an object as a browser does
// (https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html).
func (u user) form(bucketName, key, tagging string, header ...string) error {
	now := time.Now().UTC()
	date := now.Format("20060102")
	credential := u.keys.AccessKey + "/" + date + "/us-east-1/s3/aws4_request"
	fields := map[string]string{"key": key, "tagging": tagging, "x-amz-algorithm": "AWS4-HMAC-SHA256", "x-amz-credential": credential, "x-amz-date": now.Format("20060102T150405Z")}
	conditions := []map[string]string{{"bucket": bucketName}}
	for name, value := range fields {
		conditions = append(conditions, map[string]string{name: value})
	}
	text, err := json.Marshal(map[string]any{"expiration": now.Add(time.Hour).Format("2006-01-02T15:04:05.000Z"), "conditions": conditions})
	if err != nil {
		return err
	}
	policy := base64.StdEncoding.EncodeToString(text)
	signature := []byte("AWS4" + u.keys.SecretKey)
	for _, part := range []string{date, "us-east-1", "s3", "aws4_request", policy} {
		mac := hmac.New(sha256.New, signature)
		mac.Write([]byte(part))
		signature = mac.Sum(nil)
	}
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	fields["policy"], fields["x-amz-signature"] = policy, hex.EncodeToString(signature)
	for name, value := range fields {
		err = errors.Join(err, w.WriteField(name, value))
	}
	file, fileErr := w.CreateFormFile("file", "x")
	if err = errors.Join(err, fileErr); err == nil {
		_, err = file.Write([]byte("x"))
	}
	if err = errors.Join(err, w.Close()); err != nil {
		return err
	}
	request, err := http.NewRequest(http.MethodPost, u.keys.Endpoint+"/"+bucketName, &body)
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", w.FormDataContentType())
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode >= 300 {
		refused := &rawclient.Error{Status: response.StatusCode}
		return errors.Join(xml.NewDecoder(response.Body).Decode(refused), refused)
	}
	return nil
}

// overwriteLosesNothing does what a thief of the job's keys can do on MinIO, in a
// bucket with versions, and restores what was there before. No policy of MinIO's sees
// a tag that is in the address, nor that an object is overwritten.
func overwriteLosesNothing(t *testing.T, job, restorer user, object bucket.Object, bucketName, path string) {
	key := prefix + "/" + object.Name
	target := bucketName + "/" + key + "?X-Amz-Tagging=" + url.QueryEscape(series.TagRetention+"=yearly")
	if _, err := job.Call(t.Context(), http.MethodPut, target, "garbage", "X-Minio-Source-Mtime", "2020-01-01T00:00:00Z"); err != nil {
		t.Fatalf("MinIO has learned to refuse overwriting; so should the policy: %v", err)
	}
	versions, err := restorer.Versions(t.Context(), bucketName, prefix+"/")
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range versions {
		if v.Name != key || v.ETag != object.ETag {
			continue
		}
		denied(t, "delete the old version", job.Delete(t.Context(), bucketName, key, v.Version))
		_, err := job.Call(t.Context(), http.MethodPut, bucketName+"/"+key+"?tagging&versionId="+v.Version, tagging("yearly"))
		denied(t, "set the old version to yearly", err)
		object.Version = v.Version
		restores(t, restorer, object, path)
		return
	}
	t.Errorf("the overwritten version is not listed: %v", versions)
}

// uploadsChooseTheirTime shows what versioning does not protect on MinIO: what a thief
// overwrites with an old upload counts as noncurrent since then.
func uploadsChooseTheirTime(t *testing.T, job, all user, bucketName string) {
	key := prefix + "/" + series.Name{ID: snapshot.NewID(time.Now()), Class: series.Monthly}.String()
	daysAgo := func(days int) string { return time.Now().AddDate(0, 0, -days).UTC().Format(time.RFC3339) }
	put := func(u user, tag string, days int) {
		t.Helper()
		if err := u.Put(t.Context(), bucketName, key, daysAgo(days), "X-Amz-Tagging", series.TagRetention+"="+tag, "X-Minio-Source-Mtime", daysAgo(days)); err != nil {
			t.Fatal(err)
		}
	}
	put(all, "monthly", 100)
	found, err := all.Versions(t.Context(), bucketName, key)
	if err != nil || len(found) != 1 {
		t.Fatalf("%v, %v", found, err)
	}
	put(job, series.Held(series.Monthly), 99)
	_, err = all.Call(t.Context(), http.MethodGet, bucketName+"/"+key+"?versionId="+found[0].Version, "")
	if !strings.HasPrefix(bucket.Code(err), "NoSuch") { // version, or key
		t.Errorf("MinIO keeps it for longer than the documents say: %v", err)
	}
}
