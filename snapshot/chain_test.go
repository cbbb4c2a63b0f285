package snapshot

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// threeOf returns the archives of a full snapshot and two differentials, each on the
// one before, and the database after each of them.
func threeOf(t testing.TB) (archives, contents [][]byte) {
	t.Helper()
	path := makeDB(t, 1)
	last := takeFull(t, path, 1)
	archives, contents = append(archives, last.archive), append(contents, last.content)
	for i, change := range []string{"UPDATE t SET b = 'x' WHERE id < 10", "DELETE FROM t WHERE id > 400; VACUUM"} {
		runSQL(t, path, change)
		last = takeDifferential(t, path, i+2, last.base)
		archives, contents = append(archives, last.archive), append(contents, last.content)
	}
	return archives, contents
}

// What a target already holds of a chain is not written again.
func TestExtractUpwards(t *testing.T) {
	archives, contents := threeOf(t)
	path := filepath.Join(t.TempDir(), "restored.db")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for i := range archives {
		chain, err := chainOf(t, archives[:i+1]...)
		if err != nil {
			t.Fatal(err)
		}
		var total int64
		o := ExtractOptions{Has: i, Progress: func(_, all int64) { total = all }}
		if err := chain.Extract(t.Context(), f, o); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(file(t, path), contents[i]) {
			t.Errorf("over %d archives the database is another one", i)
		}
		if want := contentSize(chain.archives[i:]); total != want {
			t.Errorf("over %d archives the progress was towards %d bytes, not %d", i, total, want)
		}
		if want := int64(max(len(contents[0]), len(contents[i]))); chain.PeakSize() != want {
			t.Errorf("the target of %d archives becomes %d bytes large, not %d", i+1, chain.PeakSize(), want)
		}
	}
}

// discard is a Target that keeps nothing.
type discard struct{}

func (discard) WriteAt(p []byte, _ int64) (int, error) { return len(p), nil }
func (discard) Truncate(int64) error                   { return nil }

// Damage in any part of an archive is an error about that archive.
func TestArchiveError(t *testing.T) {
	archives, _ := threeOf(t)
	for i := range archives {
		good, err := chainOf(t, archives...)
		if err != nil {
			t.Fatal(err)
		}
		a := good.archives[i]
		for what, at := range map[string]int64{"data": a.data[0].offset + 20, "page digests": a.pages[0].offset + 20} {
			damaged := append([][]byte{}, archives...)
			damaged[i] = bytes.Clone(archives[i])
			damaged[i][at] ^= 1
			chain, err := chainOf(t, damaged...)
			if err != nil {
				t.Fatal(err)
			}
			err = chain.Extract(t.Context(), discard{}, ExtractOptions{})
			var about *ArchiveError
			if !errors.Is(err, ErrDamaged) || !errors.As(err, &about) || about.ID != a.manifest.ID {
				t.Errorf("%s of archive %d damaged: %v", what, i, err)
			}
		}
	}
	full, err := chainOf(t, archives[0])
	if err != nil {
		t.Fatal(err)
	}
	_, err = chainOf(t, archives[0], archives[2])
	var about *ArchiveError
	if !errors.As(err, &about) || about.ID != full.Manifest().ID {
		t.Errorf("another base: %v", err)
	}
}
