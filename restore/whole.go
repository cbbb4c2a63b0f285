package restore

import (
	"errors"
	"os"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/disk"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/reason"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite"
)

// fitForLive returns an error for a target that SQLite cannot open as a database while
// a sidecar has content, which SQLite would fold into it or delete, and for one that
// SQLite would never finish opening. It opens the file only where this process has
// no connection to it, whose locks a close of the file would drop.
func (t target) fitForLive(o Options) error {
	if err := sqlite.CutShort(t.path); errors.Is(err, snapshot.ErrCutShort) {
		return reason.Errorf(ErrCannotLive, snapshot.ErrCutShort, "cannot write into it live: %v", err)
	} else if err != nil {
		return err
	}
	open, err := openHere(t.info)
	switch {
	case open: // then SQLite could open it
		return nil
	case err != nil && !o.AssumeClosed:
		return reason.Errorf(ErrUncertain, err, "cannot tell whether this process itself has %s open, which would lose its locks: %v", t.path, err)
	}
	dirty, err := t.dirty()
	if err != nil || !dirty && t.info.Size() == 0 {
		return err
	}
	whole, err := t.whole()
	if err != nil || whole {
		return err
	}
	return t.notADatabase(errors.New("its header or its schema is damaged"))
}

func (t target) notADatabase(why error) error {
	return reason.Errorf(ErrCannotLive, why, "%s is not a database that SQLite can open: %v", t.path, why)
}

// whole reports whether SQLite may open the file: it begins as a database does, has
// not lost pages over which a sidecar would be replayed, and has a schema that comes
// to an end. This process must not have it open.
func (t target) whole() (bool, error) {
	f, err := disk.OpenRegular(t.path, os.O_RDONLY)
	if err != nil {
		return false, openRefused(t.path, err)
	}
	defer f.Close() // only read from
	return t.wholeIn(f)
}

// wholeIn is whole for a file that is open already.
func (t target) wholeIn(f *os.File) (bool, error) {
	var b [100]byte
	n, _ := f.ReadAt(b[:], 0) // a short file has no header
	h, err := sqlite.ParseHeader(b[:n])
	if err != nil {
		return false, nil
	}
	if err := sqlite.CutShort(t.path); errors.Is(err, snapshot.ErrCutShort) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	main, err := f.Stat()
	if err != nil {
		return false, err
	}
	wal, err := os.Stat(t.path + "-wal")
	if err != nil && !isAbsent(err) {
		return false, err
	}
	// What the main file lacks, the WAL must have.
	if err == nil && wal.Size() > 0 && main.Size()+wal.Size() < h.Size() {
		return false, nil
	}
	endless, err := t.endlessSchema(f, h.PageSize)
	return !endless, err
}
