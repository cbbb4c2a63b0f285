package snapshot

import (
	"fmt"
	"os"
	"strings"
	"syscall"
)

// blockingCheckpoint reports whether one connection has the locks of both a
// writer and a checkpoint on the WAL index shm, which only a checkpoint that lets
// no writer in has. It does not see processes of other PID namespaces. Sources:
// https://www.sqlite.org/walformat.html#wal_locks and proc_locks(5)
func blockingCheckpoint(shm string) bool {
	const writer, checkpointer = 120, 121 // offsets of the locks in the file
	info, err := os.Stat(shm)
	if err != nil {
		return false
	}
	locks, err := os.ReadFile("/proc/locks")
	if err != nil {
		return false
	}
	inode := fmt.Sprintf(":%d", info.Sys().(*syscall.Stat_t).Ino)
	type both struct{ writer, checkpointer bool }
	held := map[string]both{} // by PID
	for line := range strings.Lines(string(locks)) {
		var number, kind, advisory, access, pid, file string
		var start, end int
		// A line of a waiting lock has an arrow in place of its kind.
		_, err := fmt.Sscan(line, &number, &kind, &advisory, &access, &pid, &file, &start, &end)
		if err != nil || access != "WRITE" || !strings.HasSuffix(file, inode) {
			continue
		}
		h := held[pid]
		h.writer = h.writer || start <= writer && writer <= end
		h.checkpointer = h.checkpointer || start <= checkpointer && checkpointer <= end
		if held[pid] = h; h.writer && h.checkpointer {
			return true
		}
	}
	return false
}
