package cache

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// What is there is found without its database, and what is not there is not made.
func TestFind(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	if c, err := Find(dir, app, "app.db", ""); c != nil || !errors.Is(err, ErrUnknown) {
		t.Errorf("%v, %v", c, err)
	}
	if _, err := os.Lstat(dir); !os.IsNotExist(err) {
		t.Errorf("the directory was made: %v", err)
	}
	e, _ := put(t, openAt(t, dir), noon, series.Daily)
	found, err := Find(dir, app, "app.db", "")
	if err != nil {
		t.Fatal(err)
	}
	checkEntry(t, found, e)
	if _, err := Find(dir, app, "other.db", ""); !errors.Is(err, ErrUnknown) {
		t.Errorf("of another database: %v", err)
	}
}

func TestStrangers(t *testing.T) {
	var all []series.Snapshot
	add := func(taken time.Time) Entry {
		e, _ := snapshotAt(t, taken, series.Daily, 1)
		s, _ := series.SnapshotOf(e.Object, noon.AddDate(0, 1, 0))
		all = append(all, s)
		return e
	}
	c := openAt(t, t.TempDir())
	add(noon.AddDate(0, 0, -3)) // from before this machine's time
	for _, day := range []int{-2, 0} {
		if err := c.Put(t.Context(), add(noon.AddDate(0, 0, day)), nil, noon); err != nil {
			t.Fatal(err)
		}
		add(noon.AddDate(0, 0, day+1))
	}
	got := c.Strangers(all)
	if len(got) != 2 || got[0].ID != all[2].ID || got[1].ID != all[4].ID {
		t.Errorf("%v of %v", got, all)
	}
	if got := (*Cache)(nil).Strangers(all); got != nil {
		t.Errorf("without a cache: %v", got)
	}
}
