package series

import (
	"context"
	"iter"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

// An ID or a time of upload that cannot be right is judged in one place.
func TestJudge(t *testing.T) {
	now := time.Date(2026, 11, 23, 20, 15, 0, 0, time.UTC)
	for _, test := range []struct {
		name                string
		taken, uploaded     time.Duration // ahead of now
		implausible, future bool
	}{
		{"just now", 0, 0, false, false},
		{"a slow upload", -10 * time.Hour, 0, false, false},
		{"a little ahead", 4 * time.Minute, 0, false, false},
		{"both a little ahead", 4 * time.Minute, 4 * time.Minute, false, false},
		{"old, and ahead of its upload", -9 * time.Hour, -10 * time.Hour, true, false},
		{"the ID lies in the future", 6 * time.Minute, 2 * time.Minute, true, true},
		{"a clock ahead named it and dated it", 365 * 24 * time.Hour, 365 * 24 * time.Hour, true, true},
		{"the upload lies in the future", -time.Hour, 6 * time.Minute, true, true},
	} {
		s := Snapshot{Name: Name{ID: snapshot.NewID(now.Add(test.taken))}, Object: bucket.Object{Modified: now.Add(test.uploaded)}}
		s.judge(now)
		if s.Implausible != test.implausible || s.Future != test.future || (s.Why() != "") != test.implausible {
			t.Errorf("%s: implausible %v, future %v, %q", test.name, s.Implausible, s.Future, s.Why())
		}
	}
}

// A listingBucket has many snapshots and counts what is listed.
type listingBucket struct {
	bucket.Bucket
	now     time.Time
	objects []bucket.Object
	listed  int
}

func (b *listingBucket) URL() bucket.URL { return bucket.URL{Dir: "/many"} }

func (b *listingBucket) ClockOffset() (time.Duration, bool) { return time.Until(b.now), true }

func (b *listingBucket) List(_ context.Context, after string) iter.Seq2[bucket.Object, error] {
	return func(yield func(bucket.Object, error) bool) {
		for _, o := range b.objects {
			if o.Name > after {
				b.listed++
				if !yield(o, nil) {
					return
				}
			}
		}
	}
}

func TestNewestListsOnlyTheLastDays(t *testing.T) {
	now := time.Date(2026, 11, 23, 20, 15, 0, 0, time.UTC)
	b := &listingBucket{now: now}
	for hour := 10_000; hour >= 0; hour-- {
		at := now.Add(-time.Duration(hour) * time.Hour)
		b.objects = append(b.objects, bucket.Object{Name: Name{ID: snapshot.NewID(at), Class: Hourly}.String(), Modified: at})
	}
	s, err := Newest(t.Context(), b)
	if err != nil || !s.ID.Time().Equal(now) {
		t.Fatalf("newest %v, %v", s.ID, err)
	}
	if b.listed > onePage+200 { // a page tells that there is more
		t.Errorf("listed %d objects of 10,001 to find the newest", b.listed)
	}
}
