package cache

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/disk"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/reason"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

const (
	entrySuffix = ".json"
	pagesSuffix = ".pages"
	tempName    = "new"
)

// lockWait is how long a run waits for another one's change: it writes 4 MiB for each
// GiB of database.
const lockWait = 10 * time.Second

// lock locks the directory itself against other processes, without a file of its own.
// Some network file systems have no such locks; without it two runs can only get in
// the way of each other's entries.
func (c *Cache) lock(ctx context.Context) (unlock func(), err error) {
	dir, err := os.Open(c.dir)
	if err != nil {
		return nil, err
	}
	limited, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	if err := disk.Lock(limited, dir); err != nil && limited.Err() != nil {
		return nil, errors.Join(fmt.Errorf("another run is writing to it: %w", err), dir.Close())
	}
	return func() { dir.Close() }, nil
}

// openFile opens a file of the cache for reading.
func (c *Cache) openFile(name string) (*os.File, error) {
	f, err := disk.OpenRegular(filepath.Join(c.dir, name), os.O_RDONLY)
	if errors.Is(err, os.ErrNotExist) {
		return nil, ErrUnknown
	}
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil {
		err = c.writers.checkOwn(name, info)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// read returns the entry of the object with that name.
func (c *Cache) read(name string) (Entry, error) {
	if _, ok := series.ParseName(name); !ok {
		return Entry{}, fmt.Errorf("%w: %q is no snapshot", ErrUnknown, name)
	}
	f, err := c.openFile(name + entrySuffix)
	if err != nil {
		return Entry{}, err
	}
	content, err := io.ReadAll(io.LimitReader(f, maxEntry))
	if err = errors.Join(err, f.Close()); err != nil {
		return Entry{}, err
	}
	e, err := decodeEntry(content, c.place)
	if err == nil && e.Object.Name != name {
		err = fmt.Errorf("it is of %s", e.Object.Name)
	}
	return e, err
}

// keep removes everything from the directory but the state, and the entries and the page
// digests of the objects with those names: also what a killed run has left, what has rotted, and
// what is in the place of a file.
func (c *Cache) keep(entries []Entry, pages []string) error {
	files, err := os.ReadDir(c.dir)
	for _, file := range files {
		if name, ok := strings.CutSuffix(file.Name(), entrySuffix); ok &&
			slices.ContainsFunc(entries, func(e Entry) bool { return e.Object.Name == name }) {
			continue
		}
		if name, ok := strings.CutSuffix(file.Name(), pagesSuffix); ok && slices.Contains(pages, name) {
			continue
		}
		if file.Name() == stateName {
			continue
		}
		err = errors.Join(err, os.RemoveAll(filepath.Join(c.dir, file.Name())))
	}
	return err
}

func (c *Cache) writeEntry(e Entry) error {
	content, err := e.encode(c.place)
	if err != nil {
		return err
	}
	return c.write(e.Object.Name+entrySuffix, func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
}

// writePages keeps page digests if they are the entry's. It leaves as much space free
// as it takes: the application may need it more.
func (c *Cache) writePages(ctx context.Context, e Entry, pages io.Reader) error {
	free, err := disk.Free(c.dir)
	if err != nil {
		return err
	}
	if size := e.pagesSize(); free < 2*size {
		return reason.Errorf(reason.ErrNoRoom, nil, "page digests need %d KiB, and %d KiB are free", size>>10, free>>10)
	}
	return c.write(e.Object.Name+pagesSuffix, func(w io.Writer) error {
		digest, err := snapshot.DigestOf(ctx, io.TeeReader(pages, w), e.PageSize, e.PageCount)
		if err == nil && digest != e.Digest {
			err = fmt.Errorf("page digests give the digest %s, not %s", digest, e.Digest)
		}
		return err
	})
}

// write writes a file whole or not at all, as long as the machine does not crash. Nothing
// is synced: a file that a crash has cut short does not match its checksum.
func (c *Cache) write(name string, content func(io.Writer) error) (err error) {
	temp := filepath.Join(c.dir, tempName)
	f, err := os.OpenFile(temp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(temp))
		}
	}()
	buffered := bufio.NewWriterSize(f, 256<<10)
	if err = content(buffered); err == nil {
		err = buffered.Flush()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	path := filepath.Join(c.dir, name)
	if err = os.Rename(temp, path); err != nil { // where a directory has taken its name
		err = errors.Join(os.RemoveAll(path), os.Rename(temp, path))
	}
	return err
}
