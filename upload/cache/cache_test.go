package cache

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/needs"
)

func TestMain(m *testing.M) {
	needs.Root()
	os.Exit(m.Run())
}

// A place of tests is a bucket that holds nothing, at an endpoint.
type testBucket struct {
	bucket.Bucket
	url      bucket.URL
	endpoint string
}

func (b testBucket) URL() bucket.URL  { return b.url }
func (b testBucket) Endpoint() string { return b.endpoint }

func (testBucket) CustomerKey() []byte { return nil }

var _ bucket.Remote = testBucket{}

var app = testBucket{url: bucket.URL{Bucket: "bucket", Prefix: "app"}, endpoint: "https://store.example"}

// noon is a Wednesday's, in the middle of a month.
var noon = time.Date(2026, 11, 18, 12, 0, 0, 0, time.UTC)

// openAt opens the cache directory for a database that is there.
func openAt(t testing.TB, dir string) *Cache {
	t.Helper()
	c, err := Open(dir, app, "app.db", database(t))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// database makes a file of a mode that lets nobody else write.
func database(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "app.db")
	if err := os.WriteFile(path, []byte("a database"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// snapshotAt returns the entry of a snapshot that was taken then, and its page
// digests.
func snapshotAt(t testing.TB, taken time.Time, class series.Class, pages int) (Entry, []byte) {
	t.Helper()
	digests := make([]byte, pages*snapshot.PageDigestSize)
	rand.Read(digests)
	digest, err := snapshot.DigestOf(t.Context(), bytes.NewReader(digests), 4096, pages)
	if err != nil {
		t.Fatal(err)
	}
	id := snapshot.NewID(taken)
	return Entry{
		Object:     bucket.Object{Name: series.Name{ID: id, Class: class}.String(), Size: 4711, ETag: "etag-of-" + string(id)},
		Encryption: "none",
		Reference:  snapshot.Reference{ID: id, Digest: digest, Manifest: strings.Repeat("0", 64)},
		PageSize:   4096, PageCount: pages,
		Check: snapshot.CheckQuick,
	}, digests
}

// put keeps a snapshot that was taken then.
func put(t testing.TB, c *Cache, taken time.Time, class series.Class) (Entry, []byte) {
	t.Helper()
	e, pages := snapshotAt(t, taken, class, 100)
	if err := c.Put(t.Context(), e, bytes.NewReader(pages), taken); err != nil {
		t.Fatal(err)
	}
	return e, pages
}

func checkEntry(t testing.TB, c *Cache, want Entry) {
	t.Helper()
	listed := want.Object
	listed.Modified = noon
	if got, err := c.Lookup(listed); err != nil || got != want {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
}

func checkBase(t testing.TB, c *Cache, e Entry, want []byte) {
	t.Helper()
	b, err := c.Base(t.Context(), e)
	if err != nil {
		t.Error(err)
		return
	}
	got, err := io.ReadAll(io.NewSectionReader(b.Pages, 0, int64(b.PageCount)*snapshot.PageDigestSize))
	if err = errors.Join(err, b.Close()); err != nil || !bytes.Equal(got, want) || b.Reference != e.Reference || b.PageSize != e.PageSize {
		t.Errorf("%s: %v, %+v", e.ID, err, b.Base)
	}
}

func checkNoBase(t testing.TB, c *Cache, e Entry) {
	t.Helper()
	if b, err := c.Base(t.Context(), e); err == nil {
		t.Errorf("%s: page digests are there", b.ID)
	}
}

// What was put is there, also for the next run, and only for the object that it is of.
func TestPutAndLookup(t *testing.T) {
	dir := t.TempDir()
	c := openAt(t, dir)
	if c.KnowsAny() {
		t.Error("an empty cache knows a snapshot")
	}
	e, pages := put(t, c, noon, series.Daily)
	for _, c := range []*Cache{c, openAt(t, dir)} {
		checkEntry(t, c, e)
		checkBase(t, c, e, pages)
		if !c.KnowsAny() {
			t.Error("it knows no snapshot")
		}
	}
	never, _ := snapshotAt(t, noon, series.Daily, 1)
	for name, change := range map[string]func(o *bucket.Object){
		"another size": func(o *bucket.Object) { o.Size++ }, "another ETag": func(o *bucket.Object) { o.ETag += "a" },
		"no ETag": func(o *bucket.Object) { o.ETag = "" }, "another name": func(o *bucket.Object) { o.Name = never.Object.Name },
		"no snapshot": func(o *bucket.Object) { o.Name = "../" + o.Name },
	} {
		o := e.Object
		change(&o)
		if got, err := c.Lookup(o); err == nil {
			t.Errorf("%s: it has %+v", name, got)
		}
	}
	if _, err := c.Lookup(never.Object); !errors.Is(err, ErrUnknown) {
		t.Error(err)
	}
}

// The cache of another series is another one, and nothing of it is believed if its
// files are copied.
func TestOtherSeries(t *testing.T) {
	dir := t.TempDir()
	c := openAt(t, dir)
	e, _ := put(t, c, noon, series.Daily)
	for name, other := range map[string]struct {
		b    bucket.Bucket
		name string
	}{
		"endpoint": {testBucket{url: app.url, endpoint: "https://other.example"}, "app.db"},
		"bucket":   {testBucket{url: bucket.URL{Bucket: "other", Prefix: "app"}, endpoint: app.endpoint}, "app.db"},
		"name":     {app, "other.db"},
	} {
		o, err := Open(dir, other.b, other.name, database(t))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := o.Lookup(e.Object); !errors.Is(err, ErrUnknown) {
			t.Errorf("another %s: %v", name, err)
		}
		if err := os.CopyFS(o.dir, os.DirFS(c.dir)); err != nil {
			t.Fatal(err)
		}
		if _, err := o.Lookup(e.Object); err == nil || !strings.Contains(err.Error(), "it is of") || o.KnowsAny() {
			t.Errorf("another %s, copied: %v", name, err)
		}
	}
	checkEntry(t, c, e)
}

// An entry whose file was renamed to another object's is not that one's.
func TestRenamedEntry(t *testing.T) {
	c := openAt(t, t.TempDir())
	e, _ := put(t, c, noon, series.Daily)
	other, _ := snapshotAt(t, noon, series.Daily, 1)
	if err := os.Rename(filepath.Join(c.dir, e.Object.Name+entrySuffix), filepath.Join(c.dir, other.Object.Name+entrySuffix)); err != nil {
		t.Fatal(err)
	}
	o := e.Object
	o.Name = other.Object.Name
	if got, err := c.Lookup(o); err == nil {
		t.Errorf("it has %+v", got)
	}
}

// Without a cache there is nothing to know, and nothing to fail.
func TestNoCache(t *testing.T) {
	var c *Cache
	e, pages := snapshotAt(t, noon, series.Daily, 1)
	if err := errors.Join(c.Put(t.Context(), e, bytes.NewReader(pages), noon), c.Forget(t.Context(), []series.Snapshot{{}})); err != nil || c.KnowsAny() {
		t.Error(err)
	}
	if _, err := c.Lookup(e.Object); !errors.Is(err, ErrUnknown) {
		t.Error(err)
	}
	checkNoBase(t, c, e)
}

// What cannot be an entry is not kept.
func TestPutOfNoSnapshot(t *testing.T) {
	c := openAt(t, t.TempDir())
	for name, change := range map[string]func(e *Entry){
		"another ID": func(e *Entry) { e.ID = snapshot.NewID(noon) }, "no snapshot's name": func(e *Entry) { e.Object.Name = "a" },
		"no ETag": func(e *Entry) { e.Object.ETag = "" }, "no size": func(e *Entry) { e.Object.Size = 0 },
		"no pages": func(e *Entry) { e.PageCount = 0 }, "an odd page size": func(e *Entry) { e.PageSize = 1000 },
		"no digest": func(e *Entry) { e.Digest = "" }, "no manifest": func(e *Entry) { e.Manifest = "" },
	} {
		e, pages := snapshotAt(t, noon, series.Daily, 1)
		change(&e)
		if err := c.Put(t.Context(), e, bytes.NewReader(pages), noon); err == nil || c.KnowsAny() {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Page digests that are not the snapshot's are not kept; that it was uploaded is.
func TestWrongPages(t *testing.T) {
	c := openAt(t, t.TempDir())
	e, pages := snapshotAt(t, noon, series.Daily, 100)
	_, others := snapshotAt(t, noon, series.Daily, 100)
	for _, wrong := range [][]byte{others, pages[1:], pages[:len(pages)-1], nil} {
		if err := c.Put(t.Context(), e, bytes.NewReader(wrong), noon); err == nil {
			t.Error("no error")
		}
		checkEntry(t, c, e)
		checkNoBase(t, c, e)
	}
	if err := c.Put(t.Context(), e, bytes.NewReader(pages), noon); err != nil {
		t.Error(err)
	}
	if err := c.Put(t.Context(), e, nil, noon); err != nil {
		t.Error(err)
	}
	checkBase(t, c, e, pages)
}

// Forget drops what the listing no longer has, and nothing that is older than the
// listing, or newer: another run has put that meanwhile.
func TestForget(t *testing.T) {
	c := openAt(t, t.TempDir())
	before, beforePages := put(t, c, noon.AddDate(0, 0, -2), series.Weekly)
	first, _ := put(t, c, noon, series.Daily)
	gone, _ := put(t, c, noon.Add(time.Hour), series.Hourly)
	last, lastPages := put(t, c, noon.Add(2*time.Hour), series.Hourly)
	after, afterPages := put(t, c, noon.Add(150*time.Minute), series.Daily)
	var listed []series.Snapshot
	for _, e := range []Entry{first, last} {
		name, _ := series.ParseName(e.Object.Name)
		listed = append(listed, series.Snapshot{Name: name, Object: e.Object})
	}
	if err := errors.Join(c.Forget(t.Context(), nil), c.Forget(t.Context(), listed)); err != nil {
		t.Fatal(err)
	}
	for _, e := range []Entry{before, first, last, after} {
		checkEntry(t, c, e)
	}
	checkBase(t, c, before, beforePages)
	checkBase(t, c, after, afterPages)
	checkBase(t, c, last, lastPages)
	if _, err := c.Lookup(gone.Object); !errors.Is(err, ErrUnknown) {
		t.Error(err)
	}
	checkNoBase(t, c, gone)
}

// A run that is interrupted keeps nothing half.
func TestPutCancelled(t *testing.T) {
	c := openAt(t, t.TempDir())
	e, pages := snapshotAt(t, noon, series.Daily, 100)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Put(ctx, e, bytes.NewReader(pages), noon); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	checkNoBase(t, c, e)
	if _, err := os.Stat(filepath.Join(c.dir, tempName)); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}
