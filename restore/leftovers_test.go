package restore

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
)

// What a killed run with another snapshot left is cleared too, and what looks
// alike is left alone.
func TestSweep(t *testing.T) {
	source := newSource(t, "")
	path := makeOld(t, "")
	dir := filepath.Dir(path)
	other := snapshot.ID("20250101T000000Z-abcdef")
	left := filepath.Join(dir, ".app.db.lifeboat-"+string(other)+"-0123456789abcdef.tmp")
	alike := []string{
		filepath.Join(dir, ".app.db.lifeboat-mine.tmp"),
		filepath.Join(dir, ".other.db.lifeboat-"+string(other)+"-0123456789abcdef.tmp"),
		path + ".before-" + string(other),
	}
	write(t, left, garbage(100))
	for _, name := range alike {
		write(t, name, garbage(100))
	}
	if err := os.Link(path, path+".before-20250202T000000Z-abcdef"); err != nil {
		t.Fatal(err)
	}
	restored(t, basicOrder(path, source))
	mustLook(t, path, genNew)
	mustLook(t, path+".before-"+string(testID), genOld)
	want := []string{filepath.Base(alike[1]), filepath.Base(alike[0]), "app.db", filepath.Base(alike[2]), "app.db.before-" + string(testID)}
	slices.Sort(want)
	if got := names(t, path); !slices.Equal(got, want) {
		t.Errorf("there is\n%q\ninstead of\n%q", got, want)
	}
}

// The name under which the old database is kept is never one that is taken,
// also not by a stray sidecar that SQLite would replay into it.
func TestKeptNames(t *testing.T) {
	source := newSource(t, "")
	path := makeOld(t, "")
	before := path + ".before-" + string(testID)
	write(t, before, garbage(100))
	write(t, before+"-2-wal", garbage(100))
	restored(t, basicOrder(path, source))
	mustLook(t, before+"-3", genOld)
}
