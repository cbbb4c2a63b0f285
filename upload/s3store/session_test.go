package s3store

import (
	"fmt"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

// Series with nothing but a prefix of their own above them do not add up in memory, and
// what is in use stays.
func TestSessionForgetsNeighbourhoods(t *testing.T) {
	s := NewSession()
	shared := s.neighbourhoodOf(bucket.URL{Bucket: "b", Prefix: "shared/one"})
	for i := range 10 * neighbourhoodsKept {
		s.neighbourhoodOf(bucket.URL{Bucket: "b", Prefix: fmt.Sprintf("tenants/%d/data.db", i)})
		if s.neighbourhoodOf(bucket.URL{Bucket: "b", Prefix: fmt.Sprintf("shared/%d", i)}) != shared {
			t.Fatalf("after %d others the neighbourhood in use is another one", i+1)
		}
	}
	if len(s.around) != neighbourhoodsKept {
		t.Errorf("%d neighbourhoods are kept", len(s.around))
	}
	if s.neighbourhoodOf(bucket.URL{Bucket: "other", Prefix: "shared/one"}) == shared {
		t.Error("two buckets share a neighbourhood")
	}
}
