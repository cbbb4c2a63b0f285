package disk

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// Nameless files have no name, and where they must have one for a moment, what
// a kill in that moment leaves goes with the next.
func TestNameless(t *testing.T) {
	dir := t.TempDir()
	for name, size := range map[string]int{"old": 0, "young": 0, "full": 1} {
		path := filepath.Join(dir, namelessPrefix+name)
		if err := os.WriteFile(path, make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
		if old := time.Now().Add(-unlockedAge - time.Minute); name != "young" {
			if err := os.Chtimes(path, old, old); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, open := range []func(string) (*os.File, error){Nameless, unnamed} {
		f, err := open(dir)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt([]byte("text"), 100); err != nil {
			t.Error(err)
		}
		if info, err := f.Stat(); err != nil || info.Mode() != 0o600 {
			t.Errorf("mode %v, %v", info.Mode(), err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
	entries, err := os.ReadDir(dir)
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	if want := []string{namelessPrefix + "full", namelessPrefix + "young"}; err != nil || !slices.Equal(names, want) {
		t.Errorf("%v, %v", names, err)
	}
}
