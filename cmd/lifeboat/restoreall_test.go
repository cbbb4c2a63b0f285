package main

import (
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/databases"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

// Two databases whose paths are not known are two files, whatever their buckets have in
// common.
func TestRestoreBelow(t *testing.T) {
	r := &restoreCmd{To: "/back"}
	for want, u := range map[string]bucket.URL{
		"/back/one/app.db": {Bucket: "one", Prefix: "app.db"},
		"/back/two/app.db": {Bucket: "two", Prefix: "app.db"},
		"/back/nas/app.db": {Dir: "/nas/app.db"},
	} {
		if got := r.below(&task{Database: &databases.Database{URL: u}}); got != want {
			t.Errorf("%s: %s, want %s", u, got, want)
		}
	}
}
