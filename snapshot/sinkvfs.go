package snapshot

import "github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite/virtual"

// sinkFile is a sink as SQLite sees it.
type sinkFile struct {
	virtual.Private
	*sink
}

// Truncate implements sqlite3vfs.File.
func (f sinkFile) Truncate(size int64) error {
	f.end = size
	return nil
}

// FileSize implements sqlite3vfs.File.
func (f sinkFile) FileSize() (int64, error) { return f.end, nil }
