package upload

import (
	"github.com/lifeboat-sqlite/lifeboat/snapshot"
)

// Suffix ends the name of every snapshot object: <ID>.db.zst.
const Suffix = ".db.zst"

// A Snapshot is one snapshot of a series as the listing shows it.
type Snapshot struct {
	ID     snapshot.ID
	Object Object
	// Implausible: the ID is more than five minutes ahead of the store's own
	// time of the upload. Such a snapshot is never the newest one.
	Implausible bool
}
