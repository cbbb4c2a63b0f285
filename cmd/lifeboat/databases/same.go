package databases

import (
	"fmt"
	"path/filepath"
)

// byFile returns the databases by the files that they are, as far as those are there.
func byFile(all []*Database) map[fileID][]*Database {
	files := map[fileID][]*Database{}
	for _, d := range all {
		if id, ok := idOf(d.Path); ok {
			files[id] = append(files[id], d)
		}
	}
	return files
}

// Claimed returns those of the databases that discover has found and that another entry
// finds by its path or pattern: they are that entry's, with its settings.
func Claimed(all []*Database) map[*Database]bool {
	claimed := map[*Database]bool{}
	for _, same := range byFile(all) {
		byPath := false
		for _, d := range same {
			byPath = byPath || !d.Entry.Discover
		}
		for _, d := range same {
			if byPath && d.Entry.Discover {
				claimed[d] = true
			}
		}
	}
	return claimed
}

// RefuseLinked gives an error to the databases that are one file under several names, by
// hard links. SQLite keeps the WAL of a database under the name by which it was opened,
// so through another name its newest transactions are not seen. A symlink is no such
// name: SQLite resolves it.
func RefuseLinked(all []*Database) {
	for _, same := range byFile(all) {
		if len(same) == 1 {
			continue
		}
		real := map[*Database]string{}
		for _, d := range same {
			real[d], _ = filepath.EvalSymlinks(d.Path)
		}
		for _, d := range same {
			for _, other := range same {
				if real[d] != real[other] && d.Err == nil {
					d.Err = fmt.Errorf("it is a hard link to the same file as %s (line %d), and only one of the names has the database's WAL: remove the other", other.Path, other.Entry.Line)
				}
			}
		}
	}
}
