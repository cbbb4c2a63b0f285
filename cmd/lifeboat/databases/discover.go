package databases

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
)

// discoverKey is the key of a directory whose databases are found by their content.
const discoverKey = "discover"

const (
	// magic begins every SQLite database: https://www.sqlite.org/fileformat2.html
	magic = "SQLite format 3\x00"
	// smallest is the size in bytes of the smallest database that has a page.
	smallest = 512
)

// discover finds the SQLite databases at any depth below a directory by the header that
// they begin with, of which it reads 16 bytes. What SQLite and restores leave beside
// databases is none, and nothing hidden is. A file that has lost its header counts as long
// as there is a WAL or a journal beside it: the backup says so. All other files are in
// others.
//
// Symlinks are as in matches. With follow a database is found once, by its own path
// where that is below the directory. If a file or a directory cannot be read, discover
// returns the others: a file in unread, a directory in an error that wraps
// snapshot.ErrSource.
//
// It opens and closes files, and with that drops the locks that this process's own
// connections have on them: no database may be open in this process. The program opens
// them in its workers.
func discover(ctx context.Context, dir string, follow bool) (matched, error) {
	base := filepath.Clean(dir)
	f := &finder{ctx: ctx, follow: follow, walked: map[fileID]bool{}, known: map[fileID]bool{}}
	f.found.base = base
	f.walk(base)
	for len(f.links) > 0 {
		link := f.links[0]
		f.links = f.links[1:]
		f.link(link)
	}
	if ctx.Err() != nil {
		return matched{}, ctx.Err()
	}
	if len(f.wrong) > 0 {
		return f.found, fmt.Errorf("the databases below %s: %w: %w", dir, snapshot.ErrSource, errors.Join(f.wrong...))
	}
	return f.found, nil
}

// A fileID tells files apart, whatever their names are.
type fileID struct{ device, inode uint64 }

// idOf returns the ID of the file that a path leads to, and false if there is none.
func idOf(path string) (fileID, bool) {
	var s unix.Stat_t
	if err := unix.Stat(path, &s); err != nil {
		return fileID{}, false
	}
	return fileID{uint64(s.Dev), s.Ino}, true
}

// A finder is one search of discover.
type finder struct {
	ctx    context.Context
	follow bool
	found  matched
	wrong  []error         // directories that cannot be read
	links  []string        // symlinks, for when all else is found
	walked map[fileID]bool // directories
	known  map[fileID]bool // files that are found, where symlinks are followed
}

// walk looks through a directory, unless it has done so by another path.
func (f *finder) walk(dir string) {
	if f.ctx.Err() != nil {
		return
	}
	if f.follow {
		id, _ := idOf(dir)
		if f.walked[id] {
			return
		}
		f.walked[id] = true
	}
	entries, err := os.ReadDir(dir)
	if err != nil && !(dir != f.found.base && errors.Is(err, fs.ErrNotExist)) {
		f.wrong = append(f.wrong, err)
	}
	for _, entry := range entries {
		path := filepath.Join(dir, entry.Name())
		switch {
		case strings.HasPrefix(entry.Name(), "."):
		case entry.IsDir():
			f.walk(path)
		case entry.Type()&fs.ModeSymlink != 0:
			f.links = append(f.links, path)
		case entry.Type().IsRegular():
			f.file(path)
		}
	}
}

// link takes what a symlink leads to, or notes that it is left out. What is found
// without it is not left out.
func (f *finder) link(path string) {
	info, err := os.Stat(path)
	if err != nil || !info.IsDir() && (!info.Mode().IsRegular() || notDatabase.MatchString(filepath.Base(path))) {
		return
	}
	switch id, _ := idOf(path); {
	case !f.follow:
		if !f.finds(path) {
			f.found.links = append(f.found.links, path)
		}
	case info.IsDir():
		f.walk(path)
	case !f.known[id]:
		f.file(path)
	}
}

// finds reports whether what a symlink leads to is found without it.
func (f *finder) finds(link string) bool {
	base, err := filepath.EvalSymlinks(f.found.base)
	target, failed := filepath.EvalSymlinks(link)
	if err != nil || failed != nil {
		return false
	}
	below, err := filepath.Rel(base, target)
	return err == nil && (below == "." || !strings.HasPrefix(below, ".") && !strings.Contains(below, "/."))
}

// file adds a file to those found if it is a database.
func (f *finder) file(path string) {
	if notDatabase.MatchString(filepath.Base(path)) {
		return
	}
	is, err := isDatabase(path)
	switch {
	case errors.Is(err, fs.ErrNotExist): // removed since
		return
	case err != nil:
		f.found.unread = append(f.found.unread, unread{path, fmt.Errorf("whether it is a database is not known: %w: %w", snapshot.ErrSource, err)})
	case is:
		f.found.databases = append(f.found.databases, path)
	default:
		f.found.others = append(f.found.others, path)
		return
	}
	if id, ok := idOf(path); ok && f.follow {
		f.known[id] = true
	}
}

// isDatabase reports whether a regular file is an SQLite database. It never waits, as
// for the writer of a FIFO that has taken the file's place.
func isDatabase(path string) (bool, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return false, err
	}
	defer file.Close() // it was only read
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return false, err
	}
	var head [len(magic)]byte
	if _, err := io.ReadFull(file, head[:]); err != nil && err != io.ErrUnexpectedEOF && err != io.EOF {
		return false, err
	}
	if string(head[:]) == magic && info.Size() >= smallest {
		return true, nil
	}
	return hasContent(path+"-wal") || hasContent(path+"-journal"), nil
}

// hasContent reports whether a file is there that is not empty.
func hasContent(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Size() > 0
}
