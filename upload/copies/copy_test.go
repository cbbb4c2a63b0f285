package copies

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
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
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/quirks"
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
}

// inStore returns an empty place in a store.
func inStore(t *testing.T, server *testserver.Server) bucket.Bucket {
	t.Helper()
	return inBucket(t, server, server.Bucket(t))
}

func inBucket(t *testing.T, server *testserver.Server, name string) bucket.Bucket {
	t.Helper()
	server.Setenv(t)
	b, err := upload.Open(t.Context(), "s3://"+name+"/app", upload.Options{RetryFor: 2 * time.Second, PartSize: 5 << 20})
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
		delete(tags, series.TagCheck)
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
	plan, err := Preview(t.Context(), from, to, o)
	if err != nil || len(plan.Copy) != 2 {
		t.Fatalf("%+v, %v", plan, err)
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
	at := newest.Time().Add(time.Hour)
	for i, retention := range []string{series.Held(series.Recent), series.Pinned, string(series.Recent)} {
		tag(to, series.TagRetention, retention)
		at = at.Add(time.Hour)
		tag(from, series.TagConfirmed, at.Format(time.RFC3339))
		r := mustCopy(t, from, to, Options{})
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
}

// One flipped bit is refused by name, with what stands on it, and the rest is copied.
func testFlippedBit(t *testing.T, server *testserver.Server) {
	identity, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		sealed     bool
		from       func(t *testing.T) bucket.Bucket
		identities []age.Identity
	}{
		"plain":                   {false, inDirectory, nil},
		"encrypted, with the key": {true, inDirectory, []age.Identity{identity}},
	} {
		t.Run(name, func(t *testing.T) {
			from := c.from(t)
			var recipients []age.Recipient
			if c.sealed {
				recipients = append(recipients, identity.Recipient())
			}
			all := fill(t, from, rowsInParts, recipients...)
			var size int64
			for _, object := range buckettest.List(t, from, "") {
				if strings.HasPrefix(object.Name, string(all[0])) {
					size = object.Size
				}
			}
			for _, at := range []int64{0, size - 20_000, size - 1} {
				to := inStore(t, server)
				flip := flipped{Bucket: from, id: all[0], at: at}
				r, err := Run(t.Context(), flip, to, Options{Identities: c.identities})
				if !errors.Is(err, ErrPartly) || !errors.Is(err, snapshot.ErrDamaged) || !strings.Contains(err.Error(), string(all[0])) || len(r.Refused) != 3 || len(r.Copied) != 1 {
					t.Errorf("byte %d of %d: %v, %+v", at, size, err, r.Refused)
				}
				sameObjects(t, from, to, all[3])
				if uploads, err := server.Client(t).Uploads(t.Context(), to.URL().Bucket, ""); err != nil || len(uploads) > 0 {
					t.Errorf("uploads remain: %v, %v", uploads, err)
				}
				mustCopy(t, from, to, Options{Identities: c.identities})
				sameObjects(t, from, to, all...)
			}
		})
	}
}

// flipped is a bucket that flips a bit of one object.
type flipped struct {
	bucket.Bucket
	id snapshot.ID
	at int64
}

func (f flipped) Open(ctx context.Context, object bucket.Object) (bucket.Blob, error) {
	blob, err := f.Bucket.Open(ctx, object)
	if strings.HasPrefix(object.Name, string(f.id)) {
		return flippedBlob{blob, f.at}, err
	}
	return blob, err
}

type flippedBlob struct {
	bucket.Blob
	at int64
}

func (f flippedBlob) ReadAt(p []byte, offset int64) (int, error) {
	n, err := f.Blob.ReadAt(p, offset)
	if f.at >= offset && f.at < offset+int64(n) {
		p[f.at-offset] ^= 1
	}
	return n, err
}

// Without a key an encrypted snapshot is verified by the checksum that its store has, in
// one part and in several.
func testSealedWithoutKey(t *testing.T, server *testserver.Server) {
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		rows int
		from bucket.Bucket
		by   string
	}{
		"in one part":      {10, inStore(t, server), "ETag"},
		"in several parts": {rowsInParts, inStore(t, server), "ETag"},
		"in a directory":   {10, inDirectory(t), ByLength},
	} {
		all := fill(t, c.from, c.rows, identity.Recipient())
		to := inDirectory(t)
		if c.by != ByLength {
			if r, err := Run(t.Context(), flippedSum{flipped{c.from, all[0], 300}}, to, Options{}); !errors.Is(err, ErrPartly) || len(r.Refused) != 3 || !errors.Is(err, snapshot.ErrDamaged) {
				t.Errorf("%s, a flipped bit: %v, %+v", name, err, r.Refused)
			}
			sameObjects(t, c.from, to, all[3])
		}
		r := mustCopy(t, c.from, to, Options{})
		for _, copied := range r.Copied {
			if inParts := strings.Contains(copied.Object.ETag, "-"); c.by == "ETag" && inParts != (c.rows == rowsInParts && copied.Full()) {
				t.Errorf("%s: %s has the ETag %s", name, copied.ID, copied.Object.ETag)
			}
			if copied.By != c.by {
				t.Errorf("%s: %s is verified by %s, want %s", name, copied.ID, copied.By, c.by)
			}
		}
		sameObjects(t, c.from, to, all...)
		other, err := age.GenerateX25519Identity()
		if err != nil {
			t.Fatal(err)
		}
		for _, copied := range mustCopy(t, c.from, inDirectory(t), Options{Identities: []age.Identity{other}}).Copied {
			if copied.By != c.by {
				t.Errorf("%s, with another key: %s is verified by %s", name, copied.ID, copied.By)
			}
		}
	}
}

