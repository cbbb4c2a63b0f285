// Package buckettest is for tests alone: the suite of what every Bucket promises,
// and what tests of buckets share.
package buckettest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// PartSize is the part size in tests: the smallest that S3 takes.
const PartSize = 5 << 20

// A Store is one kind of bucket under the contract suite.
type Store struct {
	// Open returns an empty bucket.
	Open func(t *testing.T) bucket.Bucket
	// Plant puts an object there by other means, as strangers do.
	Plant func(t *testing.T, b bucket.Bucket, name string, content []byte)
	// Clean fails the test if anything but the named objects is left, also
	// what a listing does not show.
	Clean func(t *testing.T, b bucket.Bucket, names ...string)
	// ListedAs has the names that the store is known to list as others. No
	// snapshot is among them.
	ListedAs map[string]string
}

// listed returns names as the store lists them.
func (s Store) listed(names []string) []string {
	names = slices.Clone(names)
	for i, name := range names {
		if other, known := s.ListedAs[name]; known {
			names[i] = other
		}
	}
	return names
}

// parts are what every Bucket promises.
var parts = map[string]func(*testing.T, Store){
	"put and read":        testPutAndRead,
	"put existing":        testPutExisting,
	"put that fails":      testPutThatFails,
	"put cancelled":       testPutCancelled,
	"put that panics":     testPutThatPanics,
	"put of one name":     testPutOfOneName,
	"list":                testList,
	"list of many":        testListOfMany,
	"list cancelled":      testListCancelled,
	"ranged reads":        testRangedReads,
	"concurrent reads":    testConcurrentReads,
	"changed":             testChanged,
	"reads after the end": testReadsAfterCancel,
	"tags":                testTags,
	"delete":              testDelete,
	"not found":           testNotFound,
	"snapshots":           testSnapshots,
	"newest":              testNewest,
	"never used":          testNeverUsed,
}

// Contract runs the suite, or those parts of it that are named.
func Contract(t *testing.T, s Store, only ...string) {
	if len(only) == 0 {
		only = slices.Sorted(maps.Keys(parts))
	}
	for _, name := range only {
		test, ok := parts[name]
		if !ok {
			t.Fatalf("the contract has no part %q", name)
		}
		t.Run(name, func(t *testing.T) { test(t, s) })
	}
}

func testPutAndRead(t *testing.T, s Store) {
	b := s.Open(t)
	sizes := map[string]int{
		"empty": 0, "one": 1, "small": 70_000,
		"part-1": PartSize - 1, "part": PartSize, "part+1": PartSize + 1,
		"parts": 3 * PartSize, "parts+": 3*PartSize + 12_345,
	}
	for name, size := range sizes {
		before := time.Now()
		data := Content(size)
		o := Put(t, b, name, data, bucket.Tags{"size": name})
		listed := Find(t, b, name)
		if o.Name != name || o.Size != int64(size) || o.ETag == "" {
			t.Errorf("%s: put returned %+v", name, o)
		}
		if o.ETag != listed.ETag || o.Size != listed.Size {
			t.Errorf("%s: put returned %+v, but it is listed as %+v", name, o, listed)
		}
		for _, modified := range []time.Time{o.Modified, listed.Modified} {
			if modified.Before(before.Add(-2*time.Second)) || modified.After(time.Now().Add(2*time.Second)) {
				t.Errorf("%s: modified %v, put after %v", name, modified, before)
			}
		}
		if !bytes.Equal(ReadAll(t, b, listed), data) {
			t.Errorf("%s: other content than what was put", name)
		}
		if tags, err := b.Tags(t.Context(), o); err != nil || tags["size"] != name || len(tags) != 1 {
			t.Errorf("%s: tags %v, %v", name, tags, err)
		}
	}
	s.Clean(t, b, slices.Collect(maps.Keys(sizes))...)
}

func testList(t *testing.T, s Store) {
	b := s.Open(t)
	for _, name := range []string{"c", "a", "d", "b"} {
		Put(t, b, name, Content(3), bucket.Tags{"k": "v"})
	}
	for _, foreign := range []string{"README.txt", "b+b %41&.txt", "b\x01", "deeper/a", "deeper/deeper/a"} {
		s.Plant(t, b, foreign, Content(5))
	}
	all := []string{"README.txt", "a", "b", "b\x01", "b+b %41&.txt", "c", "d"}
	for after, want := range map[string][]string{
		"": all, "A": all, "a": all[2:], "a0": all[2:], "c": {"d"}, "d": nil, "e": nil,
	} {
		if got := Names(List(t, b, after)); !slices.Equal(got, s.listed(want)) {
			t.Errorf("after %q: %q, want %q", after, got, want)
		}
	}
	for range b.List(t.Context(), "") {
		break // a caller that stops early gets nothing more
	}
	if empty := s.Open(t); len(List(t, empty, "")) != 0 {
		t.Error("an empty bucket lists something")
	}
}

