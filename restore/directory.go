package restore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/disk"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/reason"
)

// missingDirectories returns the directories of a target that are not there, the
// outermost first, and the one that they would be in.
func missingDirectories(path string) (missing []string, in string, err error) {
	path, err = filepath.Abs(path)
	if err != nil {
		return nil, "", reason.Errorf(ErrTarget, err, "%v", err)
	}
	in = filepath.Dir(path)
	for ; in != filepath.Dir(in); in = filepath.Dir(in) {
		if _, err := os.Stat(in); !errors.Is(err, fs.ErrNotExist) {
			break
		}
		missing = append([]string{in}, missing...)
	}
	return missing, in, nil
}

// madeDirectories are those that makeDirectories has made, by their paths.
type madeDirectories map[string]os.FileInfo

// makeDirectories makes the directories of a target that are not there.
func makeDirectories(path string) (madeDirectories, error) {
	missing, _, err := missingDirectories(path)
	made := madeDirectories{}
	for _, dir := range missing {
		err := os.Mkdir(dir, 0o755)
		if errors.Is(err, fs.ErrExist) { // by another restore
			continue
		}
		if err == nil {
			made[dir], err = os.Lstat(dir)
		}
		if err != nil {
			return made, reason.Errorf(ErrTarget, err, "make the target's directory: %v", err)
		}
	}
	return made, err
}

// give gives the directories to the owner that the file gets. That is done last: in
// another user's directory root would have to work as that user.
func (made madeDirectories) give(to *Owner) error {
	if to == nil || !to.canGive() { // then the file has the error
		return nil
	}
	var failed []error
	for path, info := range made {
		if err := giveDirectory(path, info, to); err != nil {
			failed = append(failed, fmt.Errorf("give the directory %s to its owner: %w", path, err))
		}
	}
	return errors.Join(failed...)
}

// giveDirectory gives a directory to its owner, unless another file has its name by now.
func giveDirectory(path string, made os.FileInfo, to *Owner) error {
	dir, err := os.OpenFile(path, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer dir.Close() // it was only opened to be named
	info, err := dir.Stat()
	if err != nil || !os.SameFile(made, info) {
		return err
	}
	return dir.Chown(to.UID, to.GID)
}

// lookAbove is lookAt for a target whose directory is to be made in another one.
func (p *Preview) lookAbove(path, in string, c content, o Options) (err error) {
	if p.Target, err = filepath.Abs(path); err != nil {
		return err
	}
	p.Old, p.Need = "absent", c.room(target{}, o)
	if p.Free, err = disk.Free(in); err != nil {
		return err
	}
	t := target{path: filepath.Join(in, filepath.Base(path))}
	if p.Refusal = c.fits(t); p.Refusal == nil {
		p.Refusal = t.allowed(o)
	}
	if p.Refusal == nil && p.Free < p.Need {
		p.Refusal = noRoom(t, p.Need, p.Free)
	}
	return nil
}
