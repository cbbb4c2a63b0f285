package s3store

import (
	"bytes"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket/buckettest"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
)

// What was overwritten or deleted on a versioned bucket can be found and read.
func TestVersions(t *testing.T) {
	server := testserver.Start(t)
	server.Setenv(t)
	raw := server.Client(t)
	b := openBucket(t, server, settings{Options: bucket.Options{PartSize: buckettest.PartSize}})
	_, err := raw.PutBucketVersioning(t.Context(), &s3.PutBucketVersioningInput{
		Bucket: &b.url.Bucket, VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled},
	})
	if err != nil {
		t.Fatal(err)
	}
	first, second := snapshot.NewID(time.Now().Add(-time.Hour)), snapshot.NewID(time.Now())
	original := buckettest.Content(100)
	deleted := buckettest.Put(t, b, buckettest.ObjectName(first), buckettest.Content(50), nil)
	buckettest.Put(t, b, buckettest.ObjectName(second), original, bucket.Tags{series.TagRetention: series.Held(series.Daily)})
	buckettest.Put(t, b, "foreign", buckettest.Content(1), nil)
	if err := b.Delete(t.Context(), deleted); err != nil {
		t.Fatal(err)
	}
	if _, err := raw.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &b.url.Bucket, Key: aws.String(b.objectKey(buckettest.ObjectName(second))), Body: bytes.NewReader([]byte("rubbish"))}); err != nil {
		t.Fatal(err)
	}

	var all []series.SnapshotVersion
	for v, err := range series.Versions(t.Context(), b) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, v)
	}
	type shape struct {
		id              snapshot.ID
		size            int64
		latest, deleted bool
	}
	want := []shape{{first, 0, true, true}, {first, 50, false, false}, {second, 7, true, false}, {second, 100, false, false}}
	if len(all) != len(want) {
		t.Fatalf("%d versions: %+v", len(all), all)
	}
	for i, v := range all {
		if got := (shape{v.ID, v.Object.Size, v.Latest, v.Deleted}); got != want[i] {
			t.Errorf("version %d is %+v, want %+v", i, got, want[i])
		}
	}
	if !bytes.Equal(buckettest.ReadAll(t, b, all[3].Object), original) {
		t.Error("the overwritten content is read as something else")
	}
	if tags, err := b.Tags(t.Context(), all[3].Object); err != nil || tags[series.TagRetention] != series.Held(series.Daily) {
		t.Errorf("tags of the overwritten version: %v, %v", tags, err)
	}
	if n := len(buckettest.List(t, b, "")); n != 2 {
		t.Errorf("%d objects are listed", n)
	}
}

// A series of which only a deletion's mark is left was used.
func TestNeverUsedKnowsDeletions(t *testing.T) {
	server := testserver.Start(t)
	server.Setenv(t)
	b := openBucket(t, server, settings{})
	_, err := server.Client(t).PutBucketVersioning(t.Context(), &s3.PutBucketVersioningInput{
		Bucket: &b.url.Bucket, VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled},
	})
	if err != nil {
		t.Fatal(err)
	}
	if never, err := b.NeverUsed(t.Context()); err != nil || !never {
		t.Errorf("fresh: %v, %v", never, err)
	}
	o := buckettest.Put(t, b, "object", buckettest.Content(1), nil)
	if err := b.Delete(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if never, err := b.NeverUsed(t.Context()); err != nil || never {
		t.Errorf("after a deletion: never used: %v, %v", never, err)
	}
}
