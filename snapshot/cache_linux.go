package snapshot

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// memoryIsScarce reports whether size bytes of files, read and written, would
// displace files that other processes read all the time: whether less than twice
// that size is free or holds files that were read only once. Where the kernel does
// not report it, memory is not scarce.
func memoryIsScarce(size int64) bool {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return false
	}
	room, known := int64(0), false
	for line := range strings.Lines(string(text)) {
		var name string
		var kib int64
		if _, err := fmt.Sscan(line, &name, &kib); err == nil && (name == "MemFree:" || name == "Inactive(file):") {
			room, known = room+kib<<10, true
		}
	}
	return known && room/2 < size
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
