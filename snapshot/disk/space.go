package disk

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Free returns the bytes that this user may still write where path is.
func Free(path string) (int64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(path, &s); err != nil {
		return 0, fmt.Errorf("find out the free space of %s: %w", path, err)
	}
	return int64(s.Bavail) * int64(s.Bsize), nil
}

// IsSame reports whether two paths are on one file system. It is false where
// that cannot be found out.
func IsSame(a, b string) bool {
	var x, y unix.Stat_t
	return unix.Stat(a, &x) == nil && unix.Stat(b, &y) == nil && x.Dev == y.Dev
}
