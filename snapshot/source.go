package snapshot

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/mattn/go-sqlite3"
	"golang.org/x/sys/unix"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/reason"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite"
)

// openSource opens a live database without changing it. Opening reads it, so it
// waits for other connections' locks like all that follows.
func openSource(ctx context.Context, path string, wait time.Duration) (*sqlite.Conn, error) {
	real, err := sqlite.Locate(path)
	if err != nil {
		return nil, err
	}
	var c *sqlite.Conn
	err = sqlite.Retry(ctx, wait, func() (err error) {
		c, err = tryOpen(path, real)
		return err
	})
	if err != nil {
		return nil, sqlite.Waited(err, wait)
	}
	c.Wait = wait
	return c, nil
}

// tryOpen opens the database at real, which messages call path. A read-only
// open of a clean WAL database would leave -wal and -shm files behind; a
// read-write open of one with an unfolded WAL would fold it when it is the last
// to close.
func tryOpen(path, real string) (*sqlite.Conn, error) {
	mode := "rw"
	for _, suffix := range []string{"-wal", "-shm", "-journal"} {
		info, err := os.Stat(real + suffix)
		if err == nil && !info.Mode().IsRegular() { // SQLite would wait for a writer of a FIFO
			return nil, reason.Errorf(ErrSource, nil, "open database %s: what stands beside it as %s is not a regular file", path, filepath.Base(real)+suffix)
		}
		if err == nil && suffix == "-wal" {
			mode = "ro"
		}
	}
	if err := sqlite.CutShort(real); err != nil {
		return nil, err
	}
	c, err := sqlite.OpenSource(real, sqlite.AttemptTime, url.Values{"mode": {mode}})
	if err == nil || sqlite.IsLocked(err) {
		return c, err
	}
	// It is there and can be read (Locate): only the making of a -shm file fails so.
	noSHM := sqlite.Code(err) == sqlite3.ErrCantOpen || sqlite.Code(err) == sqlite3.ErrReadonly
	if denied := unix.Faccessat(unix.AT_FDCWD, filepath.Dir(real), unix.W_OK, unix.AT_EACCESS); noSHM && denied != nil {
		return nil, reason.Errorf(ErrSource, denied, "open %s: its directory is not writable, and a WAL database needs a -shm file there: %v", real, denied)
	}
	return nil, err
}
