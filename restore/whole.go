package restore

import (
	"errors"
	"fmt"
	"os"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
)

// fitForLive refuses a target that SQLite cannot open as a database while a
// sidecar has content: SQLite would fold that into it, or delete it.
func (t target) fitForLive() error {
	if err := snapshot.CutShort(t.path); errors.Is(err, snapshot.ErrCutShort) {
		return &reasonError{fmt.Sprintf("cannot write into it live: %v", err), ErrCannotLive, snapshot.ErrCutShort}
	} else if err != nil {
		return err
	}
	if openHere(t.info) { // then SQLite could open it, and its file must not be touched
		return nil
	}
	dirty, err := t.dirty()
	if err != nil || !dirty {
		return err
	}
	whole, err := t.whole()
	if err != nil || whole {
		return err
	}
	return t.notADatabase(errors.New("what stands beside it would be lost"))
}

func (t target) notADatabase(why error) error {
	return &reasonError{fmt.Sprintf("%s is not a database that SQLite can open: %v", t.path, why), ErrCannotLive, why}
}

// whole tells whether SQLite may open the file: it begins as a database does,
// and has not lost pages over which a sidecar would be replayed. This process
// may not have it open.
func (t target) whole() (bool, error) {
	f, err := openRegular(t.path, os.O_RDONLY)
	if err != nil {
		return false, nil
	}
	defer f.Close() // only read from
	return t.wholeIn(f)
}

// wholeIn is whole for a file that is open already.
func (t target) wholeIn(f *os.File) (bool, error) {
	var b [100]byte
	n, _ := f.ReadAt(b[:], 0) // a short file has no header
	h, err := snapshot.ParseHeader(b[:n])
	if err != nil {
		return false, nil
	}
	if err := snapshot.CutShort(t.path); errors.Is(err, snapshot.ErrCutShort) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	main, err := f.Stat()
	if err != nil {
		return false, err
	}
	wal, err := os.Stat(t.path + "-wal")
	if errors.Is(err, os.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	// What the main file lacks, the WAL must have.
	return wal.Size() == 0 || main.Size()+wal.Size() >= h.Size(), nil
}
