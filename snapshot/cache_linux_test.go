package snapshot

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestDropCache(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	content := bytes.Repeat([]byte("page"), frameSize/2) // two frames
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if !cached(t, f, 0) || !cached(t, f, frameSize) {
		t.Fatal("what was written just now is not cached")
	}
	dropCache(f, 0, frameSize)
	if cached(t, f, 0) && tells(t, path) || !cached(t, f, frameSize) {
		t.Errorf("after the first frame was dropped: first cached %v, second %v", cached(t, f, 0), cached(t, f, frameSize))
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, content) {
		t.Errorf("what was dropped reads differently: %v", err)
	}
}

// cached reports whether a page can be read without a disk.
func cached(t *testing.T, f *os.File, offset int64) bool {
	t.Helper()
	_, err := unix.Preadv2(int(f.Fd()), [][]byte{make([]byte, 1)}, offset, unix.RWF_NOWAIT)
	if err != nil && !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EOPNOTSUPP) {
		t.Fatal(err)
	}
	return !errors.Is(err, unix.EAGAIN)
}

// tells reports whether what cached says of the file system is to be relied on:
// one in memory has no disk beneath, and an overlay takes the advice but does
// not know the question.
func tells(t *testing.T, path string) bool {
	var s unix.Statfs_t
	if err := unix.Statfs(path, &s); err != nil {
		t.Fatal(err)
	}
	return s.Type != unix.TMPFS_MAGIC && s.Type != unix.OVERLAYFS_SUPER_MAGIC
}

func TestMemoryIsScarce(t *testing.T) {
	if memoryIsScarce(1) || !memoryIsScarce(1<<60) {
		t.Errorf("for a byte: %v, for an exbibyte: %v", memoryIsScarce(1), memoryIsScarce(1<<60))
	}
}
