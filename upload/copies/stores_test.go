package copies

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket/buckettest"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/quirks"
)

// What leaves the source in the middle is no failure; what then lacks its base is one.
func TestSourceLosesObjects(t *testing.T) {
	for lost, c := range map[int]struct{ copied, gone, refused int }{
		0: {1, 1, 2}, // the base of all
		1: {2, 1, 1},
		2: {3, 1, 0}, // nothing stands on it
	} {
		from, to := inDirectory(t), inDirectory(t)
		all := fill(t, from, 10)
		loses := atPut{to, 1, func() {
			for _, object := range buckettest.List(t, from, "") {
				if strings.HasPrefix(object.Name, string(all[lost])) {
					if err := from.Delete(t.Context(), object); err != nil {
						t.Error(err)
					}
				}
			}
		}, new(int)}
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
		at := newest.ID.Time().Add(time.Minute)
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

// Tags of the source that Lifeboat does not write stay behind, and the snapshot is copied.
func testTagsNoStoreTakes(t *testing.T, server *testserver.Server) {
	for name, value := range map[string]string{"with signs": "<script>", "too long": strings.Repeat("x", 300)} {
		from, to := inDirectory(t), inStore(t, server)
		all := fill(t, from, 10)
		object := buckettest.List(t, from, "")[1]
		if err := from.SetTags(t.Context(), object, bucket.Tags{series.TagRetention: "held-hourly", series.TagCheck: value, series.TagDatabase: value}); err != nil {
			t.Fatal(err)
		}
		mustCopy(t, from, to, Options{})
		copied := buckettest.List(t, to, "")
		if len(copied) != len(all) {
			t.Fatalf("%s: %d objects were copied", name, len(copied))
		}
		tags, err := to.Tags(t.Context(), copied[1])
		if err != nil || tags[series.TagCheck] != "" || tags[series.TagDatabase] == value {
			t.Errorf("%s: %v, %v", name, tags, err)
		}
	}
}
