package cache

import (
	"context"
	"errors"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/disk"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// Distrust notes that a snapshot is damaged: neither it nor what stands on it is looked
// up any more, so that no differential comes to stand on them and no run takes them for
// what the database holds.
func (c *Cache) Distrust(ctx context.Context, id snapshot.ID) error {
	if c == nil {
		return nil
	}
	return disk.Wrap("distrust a snapshot in the cache", c.change(ctx, func(entries []Entry) (err error) {
		damaged := map[snapshot.ID]bool{id: true}
		for _, e := range entries { // a base sorts before what stands on it
			name, _ := series.ParseName(e.Object.Name)
			if !damaged[e.ID] && !damaged[name.Base] {
				continue
			}
			damaged[e.ID], e.damaged = true, true
			err = errors.Join(err, c.writeEntry(e))
		}
		return err
	}))
}
