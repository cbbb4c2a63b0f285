package snapshot

import (
	"bytes"
	"errors"
	"slices"
	"testing"
)

// prove returns what a Proof says of an archive that passes in pieces of that size.
func prove(t *testing.T, b []byte, size int) error {
	t.Helper()
	a, err := OpenArchive(t.Context(), bytes.NewReader(b), int64(len(b)), "")
	if err != nil {
		return err
	}
	p := a.Proof()
	for piece := range slices.Chunk(b, size) {
		if _, err = p.Write(piece); err != nil {
			break
		}
	}
	return errors.Join(err, p.Close())
}

// Whatever byte is changed, of a full archive and of a differential: the proof fails.
func TestProofRefusesDamage(t *testing.T) {
	path := makeDB(t, 0, "page_size=512")
	full := takeFull(t, path, 8)
	runSQL(t, path, "INSERT INTO t (a) VALUES (1)")
	for _, b := range [][]byte{full.archive, takeDifferential(t, path, 9, full.base).archive} {
		refusesDamage(t, b, func(changed []byte) error { return prove(t, changed, 777) })
	}
}

// An archive whose end is good, and that changes while the rest passes, is refused too.
func TestProofOfWhatPasses(t *testing.T) {
	b, _ := archive(t, take(t, makeDB(t, 9), CopyOptions{}), ArchiveOptions{Database: "app.db"})
	for _, size := range []int{1 << 20, len(b)} {
		if err := prove(t, b, size); err != nil {
			t.Fatalf("in pieces of %d: %v", size, err)
		}
	}
	a, err := OpenArchive(t.Context(), bytes.NewReader(b), int64(len(b)), "")
	if err != nil {
		t.Fatal(err)
	}
	for name, passes := range map[string][]byte{
		"nothing": {}, "cut": b[:len(b)-1], "longer": append(bytes.Clone(b), 0), "without its beginning": b[1:],
		"another end":   append(bytes.Clone(b[:len(b)-40]), make([]byte, 40)...),
		"another frame": append(bytes.Repeat([]byte{7}, 100), b[100:]...),
	} {
		p := a.Proof()
		_, writing := p.Write(passes)
		if err := errors.Join(writing, p.Close()); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What a later version writes between the page digests and the frame table passes.
func TestProofOfUnknownFrames(t *testing.T) {
	if err := prove(t, withUnknown(t, 3, 500), 1000); err != nil {
		t.Error(err)
	}
}
