package dirstore

import (
	"errors"
	"io/fs"
	"os"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket/buckettest"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/needs"
)

func TestMain(m *testing.M) {
	needs.Root()
	os.Exit(m.Run())
}

// In a directory with the sticky bit only the owners of files replace and delete
// them. Retrying does not help, so that is ErrRefused.
func TestStickyDirectoryRefuses(t *testing.T) {
	dir := t.TempDir()
	b := openDir(t, dir)
	o := buckettest.Put(t, b, "object", buckettest.Content(10), bucket.Tags{"a": "b"})
	const owner = 1
	for _, path := range []string{dir, b.path("object"), b.tagsPath("object")} {
		if err := os.Chown(path, owner, owner); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(dir, 0o777|fs.ModeSticky); err != nil {
		t.Fatal(err)
	}
	var set, deleted error
	needs.NoOverride(func() {
		set = b.SetTags(t.Context(), o, bucket.Tags{"a": "c"})
		deleted = b.Delete(t.Context(), o)
	})
	if !errors.Is(set, bucket.ErrRefused) || !errors.Is(deleted, bucket.ErrRefused) {
		t.Errorf("set tags: %v; delete: %v; want ErrRefused", set, deleted)
	}
}
