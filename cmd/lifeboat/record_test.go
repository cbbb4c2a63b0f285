package main

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket/buckettest"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
)

// A drill is recorded beside the other tags, whatever has become of them since the
// listing. Where that cannot be, no tag is lost.
func TestRecord(t *testing.T) {
	server := testserver.Start(t)
	server.Setenv(t)
	for name, url := range map[string]string{"directory": "file://" + t.TempDir(), "S3": "s3://" + server.Bucket(t) + "/app"} {
		t.Run(name, func(t *testing.T) {
			b, err := upload.Open(t.Context(), url, upload.Options{})
			if err != nil {
				t.Fatal(err)
			}
			id := snapshot.NewID(time.Now())
			object := buckettest.Put(t, b, buckettest.ObjectName(id), []byte("x"), bucket.Tags{series.TagRetention: series.Held(series.Daily)})
			s := series.Snapshot{Name: series.Name{ID: id, Class: series.Daily}, Object: object}
			set := func(tags bucket.Tags) {
				t.Helper()
				if err := b.SetTags(t.Context(), object, tags); err != nil {
					t.Fatal(err)
				}
			}
			has := func(want bucket.Tags) {
				t.Helper()
				if got, err := b.Tags(t.Context(), object); err != nil || !maps.Equal(got, want) {
					t.Errorf("tags %v, want %v: %v", got, want, err)
				}
			}
			tags := bucket.Tags{series.TagRetention: "daily", "team": "blue"}
			set(tags)
			for _, hour := range []int{3, 4} {
				if err := record(t.Context(), b, s, time.Date(2026, 11, 25, hour, 0, 0, 0, time.UTC)); err != nil {
					t.Fatal(err)
				}
			}
			tags[series.TagVerified] = "2026-11-25T04:00:00Z"
			has(tags)
			if name == "S3" { // takes ten tags
				delete(tags, series.TagVerified)
				for i := 0; len(tags) < 10; i++ {
					tags[fmt.Sprint("mine-", i)] = "x"
				}
				set(tags)
				if err := record(t.Context(), b, s, time.Now()); !errors.Is(err, errNotRecorded) {
					t.Error(err)
				}
				has(tags)
			}
			if err := b.Delete(t.Context(), object); err != nil {
				t.Fatal(err)
			}
			if err := record(t.Context(), b, s, time.Now()); !errors.Is(err, errNotRecorded) || errors.Is(err, bucket.ErrNotFound) {
				t.Errorf("recorded on nothing: %v", err)
			}
		})
	}
}

// A sample is the newest and some of the older ones that count, each as often as any
// other.
func TestSample(t *testing.T) {
	var all []series.Snapshot
	for i := range 10 {
		all = append(all, series.Snapshot{Name: series.Name{ID: snapshot.ID(fmt.Sprint(i))}, Implausible: i == 9, Broken: i == 4})
	}
	random := rand.New(rand.NewPCG(1, 2))
	picked := map[snapshot.ID]int{}
	for range 1000 {
		chosen := sample(all, all[8], 3, random)
		slices.SortFunc(chosen, func(a, b series.Snapshot) int { return int(b.ID[0]) - int(a.ID[0]) })
		if len(chosen) != 4 || chosen[0].ID != "8" {
			t.Fatal(chosen)
		}
		for i, s := range chosen {
			if !s.Counts() || i > 0 && s.ID == chosen[i-1].ID {
				t.Fatal(chosen)
			}
			picked[s.ID]++
		}
	}
	for id, n := range picked { // 1000 times 3 of 7
		if id != "8" && (n < 350 || n > 510) {
			t.Errorf("%s was picked %d times", id, n)
		}
	}
	if len(picked) != 8 {
		t.Errorf("picked %v", picked)
	}
	if got := sample(all, all[8], 100, random); len(got) != 8 {
		t.Error(got)
	}
	if got := sample(all, all[8], 0, random); len(got) != 1 || got[0].ID != "8" {
		t.Error(got)
	}
}
