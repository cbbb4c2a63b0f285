package copies

import (
	"bytes"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite/sqlitetest"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket/buckettest"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
)

// rowsInParts make a database whose archive is uploaded in parts.
const rowsInParts = 28_000

// What is between stores, with two of them for all.
func TestStores(t *testing.T) {
	first, second := testserver.Start(t), testserver.Start(t)
	t.Run("copy", func(t *testing.T) { testCopy(t, first, second) })
	t.Run("flipped bit", func(t *testing.T) { testFlippedBit(t, second) })
	t.Run("sealed without a key", func(t *testing.T) { testSealedWithoutKey(t, first) })
	t.Run("two at once", func(t *testing.T) { testTwoCopiesAtOnce(t, second) })
	t.Run("two names of one store", func(t *testing.T) { testTwoNamesOfOneStore(t, second) })
	t.Run("odd targets", func(t *testing.T) { testOddTargets(t, second) })
	t.Run("tags are repaired", func(t *testing.T) { testTagsAreRepaired(t, second) })
	t.Run("tags that no store takes", func(t *testing.T) { testTagsNoStoreTakes(t, second) })
}

// inStore returns an empty place in a store.
func inStore(t *testing.T, server *testserver.Server) bucket.Bucket {
	t.Helper()
	return inBucket(t, server, server.Bucket(t))
}

