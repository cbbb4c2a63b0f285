package main

import (
	"slices"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/lifecycle"
	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

func TestRuleless(t *testing.T) {
	missing := lifecycle.DefaultPolicy()
	missing[lifecycle.Hourly], missing[lifecycle.Weekly] = lifecycle.Forever, lifecycle.Forever
	for _, c := range []struct {
		policy lifecycle.Policy
		want   []string
	}{
		{lifecycle.DefaultPolicy(), nil},
		{lifecycle.Policy{lifecycle.Recent: 4, lifecycle.Daily: lifecycle.Forever}, nil},
		{missing, []string{"hourly", "weekly"}},
	} {
		if got := ruleless(c.policy); !slices.Equal(got, c.want) {
			t.Errorf("%v: %v, want %v", c.policy, got, c.want)
		}
	}
}

// Trends go by the size a week ago, and only the last ten sizes are told.
func TestTrend(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		days  int
		size  func(day int) int64 // 0 is the newest
		trend string
		base  int // days ago
	}{
		{1, func(int) int64 { return 1 }, "", 0},
		{3, func(int) int64 { return 0 }, "", 0}, // cut short: nothing to compare
		{3, func(day int) int64 { return int64(2 - day) }, "", 0},
		{20, func(day int) int64 { return int64(1000 - day) }, "steady", 7},
		{20, func(day int) int64 { return int64(1000 - 20*day) }, "growing", 7},
		{20, func(day int) int64 { return int64(1000 + 20*day) }, "shrinking", 7},
		{4, func(day int) int64 { return int64(1000 + 20*day) }, "shrinking", 0},
	} {
		var items []lifecycle.Item
		for day := c.days - 1; day >= 0; day-- {
			taken := now.AddDate(0, 0, -day)
			items = append(items, lifecycle.Item{Snapshot: series.Snapshot{Name: series.Name{ID: snapshot.NewID(taken), Class: series.Daily}, Object: bucket.Object{Size: c.size(day), Modified: taken}}})
		}
		var d healthDocument
		d.describe(items, lifecycle.Terms{Hold: lifecycle.DefaultHold}, now)
		if d.Trend != c.trend || len(d.Sizes) != min(c.days, 10) || d.Sizes[len(d.Sizes)-1].Stored != c.size(0) {
			t.Errorf("%d days: %s, sizes %v; want %s", c.days, d.Trend, d.Sizes, c.trend)
		}
		if (d.WeekAgo != nil) != (c.base > 0) || d.WeekAgo != nil && d.WeekAgo.Stored != c.size(c.base) {
			t.Errorf("%d days: a week ago %v", c.days, d.WeekAgo)
		}
	}
}
