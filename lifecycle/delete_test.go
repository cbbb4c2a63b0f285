package lifecycle

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/lifecycle/lifecycletest"
	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// Ten daily snapshots, the first of them nine days old, and what Delete says of one.
func TestMayDelete(t *testing.T) {
	now := lifecycletest.At("2026-11-20 07:00")
	for name, c := range map[string]struct {
		change func(items []Item) []Item
		at     int
		terms  Terms
		want   error
	}{
		"superseded for long":    {at: 3},
		"the day of the hold":    {at: 4},
		"within the hold":        {at: 6, want: ErrTooSoon},
		"within a shorter hold":  {at: 6, terms: Terms{Hold: day}},
		"no hold":                {at: 8, terms: Terms{Hold: NoHold}},
		"the newest":             {at: 9, terms: Terms{Hold: NoHold}, want: ErrNewest},
		"released":               {at: 3, change: func(i []Item) []Item { return tagged(i, "daily", 3) }},
		"released within it":     {at: 7, change: func(i []Item) []Item { return tagged(i, "daily", 7) }, want: ErrTooSoon},
		"pinned":                 {at: 3, change: func(i []Item) []Item { return tagged(i, series.Pinned, 3) }, want: ErrPinned},
		"without a tag":          {at: 3, change: func(i []Item) []Item { return tagged(i, "", 3) }},
		"with a tag of others":   {at: 3, change: func(i []Item) []Item { return tagged(i, "keep-me", 3) }},
		"damaged tags":           {at: 3, change: func(i []Item) []Item { i[3].Damaged = bucket.ErrTagsDamaged; return i }, want: bucket.ErrTagsDamaged},
		"a base":                 {at: 3, change: func(i []Item) []Item { i[4].Base = i[3].ID; return i }, want: ErrBase},
		"a base of a broken one": {at: 3, change: func(i []Item) []Item { i[4].Base, i[4].Broken = i[3].ID, true; return i }, want: ErrBase},
		"heavier than twice":     {at: 3, change: func(i []Item) []Item { return weighing(i, 3, 2001) }, want: ErrShrunk},
		"twice as heavy":         {at: 3, change: func(i []Item) []Item { return weighing(i, 3, 2000) }},
		"the guard overridden":   {at: 3, change: func(i []Item) []Item { return weighing(i, 3, 2001) }, terms: Terms{IgnoreShrink: true}},
		"another heavy one":      {at: 3, change: func(i []Item) []Item { return weighing(i, 2, 2001) }},

		"one in the future":                 {at: 3, change: func(i []Item) []Item { i[9].Implausible, i[9].Future = true, true; return i }, want: ErrFuture},
		"the one in the future":             {at: 9, change: func(i []Item) []Item { return inFuture(i, now, true) }},
		"the one in the future is the last": {at: 9, change: func(i []Item) []Item { return inFuture(i, now, true)[9:] }, want: ErrNewest},
		"its ID is, and it came last":       {at: 9, change: func(i []Item) []Item { return inFuture(i, now, false) }, want: ErrTooSoon},
		"its ID is, and another came later": {at: 9, change: func(i []Item) []Item {
			i = inFuture(i, now, false)
			i[8].Object.Modified = now
			return i
		}},
		"broken":                {at: 3, change: func(i []Item) []Item { i[3].Broken = true; return i }},
		"broken and the newest": {at: 9, change: func(i []Item) []Item { i[9].Broken = true; return i }, want: ErrTooSoon},
	} {
		items := itemsAt(days("2026-11-11 06:00", 10, day)...)
		at := c.at
		if c.change != nil {
			items = c.change(items)
			at -= 10 - len(items)
		}
		if err := mayDelete(items, at, c.terms, now); !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func weighing(items []Item, at int, size int64) []Item {
	items[at].Object.Size = size
	return items
}

// inFuture makes the last item one of a wrong clock, which has named it a year ahead and,
// in a directory, given its file that time.
func inFuture(items []Item, now time.Time, uploaded bool) []Item {
	last := &items[len(items)-1]
	id, err := snapshot.ParseID(now.AddDate(1, 0, 0).Format("20060102T150405Z") + "-abcdef")
	if err != nil {
		panic(err)
	}
	last.ID, last.Implausible, last.Future = id, true, true
	if uploaded {
		last.Object.Modified = now.AddDate(1, 0, 0)
	}
	return items
}

// Delete asks again at the last moment: a pin that came meanwhile wins.
func TestDeleteLosesToAPin(t *testing.T) {
	c := newClockwork(lifecycletest.At("2026-11-11 06:00"))
	for range 10 {
		c.now = c.now.Add(day)
		c.backup(t, "0123456789")
	}
	items, err := List(t.Context(), c, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	id := items[3].ID
	if _, err := WouldDelete(t.Context(), c, id, Terms{}); err != nil || len(c.objects) != 10 {
		t.Fatalf("would delete: %v, %d left", err, len(c.objects))
	}
	_, err = Delete(t.Context(), &pinnedMeanwhile{Bucket: c, object: items[3].Object}, id, Options{})
	if !errors.Is(err, bucket.ErrChanged) || len(c.objects) != 10 {
		t.Errorf("beside a pin: %v, %d left", err, len(c.objects))
	}
	id = items[4].ID
	if _, err := Delete(t.Context(), c, id, Options{}); err != nil || len(c.objects) != 9 {
		t.Errorf("%v, %d left", err, len(c.objects))
	}
	if _, err := Delete(t.Context(), c, id, Options{}); !errors.Is(err, bucket.ErrNotFound) {
		t.Errorf("of one that is gone: %v", err)
	}
}

// A pinnedMeanwhile bucket pins an object after its tags were read for the first time.
type pinnedMeanwhile struct {
	bucket.Bucket
	object bucket.Object
	read   bool
}

func (b *pinnedMeanwhile) Unwrap() bucket.Bucket { return b.Bucket }

func (b *pinnedMeanwhile) Tags(ctx context.Context, o bucket.Object) (bucket.Tags, error) {
	tags, err := b.Bucket.Tags(ctx, o)
	if o.Name == b.object.Name && !b.read {
		b.read = true
		return tags, errors.Join(err, b.SetTags(ctx, o, bucket.Tags{series.TagRetention: series.Pinned}))
	}
	return tags, err
}

// In a directory the tags go with the snapshot.
func TestDeleteTakesTheTags(t *testing.T) {
	dir := t.TempDir()
	b, err := upload.OpenURL(t.Context(), bucket.URL{Dir: dir}, upload.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		lifecycletest.Put(t, b, time.Now().Add(time.Duration(i-3)*24*time.Hour), series.Held(series.Daily), "0123456789")
	}
	items, err := List(t.Context(), b, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Delete(t.Context(), b, items[0].ID, Options{Terms: Terms{Hold: NoHold}}); err != nil {
		t.Fatal(err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, string(items[0].ID)+"*")); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, string(items[1].ID)+"*")); err != nil || len(left) != 2 {
		t.Errorf("of the other one: %v, %v", left, err)
	}
}
