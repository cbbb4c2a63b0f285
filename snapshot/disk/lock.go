package disk

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/pause"
	"golang.org/x/sys/unix"
)

const lockPause = 5 * time.Millisecond

// Lock takes the exclusive lock of an open file or directory, which lasts until f
// is closed or the process ends. It waits for the lock as long as ctx lasts, and
// returns ctx's error if another process has kept it until then.
func Lock(ctx context.Context, f *os.File) error {
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			return err
		}
		if pause.For(ctx, lockPause) != nil {
			return ctx.Err()
		}
	}
}
