package iam_test

import (
	"errors"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/lifecycle"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/copies"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
)

// Two stores that do not trust each other: the machine that copies has keys that read the
// one and add to the other, and can hurt neither.
func TestCopyBetweenTwo(t *testing.T) {
	first, second := testserver.Start(t), testserver.Start(t)
	from, to := versioned(t, first), versioned(t, second)
	job := newUser(t, first, from, "backup-minio.json")
	reader := newUser(t, first, from, "restore-minio.json")
	copier := newUser(t, second, to, "copy-minio.json")
	path := newDatabase(t, 1000)
	backup(t, job, path)
	change(t, path, "INSERT INTO t VALUES (randomblob(12000000))")
	newest := backup(t, job, path).Snapshot

	r, err := copies.Run(t.Context(), reader.bucket, copier.bucket, copies.Options{})
	if err != nil || len(r.Copied) != 2 {
		t.Fatalf("copied %+v, %v", r.Copied, err)
	}
	if again := backup(t, job, path); !again.Unchanged {
		t.Error("an unchanged database was uploaded again")
	}
	if r, err = copies.Run(t.Context(), reader.bucket, copier.bucket, copies.Options{}); err != nil || len(r.Plan.There) != 2 || r.Confirmed.IsZero() {
		t.Errorf("a second run: %+v, %v", r, err)
	}
	key := prefix + "/" + newest.Object.Name
	t.Run("the first place", func(t *testing.T) {
		allDenied(t, reader, from, key, never, ruleWrites, pin, writes(newest.Class), releases(newest.Class), otherClasses(newest.Class))
		if _, err := lifecycle.Release(t.Context(), reader.bucket, lifecycle.Options{Terms: lifecycle.Terms{Hold: lifecycle.NoHold}}); !errors.Is(err, bucket.ErrRefused) {
			t.Errorf("release: %v", err)
		}
		restores(t, reader, newest.Object, path)
	})
	t.Run("the second place", func(t *testing.T) {
		aborts(t, second, copier, to)
		allDenied(t, copier, to, key, reads, never, ruleWrites, pin, releases(newest.Class), otherClasses(newest.Class))
		allAllowed(t, copier, to, key, writes(newest.Class)[3:])
		there := user{copier.Client, newUser(t, second, to, "restore-minio.json").bucket, copier.keys}
		copied, err := series.Newest(t.Context(), there.bucket)
		if err != nil || copied.ID != newest.ID {
			t.Fatal(copied.ID, err)
		}
		overwriteLosesNothing(t, copier, there, copied.Object, to, path)
	})
	for name, c := range map[string]struct {
		u      user
		server *testserver.Server
		bucket string
	}{
		"the reader's keys at the second place": {reader, second, to},
		"the copier's keys at the first place":  {copier, first, from},
	} {
		keys := *c.server
		keys.AccessKey, keys.SecretKey = c.u.keys.AccessKey, c.u.keys.SecretKey
		for _, try := range reads {
			if err := try.try(user{Client: keys.Client(t)}, c.bucket, key); err == nil {
				t.Errorf("%s: %s is allowed", name, try.what)
			}
		}
	}
}
