package worker

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/disk"
)

// A room is where a worker leaves a copy: a directory that belongs to its user,
// and which it cannot move, as the one above is the program's. The program
// reads what is in it by descriptor only.
type room struct {
	who     identity
	scratch *disk.Scratch
	path    string
	dir     *os.File
}

func newRoom(parent string, who identity) (_ *room, err error) {
	scratch, err := disk.NewScratch(parent, 0)
	if err != nil {
		return nil, err
	}
	r := &room{who: who, scratch: scratch, path: scratch.Path()}
	name := "."
	if who.changed {
		name = "copy"
		err = r.handOver(name)
	}
	if err == nil {
		r.dir, err = scratch.Root().Open(name)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%w: make a directory for the copy: %w", snapshot.ErrTempDir, err), scratch.Close())
	}
	return r, nil
}

// handOver makes the directory that belongs to the worker's user.
func (r *room) handOver(name string) error {
	if closed := firstClosed(filepath.Dir(r.path), r.who); closed != "" {
		return fmt.Errorf("user %d, whom the database belongs to and who therefore makes the copy, may not enter %s", r.who.user, closed)
	}
	r.path = filepath.Join(r.path, name)
	root := r.scratch.Root()
	err := root.Chmod(".", 0o711)
	if err == nil {
		err = root.Mkdir(name, 0o700)
	}
	if err == nil {
		err = root.Lchown(name, r.who.user, r.who.group)
	}
	return err
}

func (r *room) close() error {
	return errors.Join(r.dir.Close(), r.scratch.Close())
}
