package s3store

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket/buckettest"
)

// Parts in files have no name, and where they must have one for a moment, what
// a kill in that moment leaves goes with the next.
func TestNamelessParts(t *testing.T) {
	dir := t.TempDir()
	for name, size := range map[string]int{"old": 0, "young": 0, "full": 1} {
		path := filepath.Join(dir, partPrefix+name)
		if err := os.WriteFile(path, make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
		if name != "young" {
			buckettest.MakeOld(t, path, leftAge+time.Minute)
		}
	}
	for _, open := range []func(string) (*os.File, error){nameless, unnamed} {
		f, err := open(dir)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt([]byte("text"), 100); err != nil {
			t.Error(err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
	buckettest.SameNames(t, buckettest.DirNames(t, dir), []string{partPrefix + "full", partPrefix + "young"})
}
