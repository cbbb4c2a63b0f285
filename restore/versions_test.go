package restore

import (
	"bytes"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
)

// archiveOf returns the archive of a full snapshot.
func archiveOf(t *testing.T, db string, id snapshot.ID) []byte {
	t.Helper()
	c, err := snapshot.Take(t.Context(), db, snapshot.CopyOptions{TempDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	digest, err := c.Digest(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var archive bytes.Buffer
	if _, err := c.WriteArchive(t.Context(), &archive, digest, snapshot.ArchiveOptions{ID: id}); err != nil {
		t.Fatal(err)
	}
	return archive.Bytes()
}

// In a versioned bucket a base that was deleted or overwritten, also by a snapshot of
// the same name, is found as the version on which the differential stands.
func TestVersionOfBase(t *testing.T) {
	server := testserver.Start(t)
	server.Setenv(t)
	client := server.Client(t)
	for what, spoil := range map[string]func(t *testing.T, bucket string, key string){
		"deleted": func(t *testing.T, bucket, key string) {
			if err := client.Delete(t.Context(), bucket, key, ""); err != nil {
				t.Fatal(err)
			}
		},
		"overwritten": func(t *testing.T, bucket, key string) {
			if err := client.Put(t.Context(), bucket, key, "rubbish"); err != nil {
				t.Fatal(err)
			}
		},
		"overwritten by a full snapshot of another database": func(t *testing.T, bucket, key string) {
			name, ok := series.ParseName(filepath.Base(key))
			if !ok {
				t.Fatal(key)
			}
			if err := client.Put(t.Context(), bucket, key, string(archiveOf(t, newSource(t, ""), name.ID))); err != nil {
				t.Fatal(err)
			}
		},
		"overwritten twice, and deleted": func(t *testing.T, bucket, key string) {
			for _, content := range []string{"rubbish", "more rubbish"} {
				if err := client.Put(t.Context(), bucket, key, content); err != nil {
					t.Fatal(err)
				}
			}
			if err := client.Delete(t.Context(), bucket, key, ""); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(what, func(t *testing.T) {
			bucket := server.Bucket(t)
			if err := client.KeepVersions(t.Context(), bucket); err != nil {
				t.Fatal(err)
			}
			c := newChainOfFour(t, openBucket(t, "s3://"+bucket+"/app"))
			s := c.listed(t, 3)
			for _, i := range []int{0, 2} {
				spoil(t, bucket, "app/"+s.Chain()[i].Object.Name)
			}
			s = c.listed(t, 3)
			target := filepath.Join(t.TempDir(), "new.db")
			var log bytes.Buffer
			if _, err := Restore(t.Context(), c.Bucket, s, target, Options{Log: slog.New(slog.NewTextHandler(&log, nil))}); err != nil {
				t.Fatal(err)
			}
			if run(t, target, ".dump") != c.dumps[3] {
				t.Error("something else was restored")
			}
			for _, i := range []int{0, 2} {
				if !strings.Contains(log.String(), "base="+string(c.ids[i])) {
					t.Errorf("nothing is said of %s: %s", c.ids[i], &log)
				}
			}
			versions := 0
			for v, err := range series.Versions(t.Context(), c.Bucket) {
				if err != nil {
					t.Fatal(err)
				}
				if v.ID == c.ids[3] {
					versions++
					fromVersion := filepath.Join(t.TempDir(), "new.db")
					if _, err := Restore(t.Context(), c.Bucket, v.Snapshot, fromVersion, Options{}); err != nil || run(t, fromVersion, ".dump") != c.dumps[3] {
						t.Errorf("named by its version: %v", err)
					}
				}
			}
			if versions != 1 {
				t.Errorf("%d versions of the newest", versions)
			}
			if r, err := verify(t, c.Bucket, s, VerifyOptions{}); err != nil || !r.Frames {
				t.Errorf("verified: %v", err)
			}
		})
	}
}
