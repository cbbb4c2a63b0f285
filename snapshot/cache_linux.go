package snapshot

import (
	"os"

	"golang.org/x/sys/unix"
)

// memoryIsScarce reports whether keeping size bytes of files in memory, and as
// much again that is written meanwhile, would take memory from what others
// have in the page cache.
func memoryIsScarce(size int64) bool {
	var info unix.Sysinfo_t
	return unix.Sysinfo(&info) == nil && uint64(info.Freeram)*uint64(info.Unit) < 2*uint64(size)
}

// dropCache lets the kernel forget a range of a file that will hardly be read
// again. Pages must be on disk for that, so they are written first. It is
// advice: where it is not taken nothing is lost.
func dropCache(f *os.File, offset, length int64) {
	fd := int(f.Fd())
	const write = unix.SYNC_FILE_RANGE_WAIT_BEFORE | unix.SYNC_FILE_RANGE_WRITE | unix.SYNC_FILE_RANGE_WAIT_AFTER
	if unix.SyncFileRange(fd, offset, length, write) == nil {
		unix.Fadvise(fd, offset, length, unix.FADV_DONTNEED)
	}
}
