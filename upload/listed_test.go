package upload

import (
	"errors"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// An error of the listing is not an empty series.
func TestListingFails(t *testing.T) {
	b, err := Open(t.Context(), bucket.URL{Dir: t.TempDir() + "/missing"}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := series.Snapshots(t.Context(), b, time.Time{}); !errors.Is(err, bucket.ErrNotFound) {
		t.Errorf("snapshots of a directory that is not there: %v, want ErrNotFound", err)
	}
}
