package cache

import (
	"strings"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// No content makes the reader of an entry fail otherwise than by an error, and what it
// reads is what was written.
func FuzzEntry(f *testing.F) {
	p := place{app.endpoint, app.url.String(), "app.db"}
	e, _ := snapshotAt(f, noon, series.Daily, 10)
	good, err := e.encode(p)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(good))
	f.Add(string(good[:len(seal(nil))]))
	for _, text := range []string{"", "null", "{}", `{"series":null}`, `{"page_count":-1}`, string(good[len(seal(nil)):])} {
		f.Add(string(seal([]byte(text))) + text)
	}
	f.Fuzz(func(t *testing.T, content string) {
		for _, content := range []string{content, string(seal([]byte(content))) + content} { // also what has a right checksum
			e, err := decodeEntry([]byte(content), p)
			if err != nil {
				continue
			}
			again, err := e.encode(p)
			if err != nil {
				t.Fatal(err)
			}
			back, err := decodeEntry(again, p)
			if err != nil || back != e {
				t.Errorf("%+v is read again as %+v, %v", e, back, err)
			}
			if strings.ContainsAny(e.Object.Name, "/\x00") || e.pagesSize() < 0 {
				t.Errorf("an entry of %q, with %d bytes of page digests", e.Object.Name, e.pagesSize())
			}
		}
	})
}
