package upload

import (
	"context"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// lockWait is how long a directory's lock is waited for: it is held for
	// the reading and writing of one small file.
	lockWait  = 2 * time.Second
	lockPause = 5 * time.Millisecond
)

// LockTags implements bucket.TagLocker. It locks the directory itself against other processes, without a file of
// its own. A kill frees it. Some network file systems have no such locks, and
// whoever may read the directory can hold it: so without it things go on,
// as in a store that has none.
func (b *directory) LockTags(ctx context.Context) (unlock func(), locked bool) {
	none := func() {}
	dir, err := os.Open(b.url.Dir)
	if err != nil {
		return none, false
	}
	deadline := time.Now().Add(lockWait)
	for {
		err := unix.Flock(int(dir.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { dir.Close() }, true
		}
		if err != unix.EWOULDBLOCK && err != unix.EINTR || ctx.Err() != nil || time.Now().After(deadline) {
			dir.Close()
			return none, false
		}
		time.Sleep(lockPause)
	}
}
