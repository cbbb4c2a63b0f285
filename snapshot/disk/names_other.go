//go:build !linux

package disk

import "path/filepath"

// RenameNew renames a file to a name that is not taken, or fails with
// os.ErrExist. It links and unlinks: a death in between leaves both names.
func RenameNew(from, to string) error {
	return Wrap("rename "+from+" to "+filepath.Base(to), linkNew(from, to))
}
