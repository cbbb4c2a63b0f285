package buckettest

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// testSnapshots: what others put there is ignored, not fatal.
func testSnapshots(t *testing.T, s Store) {
	b := s.Open(t)
	now := time.Now()
	var want []snapshot.ID
	for _, age := range []time.Duration{time.Hour, 0, 30 * time.Hour} {
		id := snapshot.NewID(now.Add(-age))
		want = append(want, id)
		Put(t, b, ObjectName(id), []byte("x"), bucket.Tags{series.TagRetention: series.Held(series.Daily)})
	}
	slices.Sort(want)
	id := string(want[0])
	for _, foreign := range []string{
		"README", id, id + ".db", id + ".db.zst", "x" + ObjectName(want[0]), ObjectName(want[0]) + ".part", "20261399T000000Z-000000.daily.db.zst",
		"nested/" + ObjectName(want[0]), ObjectName(snapshot.ID(id[:len(id)-6] + "ABCDEF")),
		id + ".eternal.db.zst", id + ".daily.on-" + id[:len(id)-1] + ".wal.zst",
	} {
		s.Plant(t, b, foreign, []byte("foreign"))
	}
	check := func(after time.Time, want []snapshot.ID) {
		t.Helper()
		got, err := series.Snapshots(t.Context(), b, after)
		if err != nil {
			t.Fatal(err)
		}
		var ids []snapshot.ID
		for _, s := range got {
			ids = append(ids, s.ID)
			if s.Implausible || s.Object.Size != 1 || s.Object.Name != ObjectName(s.ID) {
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

func testNewest(t *testing.T, s Store) {
	b := s.Open(t)
	now := time.Now()
	if _, err := series.Newest(t.Context(), b); !errors.Is(err, bucket.ErrNotFound) {
		t.Errorf("newest of an empty series: %v, want ErrNotFound", err)
	}
	add := func(ahead time.Duration) snapshot.ID {
		id := snapshot.NewID(now.Add(ahead))
		Put(t, b, ObjectName(id), []byte("x"), nil)
		return id
	}
	newest := func() snapshot.ID {
		t.Helper()
		s, err := series.Newest(t.Context(), b)
		if err != nil {
			t.Fatal(err)
		}
		return s.ID
	}
	ahead := add(2 * time.Hour)
	if _, err := series.Newest(t.Context(), b); !errors.Is(err, bucket.ErrNotFound) {
		t.Errorf("newest of an implausible one: %v, want ErrNotFound", err)
	}
	for _, ago := range []time.Duration{400 * 24 * time.Hour, 9 * 24 * time.Hour, 7 * 24 * time.Hour, time.Second, -4 * time.Minute} {
		if want, got := add(-ago), newest(); got != want {
			t.Errorf("newest is %s, want %s", got, want)
		}
	}
	all, err := series.Snapshots(t.Context(), b, time.Time{})
	if err != nil || len(all) != 6 || all[5].ID != ahead || !all[5].Implausible || all[4].Implausible {
		t.Errorf("snapshots %+v, %v: want the last of six implausible, no other", all, err)
	}
}
