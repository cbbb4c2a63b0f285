package dirstore

import (
	"context"
	"os"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/disk"
)

// lockWait is how long a directory's lock is waited for: it is held for the
// reading and writing of one small file.
const lockWait = 2 * time.Second

// LockTags implements bucket.TagLocker. It locks the directory itself against
// other processes, without a file of its own. A kill frees it. Some network file
// systems have no such locks, and any user who may read the directory can keep
// it: so without it things go on, as in a store that has none.
func (b *directory) LockTags(ctx context.Context) (unlock func(), locked bool) {
	dir, err := os.Open(b.url.Dir)
	if err != nil {
		return func() {}, false
	}
	limited, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	if disk.Lock(limited, dir) != nil {
		dir.Close()
		return func() {}, false
	}
	return func() { dir.Close() }, true
}