func testListOfMany(t *testing.T, s Store) {
	b := s.Open(t)
	const many = 1005
	var want []string
	var group errgroup.Group
	group.SetLimit(16)
	for i := range many {
		name := fmt.Sprintf("object-%04d", i)
		want = append(want, name)
		group.Go(func() error {
			_, err := b.Put(t.Context(), name, bucket.PutOptions{MaxSize: 1}, InPieces([]byte{1}))
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	if got := Names(List(t, b, "")); !slices.Equal(got, want) {
		t.Errorf("%d objects listed, want %d in order", len(got), many)
	}
	if got := Names(List(t, b, want[1])); !slices.Equal(got, want[2:]) {
		t.Errorf("%d objects listed, want %d in order", len(got), many-2)
	}
}

func testListCancelled(t *testing.T, s Store) {
	b := s.Open(t)
	Put(t, b, "object", nil, nil)
	reason := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(reason)
	for o, err := range b.List(ctx, "") {
		if !errors.Is(err, reason) {
			t.Errorf("listed %+v, %v, want the reason of the cancellation", o, err)
		}
		return
	}
	t.Error("nothing listed, not even an error")
}

func testTags(t *testing.T, s Store) {
	b := s.Open(t)
	name, err := series.EncodeTag("Käse & más=100%.db")
	if err != nil {
		t.Fatal(err)
	}
	tags := bucket.Tags{series.TagRetention: series.Held(series.Daily), series.TagDatabase: name, series.TagDigest: "lb1:00ff", series.TagConfirmed: "2026-11-23T20:15:00Z", "other tag": "a b+c=d.e_f:g/h@i"}
	for _, size := range []int{10, PartSize + 10} {
		o := Put(t, b, fmt.Sprint("object-", size), Content(size), tags)
		check := func(want bucket.Tags) {
			t.Helper()
			got, err := b.Tags(t.Context(), o)
			if err != nil || !maps.Equal(got, want) {
				t.Errorf("tags %v, %v, want %v", got, err, want)
			}
		}
		check(tags)
		replaced := bucket.Tags{series.TagRetention: "daily"}
		if err := b.SetTags(t.Context(), o, replaced); err != nil {
			t.Fatal(err)
		}
		check(replaced)
		if err := b.SetTags(t.Context(), o, nil); err != nil {
			t.Fatal(err)
		}
		check(bucket.Tags{})
		if again := Find(t, b, o.Name); again.ETag != o.ETag {
			t.Error("setting tags changed the ETag")
		}
	}
	none := Put(t, b, "none", nil, nil)
	if got, err := b.Tags(t.Context(), none); err != nil || got == nil || len(got) != 0 {
		t.Errorf("tags of an object put without: %#v, %v, want an empty set", got, err)
	}
}

func testDelete(t *testing.T, s Store) {
	b := s.Open(t)
	o := Put(t, b, "object", Content(10), bucket.Tags{"a": "b"})
	kept := Put(t, b, "object.kept", Content(10), bucket.Tags{"a": "c"})
	for range 2 { // what is not there is no error
		if err := b.Delete(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	s.Clean(t, b, kept.Name)
	if tags, err := b.Tags(t.Context(), kept); err != nil || tags["a"] != "c" {
		t.Errorf("tags of the object beside: %v, %v", tags, err)
	}
}

func testNotFound(t *testing.T, s Store) {
	b := s.Open(t)
	Put(t, b, "other", nil, nil)
	missing := bucket.Object{Name: "missing", Size: 10, ETag: "0123456789abcdef0123456789abcdef"}
	_, tagsErr := b.Tags(t.Context(), missing)
	blob, openErr := b.Open(t.Context(), missing)
	if openErr == nil {
		_, openErr = blob.ReadAt(make([]byte, 10), 0)
		blob.Close()
	}
	for what, err := range map[string]error{
		"tags": tagsErr, "set tags": b.SetTags(t.Context(), missing, bucket.Tags{"a": "b"}), "open": openErr,
	} {
		if !errors.Is(err, bucket.ErrNotFound) || !strings.Contains(fmt.Sprint(err), b.URL().String()+"/missing: ") {
			t.Errorf("%s of a missing object: %v, want ErrNotFound with the place", what, err)
		}
	}
}

func testNeverUsed(t *testing.T, s Store) {
	for what, name := range map[string]string{"nothing": "", "a foreign object": "foreign", "something deeper": "deeper/object"} {
		b := s.Open(t)
		if name != "" {
			s.Plant(t, b, name, Content(1))
		}
		never, err := b.NeverUsed(t.Context())
		if err != nil || never != (name == "") {
			t.Errorf("with %s: never used: %v, %v", what, never, err)
		}
	}
}