// flippedSum is a flipped bucket in a store.
type flippedSum struct{ flipped }

func (f flippedSum) Sum(ctx context.Context, object bucket.Object) (bucket.Sum, error) {
	return f.Bucket.(bucket.Summed).Sum(ctx, object)
}

// Places that must not get copies, and sources that have none.
func TestRefusedPlaces(t *testing.T) {
	from := inDirectory(t)
	fill(t, from, 10)
	if _, err := Run(t.Context(), from, from, Options{}); !errors.Is(err, ErrSame) {
		t.Errorf("to itself: %v", err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(from.URL().Dir, link); err != nil {
		t.Fatal(err)
	}
	linked, err := upload.Open(t.Context(), "file://"+link, upload.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Run(t.Context(), from, linked, Options{}); !errors.Is(err, ErrSame) {
		t.Errorf("to itself through a link: %v", err)
	}
	empty := inDirectory(t)
	if err := os.Mkdir(empty.URL().Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := Run(t.Context(), empty, inDirectory(t), Options{}); !errors.Is(err, bucket.ErrNotFound) {
		t.Errorf("from an empty place: %v", err)
	}
	if _, err := Run(t.Context(), inDirectory(t), empty, Options{}); !errors.Is(err, bucket.ErrNotFound) {
		t.Errorf("from a directory that is not there: %v", err)
	}
	inside, err := upload.Open(t.Context(), from.URL().String()+"/copy", upload.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Run(t.Context(), from, inside, Options{}); !errors.Is(err, upload.ErrNested) {
		t.Errorf("into itself: %v", err)
	}
	own, unlike, named := inDirectory(t), inDirectory(t), inDirectory(t)
	other := filepath.Join(t.TempDir(), "other.db")
	sqlitetest.Exec(t, other, "CREATE TABLE b (c)")
	for b, path := range map[bucket.Bucket]string{
		own:    sqlitetest.Application(t, "PRAGMA application_id = 9; CREATE TABLE a (b)", 100),
		unlike: sqlitetest.Application(t, "PRAGMA application_id = 7; CREATE TABLE c (d)", 100),
		named:  other,
	} {
		if _, err := upload.Backup(t.Context(), b, path, upload.BackupOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	for name, to := range map[string]bucket.Bucket{"another application's": unlike, "one with another name": named} {
		if _, err := Run(t.Context(), own, to, Options{}); !errors.Is(err, upload.ErrOtherDatabase) {
			t.Errorf("to a place of %s: %v", name, err)
		}
		if objects := buckettest.List(t, to, ""); len(objects) != 1 {
			t.Errorf("%s: %d objects are there", name, len(objects))
		}
	}
}

// A store that has two endpoints is one place.
func testTwoNamesOfOneStore(t *testing.T, server *testserver.Server) {
	name := server.Bucket(t)
	from := inBucket(t, server, name)
	fill(t, from, 10)
	proxy := quirks.Start(t, server, (*quirks.Store).Do)
	if _, err := Run(t.Context(), from, inBucket(t, &proxy.Server, name), Options{}); !errors.Is(err, ErrSame) {
		t.Errorf("%v", err)
	}
}

// Snapshots of another database that came in between are noticed in the end.
func TestTwoIntoOneEmptyPlace(t *testing.T) {
	from, to := inDirectory(t), inDirectory(t)
	all := fill(t, from, 10)
	other := filepath.Join(t.TempDir(), "other.db")
	sqlitetest.Exec(t, other, "CREATE TABLE b (c)")
	meanwhile := atPut{to, func() {
		if _, err := upload.Backup(t.Context(), to, other, upload.BackupOptions{}); err != nil {
			t.Error(err)
		}
	}, new(sync.Once)}
	if _, err := Run(t.Context(), from, meanwhile, Options{}); !errors.Is(err, ErrPartly) || !errors.Is(err, upload.ErrOtherDatabase) {
		t.Errorf("%v", err)
	}
	if objects := buckettest.List(t, to, ""); len(objects) != len(all)+1 {
		t.Errorf("%d objects are there", len(objects))
	}
}

// atPut is a bucket in which something else happens before the first Put.
type atPut struct {
	bucket.Bucket
	happens func()
	once    *sync.Once
}

func (b atPut) Put(ctx context.Context, name string, o bucket.PutOptions, write func(io.Writer) error) (bucket.PutResult, error) {
	b.once.Do(b.happens)
	return b.Bucket.Put(ctx, name, o, write)
}

// Two copies at once bring each object once.
func testTwoCopiesAtOnce(t *testing.T, server *testserver.Server) {
	from := inDirectory(t)
	all := fill(t, from, 500)
	for name, to := range map[string]bucket.Bucket{"store": inStore(t, server), "directory": inDirectory(t)} {
		second := atPut{to, func() { mustCopy(t, from, to, Options{}) }, new(sync.Once)}
		if r := mustCopy(t, from, second, Options{}); len(r.Copied) != 4 {
			t.Errorf("%s: %+v", name, r)
		}
		sameObjects(t, from, to, all...)
	}
}

// What leaves the source in the middle is no failure; what then lacks its base is one.
func TestSourceLosesObjects(t *testing.T) {
	for lost, c := range map[int]struct{ copied, gone, refused int }{
		0: {1, 1, 2}, // the base of all
		1: {2, 1, 1},
		2: {3, 1, 0}, // nothing stands on it
	} {
		from, to := inDirectory(t), inDirectory(t)
		all := fill(t, from, 10)
		loses := atPut{to, func() {
			for _, object := range buckettest.List(t, from, "") {
				if strings.HasPrefix(object.Name, string(all[lost])) {
					if err := from.Delete(t.Context(), object); err != nil {
						t.Error(err)
					}
				}
			}
		}, new(sync.Once)}
		r, err := Run(t.Context(), from, loses, Options{})
		if (err == nil) != (c.refused == 0) || err != nil && !errors.Is(err, ErrPartly) || len(r.Copied) != c.copied || len(r.Gone) != c.gone || len(r.Refused) != c.refused {
			t.Errorf("object %d is lost: %v, copied %d, gone %d, refused %d, want %+v", lost, err, len(r.Copied), len(r.Gone), len(r.Refused), c)
		}
	}
}

// An object that the source refuses is refused by name, when it is opened and in the
// middle. The others are copied, and the time of the last unchanged backup comes along.
func TestSourceRefusesOne(t *testing.T) {
	for _, opens := range []int{0, 1} {
		from, to := inDirectory(t), inDirectory(t)
		all := fill(t, from, 10)
		mustCopy(t, from, to, Options{Choice: Choice{Since: all[3].Time()}})
		newest, err := series.Newest(t.Context(), from)
		if err != nil {
			t.Fatal(err)
		}
		at := newest.ID.Time().Add(time.Hour)
		if _, err := series.ChangeTags(t.Context(), from, newest.Object, func(tags bucket.Tags) error {
			tags[series.TagConfirmed] = at.Format(time.RFC3339)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		r, err := Run(t.Context(), refusing{from, all[1], opens, new(int)}, to, Options{})
		if !errors.Is(err, ErrPartly) || !errors.Is(err, bucket.ErrRefused) || !strings.Contains(err.Error(), string(all[1])) || len(r.Refused) != 2 || !r.Confirmed.Equal(at) {
			t.Errorf("refused after %d times: %v, %+v, confirmed %v", opens, err, r.Refused, r.Confirmed)
		}
		sameObjects(t, from, to, all[0], all[3])
	}
}

// refusing is a bucket that lets one object be opened so often.
type refusing struct {
	bucket.Bucket
	id    snapshot.ID
	opens int
	seen  *int
}

func (b refusing) Open(ctx context.Context, object bucket.Object) (bucket.Blob, error) {
	if strings.HasPrefix(object.Name, string(b.id)) {
		if *b.seen++; *b.seen > b.opens {
			return nil, fmt.Errorf("read %s: %w", object.Name, bucket.ErrRefused)
		}
	}
	return b.Bucket.Open(ctx, object)
}

// A full disk, a store without tags or conditions, and one that loses tags.
func testOddTargets(t *testing.T, server *testserver.Server) {
	from := inDirectory(t)
	all := fill(t, from, rowsInParts)
	for name, quirk := range map[string]quirks.Quirk{
		"no tags":       quirks.RefuseTags("NotImplemented", http.StatusNotImplemented),
		"no conditions": withoutConditions,
		"loses tags":    quirks.LoseTagsAtComplete(),
	} {
		t.Run(name, func(t *testing.T) {
			proxy := quirks.Start(t, server, quirk)
			to := inBucket(t, &proxy.Server, server.Bucket(t))
			mustCopy(t, from, to, Options{})
			sameObjects(t, from, to, all...)
		})
	}
	full := fullAt{inDirectory(t), 2, new(int)}
	r, err := Run(t.Context(), from, full, Options{})
	if !errors.Is(err, bucket.ErrNoRoom) || errors.Is(err, ErrPartly) || len(r.Copied) != 2 {
		t.Errorf("no room for the third: %v, %+v", err, r.Copied)
	}
}

// withoutConditions answers as a store does that knows no If-None-Match.
func withoutConditions(store *quirks.Store, r *http.Request) (*http.Response, error) {
	if r.Header.Get("If-None-Match") != "" {
		return quirks.Answer(r, http.StatusNotImplemented, "<Error><Code>NotImplemented</Code></Error>")
	}
	return store.Do(r)
}

// fullAt has room for so many objects.
type fullAt struct {
	bucket.Bucket
	room int
	puts *int
}

func (f fullAt) Put(ctx context.Context, name string, o bucket.PutOptions, write func(io.Writer) error) (bucket.PutResult, error) {
	if *f.puts++; *f.puts > f.room {
		return bucket.PutResult{}, fmt.Errorf("put %s: %w", name, bucket.ErrNoRoom)
	}
	return f.Bucket.Put(ctx, name, o, write)
}

// A store that loses tags of uploads in parts, and a run that was killed before it set
// them again: the next run does.
func testTagsAreRepaired(t *testing.T, server *testserver.Server) {
	from, to := inDirectory(t), inStore(t, server)
	all := fill(t, from, 10)
	mustCopy(t, from, to, Options{Choice: Choice{Since: all[3].Time()}})
	copied := buckettest.List(t, to, "")[0]
	if err := to.SetTags(t.Context(), copied, nil); err != nil {
		t.Fatal(err)
	}
	mustCopy(t, from, to, Options{})
	sameObjects(t, from, to, all...)
}
