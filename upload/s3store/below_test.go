package s3store

import (
	"fmt"
	"iter"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket/buckettest"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/quirks"
)

// No listing of snapshots pages through folders whose names begin with a dot, such as
// those of drill records, however many objects are in them.
func TestHiddenFoldersAreSkipped(t *testing.T) {
	server := testserver.Start(t)
	server.Setenv(t)
	whole := openBucket(t, server, settings{})
	var snapshots, below []string
	put := func(name string) string {
		buckettest.Put(t, whole, name, buckettest.Content(1), nil)
		return name
	}
	for i := range 9 {
		put(fmt.Sprintf(".drills/2026112%dT201500Z-20261120T201500Z-3f9c2a.json", i))
		put(fmt.Sprintf("a/.drills/2026112%dT201500Z-20261120T201500Z-3f9c2a.json", i))
	}
	for i := range 3 {
		snapshots = append(snapshots, put(fmt.Sprintf("2026112%dT201500Z-3f9c2a.daily.db.zst", i)))
		below = append(below, put(fmt.Sprintf("a/2026112%dT201500Z-3f9c2a.daily.db.zst", i)))
	}
	below = append(slices.Clone(snapshots), below...)
	within := bucket.URL{Bucket: whole.URL().Bucket, Prefix: whole.URL().Prefix + "/a"}
	for name, c := range map[string]struct {
		list  func(b *s3Store) []string
		want  []string
		pages int // of two entries, at most
	}{
		"snapshots": {func(b *s3Store) []string { return snapshotsIn(t, b) }, snapshots, 2},
		// One page more for each hidden folder, and half of one where it begins.
		"below":     {func(b *s3Store) []string { return collect(t, b.Below(t.Context())) }, below, 6},
		"neighbour": {func(b *s3Store) []string { return snapshotsIn(t, neighbour(t, within)) }, snapshots, 3},
	} {
		proxy := quirks.Start(t, server, quirks.SmallPages(2))
		proxy.Setenv(t)
		b, err := Open(t.Context(), whole.URL(), bucket.Options{})
		if err != nil {
			t.Fatal(err)
		}
		got := c.list(b.(*s3Store))
		if pages := proxy.Count("ListObjectsV2"); !slices.Equal(got, c.want) || pages > c.pages {
			t.Errorf("%s: %q by %d pages, want %q by at most %d", name, got, pages, c.want, c.pages)
		}
	}
	for folder, err := range whole.Folders(t.Context()) {
		if folder != "a" || err != nil {
			t.Errorf("folder %q, %v", folder, err)
		}
	}
}

// A store that does not heed where a listing is to start shows all the same.
func TestHiddenFoldersWithoutStart(t *testing.T) {
	server := testserver.Start(t)
	server.Setenv(t)
	whole := openBucket(t, server, settings{})
	for _, name := range []string{".drills/1", ".drills/2", ".drills/3", "a/b"} {
		buckettest.Put(t, whole, name, buckettest.Content(1), nil)
	}
	deaf := quirks.On(func(store *quirks.Store, r *http.Request) (*http.Response, error) {
		query := r.URL.Query()
		query.Del("start-after")
		r.URL.RawQuery = strings.ReplaceAll(query.Encode(), "+", "%20")
		if err := store.Sign(r); err != nil {
			return nil, err
		}
		return store.Do(r)
	}, "ListObjectsV2")
	quirks.Start(t, server, quirks.SmallPages(2), deaf).Setenv(t)
	b, err := Open(t.Context(), whole.URL(), bucket.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := collect(t, b.(*s3Store).Below(t.Context())); !slices.Equal(got, []string{"a/b"}) {
		t.Errorf("%q", got)
	}
}

// neighbour opens a series of a session, as one of many.
func neighbour(t *testing.T, u bucket.URL) bucket.Bucket {
	t.Helper()
	found, err := NewSession().Open(t.Context(), u, bucket.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// snapshotsIn returns the names of a series' objects.
func snapshotsIn(t *testing.T, b bucket.Bucket) (found []string) {
	t.Helper()
	all, err := series.Snapshots(t.Context(), b, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		found = append(found, s.Object.Name)
	}
	return found
}

// collect returns the names that a listing yields.
func collect(t *testing.T, listed iter.Seq2[bucket.Object, error]) (found []string) {
	t.Helper()
	for object, err := range listed {
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, object.Name)
	}
	return found
}
