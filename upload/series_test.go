package upload

import (
	"context"
	"errors"
	"iter"
	"slices"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

// testSnapshots: what others put there is ignored, not fatal.
func testSnapshots(t *testing.T, s store) {
	b := s.open(t)
	now := time.Now()
	var want []snapshot.ID
	for _, age := range []time.Duration{time.Hour, 0, 30 * time.Hour} {
		id := snapshot.NewID(now.Add(-age))
		want = append(want, id)
		put(t, b, string(id)+Suffix, []byte("x"), bucket.Tags{TagRetention: Held})
	}
	slices.Sort(want)
	id := string(want[0])
	for _, foreign := range []string{
		"README", id, id + ".db", "x" + id + Suffix, id + ".db.zst.part", "20261399T000000Z-000000.db.zst",
		"nested/" + id + Suffix, id[:len(id)-6] + "ABCDEF" + Suffix,
	} {
		s.plant(t, b, foreign, []byte("foreign"))
	}
	check := func(after time.Time, want []snapshot.ID) {
		t.Helper()
		got, err := Snapshots(t.Context(), b, after)
		if err != nil {
			t.Fatal(err)
		}
		var ids []snapshot.ID
		for _, s := range got {
			ids = append(ids, s.ID)
			if s.Implausible || s.Object.Size != 1 || s.Object.Name != string(s.ID)+Suffix {
				t.Errorf("%+v", s)
			}
		}
		if !slices.Equal(ids, want) {
			t.Errorf("after %v: %v, want %v", after, ids, want)
		}
	}
	check(time.Time{}, want)
	check(want[1].Time(), want[1:])
	check(want[1].Time().Add(time.Second), want[2:])
}

func testNewest(t *testing.T, s store) {
	b := s.open(t)
	now := time.Now()
	if _, err := Newest(t.Context(), b); !errors.Is(err, bucket.ErrNotFound) {
		t.Errorf("newest of an empty series: %v, want ErrNotFound", err)
	}
	add := func(ahead time.Duration) snapshot.ID {
		id := snapshot.NewID(now.Add(ahead))
		put(t, b, string(id)+Suffix, []byte("x"), nil)
		return id
	}
	newest := func() snapshot.ID {
		t.Helper()
		s, err := Newest(t.Context(), b)
		if err != nil {
			t.Fatal(err)
		}
		return s.ID
	}
	ahead := add(6 * time.Minute)
	if _, err := Newest(t.Context(), b); !errors.Is(err, bucket.ErrNotFound) {
		t.Errorf("newest of an implausible one: %v, want ErrNotFound", err)
	}
	for _, ago := range []time.Duration{400 * 24 * time.Hour, 9 * 24 * time.Hour, 7 * 24 * time.Hour, time.Second, -4 * time.Minute} {
		if want, got := add(-ago), newest(); got != want {
			t.Errorf("newest is %s, want %s", got, want)
		}
	}
	all, err := Snapshots(t.Context(), b, time.Time{})
	if err != nil || len(all) != 6 || all[5].ID != ahead || !all[5].Implausible || all[4].Implausible {
		t.Errorf("snapshots %+v, %v: want the last of six implausible, no other", all, err)
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

func (b *listingBucket) ClockOffset() time.Duration { return time.Until(b.now) }

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
		b.objects = append(b.objects, bucket.Object{Name: string(snapshot.NewID(at)) + Suffix, Modified: at})
	}
	s, err := Newest(t.Context(), b)
	if err != nil || !s.ID.Time().Equal(now) {
		t.Fatalf("newest %v, %v", s.ID, err)
	}
	if b.listed > 200 {
		t.Errorf("listed %d objects of 10,001 to find the newest", b.listed)
	}
}

// An error of the listing is not an empty series.
func TestListingFails(t *testing.T) {
	b, err := Open(t.Context(), bucket.URL{Dir: t.TempDir() + "/missing"}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Snapshots(t.Context(), b, time.Time{}); !errors.Is(err, bucket.ErrNotFound) {
		t.Errorf("snapshots of a directory that is not there: %v, want ErrNotFound", err)
	}
}
