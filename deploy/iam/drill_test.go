package iam_test

import (
	"context"
	"net/http"
	"path"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/restore/drill"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
)

// The drill job on MinIO reads snapshots and creates records. It can do nothing else: no
// snapshot, no tag, no deletion, by none of MinIO's detours.
func TestDrills(t *testing.T) {
	server := testserver.Start(t)
	bucketName := versioned(t, server)
	job := newUser(t, server, bucketName, "backup-minio.json")
	driller := newUser(t, server, bucketName, "drill-minio.json")
	database := newDatabase(t, 1000)
	s := backup(t, job, database).Snapshot
	restores(t, driller, s.Object, database)

	driller.keys.Setenv(t)
	place, err := upload.OpenURL(t.Context(), drill.Place(driller.bucket.URL()), upload.Options{RetryFor: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	written, err := drill.Write(t.Context(), place, drill.Record{Snapshot: s.ID, Time: time.Now(), Passed: true}, nil)
	if err != nil {
		t.Fatal(err)
	}
	entries, err := drill.List(t.Context(), place, time.Time{})
	if err != nil || len(entries) != 1 || !entries[0].Time.Equal(written.Time) {
		t.Fatalf("%v, %v", entries, err)
	}
	if all, err := drill.Read(t.Context(), place, entries); err != nil || !all[0].Proves(time.Now()) {
		t.Errorf("%v, %v", all, err)
	}

	record := prefix + "/" + drill.Folder + "/" + entries[0].Object.Name
	snapshotKey := prefix + "/" + s.Object.Name
	allDenied(t, driller, bucketName, snapshotKey, never, ruleWrites, pin, writes(s.Class), releases(s.Class))
	allDenied(t, driller, bucketName, record, never, pin, otherClasses(s.Class))
	allDenied(t, driller, bucketName, record, []call{
		{"upload an archive as a record", func(u user, bucket, key string) error {
			_, err := u.Call(context.Background(), http.MethodPut, bucket+"/"+key, archive("../"+path.Base(snapshotKey), series.TagRetention+"=recent"),
				"X-Amz-Meta-Snowball-Auto-Extract", "true", "X-Amz-Meta-Minio-Snowball-Prefix", prefix)
			return err
		}},
		{"upload a form as a record", func(u user, bucket, key string) error { return u.form(bucket, key, tagging("recent")) }},
	})
	job.keys.Setenv(t)
	forger, err := upload.OpenURL(t.Context(), place.URL(), bucket.Options{RetryFor: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	_, err = drill.Write(t.Context(), forger, drill.Record{Snapshot: s.ID, Time: time.Now(), Passed: true}, nil)
	denied(t, "a record by the backup job", err)
}
