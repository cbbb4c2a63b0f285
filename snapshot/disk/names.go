package disk

import (
	"errors"
	"os"
)

// SyncDir makes the names in a directory durable.
func SyncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return Wrap("sync the directory "+path, errors.Join(dir.Sync(), dir.Close()))
}

// linkNew is RenameNew for file systems that know no exclusive rename.
func linkNew(from, to string) error {
	if err := os.Link(from, to); err != nil {
		return err
	}
	return os.Remove(from)
}
