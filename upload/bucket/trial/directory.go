package trial

import "github.com/lifeboat-sqlite/lifeboat/upload/bucket"

// A DirectoryBucket is a bucket in a directory: see bucket.As. Its errors are
// those of the file system.
type DirectoryBucket interface {
	bucket.Bucket

	// Trial begins a trial. Its Close must be called.
	Trial() Directory
}

// A Directory is one trial of a directory on its way, with one file. What the
// others do needs Write to have succeeded.
type Directory interface {
	// Write writes the file in the way of a backup, and syncs it.
	Write(content []byte) error
	// Sync makes the file's name durable.
	Sync() error
	// Place gives the file another name in the way of a backup that replaces
	// nothing, and returns by what means.
	Place() (means string, err error)
	// Remove removes the file.
	Remove() error
	// Close removes what is still there and returns the paths of what remains.
	Close() (left []string)
}
