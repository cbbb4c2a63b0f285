package cache

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The directory of a series without a run for a month goes, once a day; all else in the
// cache directory stays.
func TestSweep(t *testing.T) {
	dir, db := t.TempDir(), database(t)
	old := time.Now().Add(-unused - time.Hour)
	make := func(name string, modified time.Time) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(path, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(path, "file"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, modified, modified); err != nil {
			t.Fatal(err)
		}
		return path
	}
	there := func(path string) bool { _, err := os.Lstat(path); return err == nil }
	open := func() *Cache {
		t.Helper()
		c, err := Open(dir, app, "app.db", db)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	unusedOne, used, mine := make(strings.Repeat("ab", 32), old), make(strings.Repeat("cd", 32), time.Now().Add(-unused+time.Hour)), make("mine", old)
	own := open().dir
	if there(unusedOne) || !there(used) || !there(mine) {
		t.Errorf("the unused one is there: %v, the used one %v, another directory %v", there(unusedOne), there(used), there(mine))
	}
	make(filepath.Base(unusedOne), old)
	if err := os.Chtimes(own, old, old); err != nil {
		t.Fatal(err)
	}
	open()
	if !there(unusedOne) {
		t.Error("swept twice in a day")
	}
	yesterday := time.Now().Add(-sweeps - time.Hour)
	if err := os.Chtimes(filepath.Join(dir, sweptName), yesterday, yesterday); err != nil {
		t.Fatal(err)
	}
	open()
	if there(unusedOne) || !there(own) {
		t.Errorf("after a day: the unused one is there: %v, the own one %v", there(unusedOne), there(own))
	}
}
