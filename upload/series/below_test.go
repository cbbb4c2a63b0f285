package series

import (
	"slices"
	"strings"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

// What the listing shows comes in the order of a store, in which a folder's own objects
// may stand before and behind those of the folders in it.
func TestFolders(t *testing.T) {
	const name = "20261120T170000Z-3f9c2a.daily.db.zst"
	var open folders
	var got []string
	note := func(done folders) {
		for _, f := range done {
			got = append(got, f.name+strings.Repeat("+", len(f.objects)))
		}
	}
	for _, key := range []string{
		name, ".drills/" + name, "a/.hidden/deep/" + name, "app-2/" + name, "app/" + name, "app/" + strings.Replace(name, "17", "18", 1), "app/20261120T170000Z-3f9c2a.tags",
		"app/3/deep/" + name, "app/3/zz/" + name, "app/4/" + name, "app/" + strings.Replace(name, "2026", "5026", 1), "apple/" + name, "readme.txt", "zoo/readme.txt",
	} {
		note(open.add(bucket.Object{Name: key}))
	}
	slices.Reverse(open)
	note(open)
	if want := "app-2+ app/3/deep+ app/3/zz+ app/4+ app+++ apple+ +"; strings.Join(got, " ") != want {
		t.Errorf("got %q, want %q", strings.Join(got, " "), want)
	}
}
