package buckettest

import (
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// Content returns reproducible bytes that do not repeat at part boundaries.
func Content(size int) []byte {
	data := make([]byte, size)
	source := rand.NewChaCha8([32]byte{byte(size), byte(size >> 8), byte(size >> 16)})
	source.Read(data)
	return data
}

// InPieces returns a write function that writes data in pieces of odd sizes.
func InPieces(data []byte) func(io.Writer) error {
	return func(w io.Writer) error {
		for piece := range slices.Chunk(data, 777_777) {
			if _, err := w.Write(piece); err != nil {
				return err
			}
		}
		return nil
	}
}

// Put stores an object that must be new.
func Put(t *testing.T, b bucket.Bucket, name string, data []byte, tags bucket.Tags) bucket.Object {
	t.Helper()
	return PutAll(t, b, name, data, tags).Object
}

// ObjectName returns the name of the object of a full snapshot that is kept for a
// day's time.
func ObjectName(id snapshot.ID) string {
	return series.Name{ID: id, Class: series.Daily}.String()
}

// PutAll is Put with the whole result.
func PutAll(t *testing.T, b bucket.Bucket, name string, data []byte, tags bucket.Tags) bucket.PutResult {
	t.Helper()
	o, err := b.Put(t.Context(), name, bucket.PutOptions{MaxSize: int64(len(data)), Tags: tags}, InPieces(data))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// List returns what is listed after a name.
func List(t *testing.T, b bucket.Bucket, after string) []bucket.Object {
	t.Helper()
	var objects []bucket.Object
	for o, err := range b.List(t.Context(), after) {
		if err != nil {
			t.Fatal(err)
		}
		objects = append(objects, o)
	}
	return objects
}

// Names returns the objects' names.
func Names(objects []bucket.Object) []string {
	var names []string
	for _, o := range objects {
		names = append(names, o.Name)
	}
	return names
}

// Find returns an object as the listing shows it.
func Find(t *testing.T, b bucket.Bucket, name string) bucket.Object {
	t.Helper()
	for _, o := range List(t, b, "") {
		if o.Name == name {
			return o
		}
	}
	t.Fatalf("%s is not listed", name)
	return bucket.Object{}
}

// ReadAll returns an object's content.
func ReadAll(t *testing.T, b bucket.Bucket, o bucket.Object) []byte {
	t.Helper()
	blob, err := b.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer blob.Close()
	data, err := io.ReadAll(io.NewSectionReader(blob, 0, o.Size))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// SameNames fails the test if there are other names than those wanted, in any order.
func SameNames(t *testing.T, got, want []string) {
	t.Helper()
	got, want = slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))
	if !slices.Equal(got, want) {
		t.Errorf("the bucket holds %q, want %q", got, want)
	}
}

// MakeOld sets the time of a file back.
func MakeOld(t *testing.T, path string, by time.Duration) {
	t.Helper()
	then := time.Now().Add(-by)
	if err := os.Chtimes(path, then, then); err != nil {
		t.Fatal(err)
	}
}

func DirNames(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}
