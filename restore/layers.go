package restore

import (
	"errors"
	"fmt"
	"math/bits"
	"os"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/disk"
)

// A layeredFile is the target of a chain that can come down again: for each
// differential a layer keeps the pages that it has overwritten.
type layeredFile struct {
	dir      *os.Root
	file     *os.File
	pageSize int64
	complete bool // an archive has been written whole: the next one begins a layer
	layers   []*layer
}

// A layer is what the file was before one differential was written to it.
type layer struct {
	name  string
	pages *os.File // sparse: each page at its place
	saved []uint64 // a bit for each page in pages
	size  int64    // bytes
}

func createIn(dir *os.Root, name string) (*os.File, error) {
	f, err := dir.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	return f, disk.Wrap("create a temp file", err)
}

// push begins a layer.
func (l *layeredFile) push() error {
	size, err := l.size()
	if err != nil {
		return err
	}
	name := fmt.Sprint("below-", len(l.layers))
	f, err := createIn(l.dir, name)
	if err != nil {
		return err
	}
	pages := (size + l.pageSize - 1) / l.pageSize
	l.layers = append(l.layers, &layer{name, f, make([]uint64, (pages+63)/64), size})
	l.complete = false
	return nil
}

// pop takes back what the latest differential has written.
func (l *layeredFile) pop() error {
	top := l.layers[len(l.layers)-1]
	l.layers = l.layers[:len(l.layers)-1]
	page := make([]byte, l.pageSize)
	for word, set := range top.saved {
		for ; set != 0; set &= set - 1 {
			at := int64(word*64+bits.TrailingZeros64(set)) * l.pageSize
			if err := movePage(l.file, top.pages, page, at); err != nil {
				return errors.Join(err, top.pages.Close())
			}
		}
	}
	err := errors.Join(l.file.Truncate(top.size), top.pages.Close(), l.dir.Remove(top.name))
	return disk.Wrap("take a differential back", err)
}

// WriteAt writes whole pages. Until the full snapshot is complete, any number of
// goroutines may call it at once.
func (l *layeredFile) WriteAt(p []byte, offset int64) (int, error) {
	if l.complete {
		if err := l.push(); err != nil {
			return 0, err
		}
	}
	if err := l.save(offset, offset+int64(len(p))); err != nil {
		return 0, err
	}
	return l.file.WriteAt(p, offset)
}

// Truncate sets the length of the file, and ends a layer.
func (l *layeredFile) Truncate(size int64) error {
	l.complete = true
	if err := l.save(size, 1<<62); err != nil {
		return err
	}
	return l.file.Truncate(size)
}

// save keeps the pages from one offset to another that the topmost layer does not
// have yet.
func (l *layeredFile) save(from, to int64) error {
	if len(l.layers) == 0 {
		return nil
	}
	top := l.layers[len(l.layers)-1]
	page := make([]byte, l.pageSize)
	for at := from; at < min(to, top.size); at += l.pageSize {
		n := at / l.pageSize
		if top.saved[n/64]&(1<<(n%64)) != 0 {
			continue
		}
		if err := movePage(top.pages, l.file, page, at); err != nil {
			return err
		}
		top.saved[n/64] |= 1 << (n % 64)
	}
	return nil
}

func movePage(to, from *os.File, page []byte, at int64) error {
	if _, err := from.ReadAt(page, at); err != nil {
		return fmt.Errorf("read the temp file: %w", err)
	}
	_, err := to.WriteAt(page, at)
	return disk.Wrap("write the temp file", err)
}

func (l *layeredFile) size() (int64, error) {
	info, err := l.file.Stat()
	if err != nil {
		return 0, fmt.Errorf("look at the temp file: %w", err)
	}
	return info.Size(), nil
}

// close closes all files. Their directory is the caller's to remove.
func (l *layeredFile) close() error {
	err := l.file.Close()
	for _, layer := range l.layers {
		err = errors.Join(err, layer.pages.Close())
	}
	return disk.Wrap("close the temp file", err)
}
