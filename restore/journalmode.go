package restore

import (
	"fmt"
	"os"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/disk"
)

// A journalMode is what a database's header says of its journal mode. Source:
// https://www.sqlite.org/fileformat2.html, "file format version numbers".
type journalMode byte

const (
	asItIs       journalMode = 0 // also said of what is no database
	rollbackMode journalMode = 1
	walMode      journalMode = 2
)

// modeNamed returns the mode that SQLite and manifests name so.
func modeNamed(name string) journalMode {
	if name == "wal" {
		return walMode
	}
	return rollbackMode
}

// set sets the mode of a database file, as PRAGMA journal_mode would.
func (m journalMode) set(f *os.File) error {
	if m == asItIs {
		return nil
	}
	const offset = 18 // of the versions to write and to read
	want := [2]byte{byte(m), byte(m)}
	var now [2]byte
	if _, err := f.ReadAt(now[:], offset); err != nil {
		return fmt.Errorf("read the restored database's header: %w", err)
	}
	if now == want {
		return nil
	}
	_, err := f.WriteAt(want[:], offset)
	return disk.Wrap("write the restored database's header", err)
}
