//go:build !linux

package snapshot

// blockingCheckpoint always returns false: only Linux lists the locks of other processes.
func blockingCheckpoint(string) bool { return false }