func inBucket(t *testing.T, server *testserver.Server, name string) bucket.Bucket {
	t.Helper()
	server.Setenv(t)
	b, err := upload.Open(t.Context(), "s3://"+name+"/app", upload.Options{RetryFor: 30 * time.Second, PartSize: 5 << 20})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func inDirectory(t *testing.T) bucket.Bucket {
	t.Helper()
	b, err := upload.Open(t.Context(), "file://"+filepath.Join(t.TempDir(), "app"), upload.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// fill stores a chain of three and a full snapshot, and returns their IDs.
func fill(t *testing.T, b bucket.Bucket, rows int, recipients ...age.Recipient) []snapshot.ID {
	t.Helper()
	s := buckettest.NewSeries(t, b, sqlitetest.Application(t, "CREATE TABLE a (b)", rows))
	s.Recipients = recipients
	daily := s.Full(series.Daily)
	sqlitetest.Exec(t, s.DB, "UPDATE item SET body = 'other' WHERE id = 1")
	hourly := s.On(daily, series.Hourly)
	sqlitetest.Exec(t, s.DB, "UPDATE item SET body = 'third' WHERE id = 2")
	recent := s.On(hourly, series.Recent)
	return []snapshot.ID{daily, hourly, recent, s.Full(series.Recent)}
}

// mustCopy copies without an error.
func mustCopy(t *testing.T, from, to bucket.Bucket, o Options) Result {
	t.Helper()
	r, err := Run(t.Context(), from, to, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// sameObjects fails the test unless the target has exactly these of the source's snapshots,
// byte for byte, as held.
func sameObjects(t *testing.T, from, to bucket.Bucket, want ...snapshot.ID) {
	t.Helper()
	var names []string
	for _, object := range buckettest.List(t, from, "") {
		name, ok := series.ParseName(object.Name)
		if !ok || !slices.Contains(want, name.ID) {
			continue
		}
		names = append(names, object.Name)
		copied := buckettest.Find(t, to, object.Name)
		if !bytes.Equal(buckettest.ReadAll(t, from, object), buckettest.ReadAll(t, to, copied)) {
			t.Errorf("%s is another object at the target", object.Name)
		}
		has, err := from.Tags(t.Context(), object)
		if err != nil {
			t.Fatal(err)
		}
		has[series.TagRetention] = series.Held(name.Class)
		tags, err := to.Tags(t.Context(), copied)
		if delete(tags, series.TagCheck); tags[series.TagOrigin] == "" {
			t.Errorf("%s has no origin at the target: %v", object.Name, tags)
		}
		delete(tags, series.TagOrigin)
		if delete(has, series.TagCheck); err != nil || !maps.Equal(tags, has) {
			t.Errorf("%s has tags %v, %v, want %v", object.Name, tags, err, has)
		}
	}
	if len(names) != len(want) {
		t.Errorf("the source has %d of %d snapshots", len(names), len(want))
	}
	buckettest.SameNames(t, buckettest.Names(buckettest.List(t, to, "")), names)
	all, err := series.Snapshots(t.Context(), to, time.Time{})
	if err != nil && len(want) > 0 {
		t.Fatal(err)
	}
	for _, s := range all {
		if !s.Counts() {
			t.Errorf("%s does not count: %s", s.ID, s.Why())
		}
	}
}

// Between stores and directories everything comes along, once.
func testCopy(t *testing.T, first, second *testserver.Server) {
	for name, places := range map[string]func(t *testing.T) (from, to bucket.Bucket){
		"store to store":         func(t *testing.T) (from, to bucket.Bucket) { return inStore(t, first), inStore(t, second) },
		"store to directory":     func(t *testing.T) (from, to bucket.Bucket) { return inStore(t, first), inDirectory(t) },
		"directory to store":     func(t *testing.T) (from, to bucket.Bucket) { return inDirectory(t), inStore(t, second) },
		"directory to directory": func(t *testing.T) (from, to bucket.Bucket) { return inDirectory(t), inDirectory(t) },
	} {
		t.Run(name, func(t *testing.T) {
			from, to := places(t)
			rows := rowsInParts
			if to.URL().Dir != "" {
				rows = 100
			}
			all := fill(t, from, rows)
			var last, total int64
			r := mustCopy(t, from, to, Options{Progress: func(done, of int64) { last, total = done, of }})
			if len(r.Copied) != 4 || r.Copied[0].By != ByFrames || last != total || total != r.Bytes() {
				t.Errorf("copied %+v, progress %d of %d", r.Copied, last, total)
			}
			sameObjects(t, from, to, all...)
			if r = mustCopy(t, from, to, Options{}); len(r.Copied) != 0 || len(r.Plan.There) != 4 || !r.Confirmed.IsZero() {
				t.Errorf("a second run: %+v", r)
			}
		})
	}
}

// A part of a series takes the chain along, and a preview copies nothing.
func TestCopyChoice(t *testing.T) {
	from, to := inDirectory(t), inDirectory(t)
	all := fill(t, from, 10)
	o := Options{Choice: Choice{Classes: []series.Class{series.Hourly}}}
	r, err := Preview(t.Context(), from, to, o)
	if err != nil || len(r.Plan.Copy) != 2 || len(r.Copied) != 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	if _, err := os.Stat(to.URL().Dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a preview has made the target: %v", err)
	}
	mustCopy(t, from, to, o)
	sameObjects(t, from, to, all[:2]...)
	mustCopy(t, from, to, Options{Choice: Choice{Since: all[3].Time()}})
	sameObjects(t, from, to, all[0], all[1], all[3])
}

// An unchanged database does not look old in its copy. A pin is the copy's own, and what was
// released there stays so.
func TestConfirmedComesAlong(t *testing.T) {
	from, to := inDirectory(t), inDirectory(t)
	newest := fill(t, from, 10)[3]
	mustCopy(t, from, to, Options{})
	tag := func(b bucket.Bucket, key, value string) {
		t.Helper()
		s, err := series.Newest(t.Context(), b)
		if err != nil || s.ID != newest {
			t.Fatal(s.ID, err)
		}
		if _, err := series.ChangeTags(t.Context(), b, s.Object, func(tags bucket.Tags) error { tags[key] = value; return nil }); err != nil {
			t.Fatal(err)
		}
	}
	tagsThere := func() bucket.Tags {
		s, err := series.Newest(t.Context(), to)
		if err != nil {
			t.Fatal(err)
		}
		tags, err := to.Tags(t.Context(), s.Object)
		if err != nil {
			t.Fatal(err)
		}
		return tags
	}
	at := newest.Time()
	for i, retention := range []string{series.Held(series.Recent), series.Pinned, string(series.Recent)} {
		tag(to, series.TagRetention, retention)
		at = at.Add(time.Minute)
		tag(from, series.TagConfirmed, at.Format(time.RFC3339))
		seen, err := Preview(t.Context(), from, to, Options{})
		r := mustCopy(t, from, to, Options{})
		if err != nil || !seen.Confirmed.Equal(r.Confirmed) {
			t.Errorf("%s at the target: the preview has %v, the copy %v, %v", retention, seen.Confirmed, r.Confirmed, err)
		}
		has := tagsThere()
		if came := has[series.TagConfirmed] == at.Format(time.RFC3339); came != (i < 2) || came != r.Confirmed.Equal(at) || has[series.TagRetention] != retention {
			t.Errorf("%s at the target: %v, %v", retention, has, r.Confirmed)
		}
	}
	tag(to, series.TagRetention, series.Held(series.Recent))
	tag(from, series.TagConfirmed, "yesterday")
	before := tagsThere()
	if r := mustCopy(t, from, to, Options{}); !r.Confirmed.IsZero() || !maps.Equal(tagsThere(), before) {
		t.Errorf("a tag that is no time came along: %v", tagsThere())
	}
	// A time in the future does not come along, and does not keep a later one out.
	const forged = "2999-01-01T00:00:00Z"
	tag(from, series.TagConfirmed, forged)
	if r := mustCopy(t, from, to, Options{}); !r.Confirmed.IsZero() || !maps.Equal(tagsThere(), before) {
		t.Errorf("a time in the future came along: %v", tagsThere())
	}
	second := inDirectory(t)
	mustCopy(t, from, second, Options{})
	if tags := buckettest.List(t, second, ""); len(tags) != 4 {
		t.Errorf("%d objects", len(tags))
	} else if has, err := second.Tags(t.Context(), tags[3]); err != nil || has[series.TagConfirmed] != "" {
		t.Errorf("a time in the future came with the snapshot: %v, %v", has, err)
	}
	tag(to, series.TagConfirmed, forged)
	tag(from, series.TagConfirmed, at.Format(time.RFC3339))
	if r := mustCopy(t, from, to, Options{}); !r.Confirmed.Equal(at) || tagsThere()[series.TagConfirmed] != at.Format(time.RFC3339) {
		t.Errorf("a time in the future at the target stays: %v", tagsThere())
	}
}
