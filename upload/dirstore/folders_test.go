package dirstore

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

// The folders of a directory are its own directories, neither hidden ones nor files.
func TestFolders(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"b", "a b", ".drills", "a b/deeper"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("b", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	b := &directory{url: bucket.URL{Dir: dir}}
	var found []string
	for name, err := range b.Folders(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, name)
	}
	if want := []string{"a b", "b"}; !slices.Equal(found, want) {
		t.Errorf("found %q, want %q", found, want)
	}
	for _, err := range (&directory{url: bucket.URL{Dir: filepath.Join(dir, "none")}}).Folders(t.Context()) {
		if err == nil {
			t.Error("a directory that is not there has folders")
		}
	}
}
