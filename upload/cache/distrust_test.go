package cache

import (
	"errors"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// What a drill has found damaged is not looked up any more, nor what stands on it.
func TestDistrust(t *testing.T) {
	dir, db := t.TempDir(), database(t)
	c, err := Open(dir, app, "app.db", db)
	if err != nil {
		t.Fatal(err)
	}
	at := func(hour int) snapshot.ID { return snapshot.NewID(noon.Add(time.Duration(hour) * time.Hour)) }
	week, other := series.Name{ID: at(-50), Class: series.Weekly}, series.Name{ID: at(-49), Class: series.Daily}
	day := series.Name{ID: at(-2), Class: series.Daily, Base: week.ID}
	hour := series.Name{ID: at(0), Class: series.Hourly, Base: day.ID}
	for _, name := range []series.Name{week, other, day, hour} {
		if err := c.Put(t.Context(), entryNamed(t, name), nil, noon); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Distrust(t.Context(), day.ID); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[series.Name]error{week: nil, other: nil, day: ErrDamaged, hour: ErrDamaged} {
		if _, err := c.Lookup(entryNamed(t, name).Object); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
	if !c.KnowsAny() {
		t.Error("a cache that distrusts all is no empty one")
	}
	if err := c.Put(t.Context(), entryNamed(t, hour), nil, noon); err != nil { // uploaded anew
		t.Fatal(err)
	}
	if _, err := c.Lookup(entryNamed(t, hour).Object); err != nil {
		t.Error(err)
	}
}

// entryNamed returns an entry of a snapshot with that name.
func entryNamed(t *testing.T, name series.Name) Entry {
	t.Helper()
	e, _ := snapshotAt(t, noon, name.Class, 100)
	e.ID, e.Object.Name, e.Object.ETag = name.ID, name.String(), "etag-of-"+string(name.ID)
	return e
}
