package sidecar

import (
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

const id = "20261123T201500Z-3f9c2a"

func TestNames(t *testing.T) {
	for name, want := range map[string]string{
		"object": "object.tags", "object.gz": "object.gz.tags", id: id + ".tags",
		id + ".db.zst": id + ".tags", id + ".db.zst.age": id + ".tags",
	} {
		if got := Of(name); got != want || !Is(got) || Is(name) {
			t.Errorf("beside %s: %s, want %s", name, got, want)
		}
	}
	stems := map[string]bool{id: true}
	for name, want := range map[string]bool{
		id + ".tags": false, strings.Replace(id, "2026", "2025", 1) + ".tags": true,
		"mine.tags": false, id + ".db.zst": false, id + ".db.zst.tags": false,
	} {
		if got := IsOrphan(name, stems); got != want {
			t.Errorf("%s is an orphan: %v", name, got)
		}
	}
}

func TestParse(t *testing.T) {
	for _, tags := range []bucket.Tags{nil, {}, {"a": "", "b": "\x00\"é"}} {
		data, err := Format(tags)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := Parse(data, "x.tags"); err != nil || back == nil || !maps.Equal(back, tags) {
			t.Errorf("%v is read as %v, %v", tags, back, err)
		}
	}
	for text, why := range map[string]string{
		"null": "it is null", `{"a":null}`: `"a" is null`, "": "unexpected end", "[]": "cannot unmarshal array",
		`{"a":1}`: "cannot unmarshal number", `{} {}`: "invalid character", strings.Repeat(" ", MaxSize) + "{}": "too long",
	} {
		tags, err := Parse([]byte(text), "x.tags")
		if !errors.Is(err, bucket.ErrTagsDamaged) || tags != nil || !strings.Contains(err.Error(), "x.tags") || !strings.Contains(err.Error(), why) {
			t.Errorf("%.20q: %v, %v, want an error with %q", text, tags, err, why)
		}
	}
}
