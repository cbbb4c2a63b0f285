package buckettest

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket/sidecar"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// damagedTags are what a power cut, a full disk or a hand can leave of a file
// with tags.
var damagedTags = map[string]string{
	"empty": "", "cut": `{"lifeboat-retention":"he`, "zeros": "\x00\x00\x00\x00", "null": "null", "a list": "[]", "a text": `"held"`,
	"a number in it": `{"lifeboat-retention":1}`, "null in it": `{"lifeboat-retention":null}`, "an object in it": `{"lifeboat-retention":{}}`,
	"two of them": `{} {}`, "huge": `{"lifeboat-retention":"` + strings.Repeat("x", sidecar.MaxSize) + `"}`,
}

// DamagedTags is for a store that keeps tags beside the objects.
func DamagedTags(t *testing.T, s Store) {
	b := s.Open(t)
	for what, text := range damagedTags {
		o := Put(t, b, ObjectName(snapshot.NewID(time.Now())), Content(10), bucket.Tags{series.TagRetention: series.Held(series.Daily)})
		s.Plant(t, b, sidecar.Of(o.Name), []byte(text))
		tags, err := b.Tags(t.Context(), o)
		var damaged *bucket.DamagedTagsError
		if !errors.As(err, &damaged) || damaged.Object != o.Name || !errors.Is(err, bucket.ErrTagsDamaged) || len(tags) != 0 || !strings.Contains(err.Error(), sidecar.Of(o.Name)) {
			t.Errorf("%s: %v, %v", what, tags, err)
		}
		if err := b.SetTags(t.Context(), o, bucket.Tags{series.TagRetention: series.Pinned}); err != nil {
			t.Errorf("%s: set: %v", what, err)
		}
		if tags, err := b.Tags(t.Context(), o); err != nil || tags[series.TagRetention] != series.Pinned {
			t.Errorf("%s: written anew: %v, %v", what, tags, err)
		}
		s.Plant(t, b, sidecar.Of(o.Name), []byte(text))
		if err := b.Delete(t.Context(), o); err != nil {
			t.Errorf("%s: delete: %v", what, err)
		}
	}
}
