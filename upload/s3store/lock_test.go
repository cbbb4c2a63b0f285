package s3store

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket/buckettest"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
)

// A locked version cannot be deleted, not even by the store's root, for as
// long as was asked.
func TestObjectLock(t *testing.T) {
	server := testserver.Start(t)
	server.Setenv(t)
	raw := server.Client(t)
	bucketName := "locked"
	if _, err := raw.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &bucketName, ObjectLockEnabledForBucket: aws.Bool(true)}); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []string{"GOVERNANCE", "COMPLIANCE"} {
		b, err := Open(t.Context(), bucket.URL{Bucket: bucketName, Prefix: strings.ToLower(mode)},
			bucket.Options{PartSize: buckettest.PartSize, Lock: bucket.ObjectLock{Mode: mode, For: 7 * 24 * time.Hour}})
		if err != nil {
			t.Fatal(err)
		}
		for name, size := range map[string]int{"single": 100, "parts": 2*buckettest.PartSize + 1} {
			put, err := b.Put(t.Context(), name, bucket.PutOptions{
				MaxSize: int64(size), LockLonger: 24 * time.Hour, Tags: bucket.Tags{series.TagRetention: series.Held(series.Daily)},
			}, buckettest.InPieces(buckettest.Content(size)))
			if err != nil {
				t.Fatal(err)
			}
			o := put.Object
			key := aws.String(b.(*s3Store).objectKey(name))
			head, err := raw.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &bucketName, Key: key})
			if err != nil {
				t.Fatal(err)
			}
			ends := aws.ToTime(head.ObjectLockRetainUntilDate)
			if string(head.ObjectLockMode) != mode || (time.Until(ends)-8*24*time.Hour).Abs() > time.Minute {
				t.Errorf("%s, %s: locked in mode %q until %s", mode, name, head.ObjectLockMode, ends)
			}
			_, err = raw.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &bucketName, Key: key, VersionId: head.VersionId})
			if err == nil {
				t.Errorf("%s, %s: the locked version was deleted", mode, name)
			}
			if err := b.SetTags(t.Context(), o, bucket.Tags{series.TagRetention: "daily"}); err != nil {
				t.Errorf("%s, %s: release: %v", mode, name, err)
			}
			if mode == string(types.ObjectLockModeGovernance) {
				if _, err := raw.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &bucketName, Key: key, VersionId: head.VersionId, BypassGovernanceRetention: aws.Bool(true)}); err != nil {
					t.Errorf("%s, %s: with the right to bypass: %v", mode, name, err)
				}
			}
		}
	}
	b := openBucket(t, server, settings{Options: bucket.Options{Lock: bucket.ObjectLock{Mode: "GOVERNANCE", For: time.Hour}}})
	if _, err := b.Put(t.Context(), "object", bucket.PutOptions{}, buckettest.InPieces(buckettest.Content(10))); err == nil {
		t.Error("a lock in a bucket without Object Lock was accepted")
	} else {
		t.Log(err)
	}
}

// A bucket that locks every object by itself.
func TestDefaultRetention(t *testing.T) {
	for name, start := range map[string]func(testing.TB) *testserver.Server{"minio": testserver.Start, "ceph": testserver.StartCeph} {
		t.Run(name, func(t *testing.T) {
			server := start(t)
			server.Setenv(t)
			raw, bucketName := server.Client(t), "locked"
			if _, err := raw.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &bucketName, ObjectLockEnabledForBucket: aws.Bool(true)}); err != nil {
				t.Fatal(err)
			}
			_, err := raw.PutObjectLockConfiguration(t.Context(), &s3.PutObjectLockConfigurationInput{Bucket: &bucketName,
				ObjectLockConfiguration: &types.ObjectLockConfiguration{ObjectLockEnabled: types.ObjectLockEnabledEnabled,
					Rule: &types.ObjectLockRule{DefaultRetention: &types.DefaultRetention{Mode: types.ObjectLockRetentionModeGovernance, Days: aws.Int32(1)}}}})
			if err != nil {
				t.Fatal(err)
			}
			b, err := Open(t.Context(), bucket.URL{Bucket: bucketName, Prefix: "app"}, bucket.Options{PartSize: buckettest.PartSize})
			if err != nil {
				t.Fatal(err)
			}
			for object, size := range map[string]int{"single": 100, "parts": 2*buckettest.PartSize + 1} {
				buckettest.Put(t, b, object, buckettest.Content(size), bucket.Tags{series.TagRetention: series.Held(series.Daily)})
				head, err := raw.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &bucketName, Key: aws.String("app/" + object)})
				if err != nil || head.ObjectLockMode != types.ObjectLockModeGovernance {
					t.Errorf("%s is locked in mode %q, %v", object, head.ObjectLockMode, err)
				}
			}
		})
	}
}

func TestObjectLockOptions(t *testing.T) {
	for _, l := range []bucket.ObjectLock{{Mode: "GOVERNANCE"}, {For: time.Hour}, {Mode: "governance", For: time.Hour}, {Mode: "COMPLIANCE", For: -1}} {
		if _, err := Open(t.Context(), bucket.URL{Bucket: "bucket", Prefix: "p"}, bucket.Options{Lock: l}); err == nil {
			t.Errorf("%+v was accepted", l)
		}
	}
}
