package cache

import (
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
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

var (
	// ErrUnsafe: a user who may not write the database may write to the cache, so
	// nothing in it is believed.
	ErrUnsafe = errors.New("the cache directory is not safe to use")
	// ErrUnknown: this machine has neither uploaded nor verified that object, or
	// what it knew of it is gone.
	ErrUnknown = errors.New("the cache does not know it")
	// ErrDamaged: a drill has found it damaged, or what it stands on.
	ErrDamaged = errors.New("a drill has found it damaged")
)

// A Cache is what this machine knows of one series. Its methods may be called
// concurrently, and by several processes on one directory. A nil *Cache knows
// nothing and keeps nothing, so that a caller can go on without one.
//
// No error of it is a reason for a backup to fail: it says why the next snapshot is
// a full one.
type Cache struct {
	dir     string // of this series: absolute, without symlinks
	place   place
	writers writers
}

// Open opens the part of the cache directory dir that belongs to the series in b of
// the database with that name; both directories are made if they are missing. path is
// the database file: who may write to it may write to the cache as well. The error
// wraps ErrUnsafe if others may, too.
func Open(dir string, b bucket.Bucket, name, path string) (*Cache, error) {
	c, err := open(dir, placeOf(b, name), path)
	if err != nil {
		return nil, disk.Wrap("use the cache directory "+dir, err)
	}
	return c, nil
}

// Find opens the part of the cache directory as Open does if it is there, and makes no
// directory. The error wraps ErrUnknown if it is not there. Path may be "": then only
// root and this user may write to the cache.
func Find(dir string, b bucket.Bucket, name, path string) (*Cache, error) {
	p := placeOf(b, name)
	if _, err := os.Lstat(filepath.Join(dir, p.dir())); errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%w: there is no %s in %s", ErrUnknown, p.dir(), dir)
	}
	return Open(dir, b, name, path)
}

func placeOf(b bucket.Bucket, name string) place {
	p := place{URL: b.URL().String(), Database: name}
	if remote, ok := bucket.As[bucket.Remote](b); ok {
		p.Endpoint = remote.Endpoint()
	}
	return p
}

func open(dir string, p place, path string) (*Cache, error) {
	w, err := writersOf(path)
	if err != nil {
		return nil, err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return nil, err
	}
	// From here on nobody else can put another directory in the place of one.
	if err := w.checkAbove(dir); err != nil {
		return nil, err
	}
	c := &Cache{filepath.Join(dir, p.dir()), p, w}
	if err := os.Mkdir(c.dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, err
	}
	info, err := os.Lstat(c.dir)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("%s is not a directory", c.dir)
	}
	if err := w.checkOwn(c.dir, info); err != nil {
		return nil, err
	}
	sweep(c.dir, time.Now())
	return c, nil
}

// Lookup returns the entry of a listed object: one with its name, size and ETag.
// The error wraps ErrUnknown if there is none, and is another one where it cannot be
// read or believed.
func (c *Cache) Lookup(o bucket.Object) (Entry, error) {
	if c == nil {
		return Entry{}, ErrUnknown
	}
	e, err := c.read(o.Name)
	if err != nil {
		return Entry{}, fmt.Errorf("look up %s in the cache: %w", o.Name, err)
	}
	if e.Object.Size != o.Size || e.Object.ETag != o.ETag {
		return Entry{}, fmt.Errorf("%s has %d bytes and the ETag %s, in the cache %d and %s: it is not the object that was uploaded or verified",
			o.Name, o.Size, o.ETag, e.Object.Size, e.Object.ETag)
	}
	if e.damaged {
		return Entry{}, fmt.Errorf("%w: %s", ErrDamaged, o.Name)
	}
	return e, nil
}

// KnowsAny reports whether there is an entry of the series at all.
func (c *Cache) KnowsAny() bool {
	if c == nil {
		return false
	}
	names, _ := c.names()
	return slices.ContainsFunc(names, func(name string) bool {
		_, err := c.read(name)
		return err == nil
	})
}

// Strangers returns those of the snapshots, sorted by ID, that this machine has
// neither uploaded nor verified, although it has an older one of them: another machine
// backs up into the same series, or somebody with its keys writes there.
func (c *Cache) Strangers(all []series.Snapshot) []series.Snapshot {
	var strangers []series.Snapshot
	any := false
	for _, s := range all {
		if _, err := c.Lookup(s.Object); err == nil {
			any = true
		} else if any {
			strangers = append(strangers, s)
		}
	}
	return strangers
}

// A Base is what a differential can stand on. Close closes its page digests.
type Base struct {
	snapshot.Base
	// File has the page digests: the Pages of the Base.
	File *os.File
}

// Close closes the page digests.
func (b *Base) Close() error { return b.File.Close() }

// Base returns the entry's snapshot with its page digests, once all of them have been
// read and give its digest. The error wraps ErrUnknown if the page digests are not
// kept (any more).
func (c *Cache) Base(ctx context.Context, e Entry) (*Base, error) {
	if c == nil {
		return nil, ErrUnknown
	}
	f, err := c.openPages(ctx, e)
	if err != nil {
		return nil, fmt.Errorf("read the page digests of %s in the cache: %w", e.Object.Name, err)
	}
	return &Base{snapshot.Base{Reference: e.Reference, PageSize: e.PageSize, PageCount: e.PageCount, Pages: f}, f}, nil
}

func (c *Cache) openPages(ctx context.Context, e Entry) (_ *os.File, err error) {
	f, err := c.openFile(e.Object.Name + pagesSuffix)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	digest, err := snapshot.DigestOf(ctx, io.NewSectionReader(f, 0, e.pagesSize()), e.PageSize, e.PageCount)
	if err != nil {
		return nil, err
	}
	if digest != e.Digest {
		return nil, fmt.Errorf("they give the digest %s, not %s", digest, e.Digest)
	}
	return f, nil
}

// Put keeps an entry. pages yields the page digests of its whole content, 16 bytes a
// page, and is read only if the snapshot can be the base of one that is taken from
// now on; it may be nil. What can no longer be a base loses its page digests, and the
// oldest entries give way. The error wraps snapshot.ErrNoRoom on a full disk.
func (c *Cache) Put(ctx context.Context, e Entry, pages io.Reader, now time.Time) error {
	if c == nil {
		return nil
	}
	err := e.validate()
	if err == nil {
		err = c.change(ctx, func(entries []Entry) error { return c.put(ctx, entries, e, pages, now) })
	}
	return disk.Wrap("keep "+e.Object.Name+" in the cache", err)
}

func (c *Cache) put(ctx context.Context, entries []Entry, e Entry, pages io.Reader, now time.Time) error {
	entries = slices.DeleteFunc(entries, func(other Entry) bool { return other.Object.Name == e.Object.Name })
	if taken := e.ID.Time(); taken.After(now) {
		now = taken
	}
	entries, bases := sift(append(entries, e), now)
	err := c.keep(entries, bases)
	if pages != nil && slices.Contains(bases, e.Object.Name) {
		err = errors.Join(err, c.writePages(ctx, e, pages))
	}
	return errors.Join(err, c.writeEntry(e))
}

// Forget removes the entries of snapshots that are gone: those between the first and
// the last one listed that are not listed. They are sorted by ID.
func (c *Cache) Forget(ctx context.Context, listed []series.Snapshot) error {
	if c == nil || len(listed) == 0 {
		return nil
	}
	return disk.Wrap("tidy the cache", c.change(ctx, func(entries []Entry) error {
		entries = slices.DeleteFunc(entries, func(e Entry) bool {
			return e.ID >= listed[0].ID && e.ID <= listed[len(listed)-1].ID && !slices.ContainsFunc(listed, func(s series.Snapshot) bool { return s.Object.Name == e.Object.Name })
		})
		var names []string
		for _, e := range entries {
			names = append(names, e.Object.Name)
		}
		return c.keep(entries, names)
	}))
}

// change calls f with the entries, sorted by name, while no other run changes them.
func (c *Cache) change(ctx context.Context, f func(entries []Entry) error) error {
	unlock, err := c.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	names, err := c.names()
	if err != nil {
		return err
	}
	var entries []Entry
	for _, name := range names {
		if e, err := c.read(name); err == nil {
			entries = append(entries, e)
		}
	}
	return f(entries)
}

// names returns the names of the objects that there are entries of, sorted.
func (c *Cache) names() ([]string, error) {
	files, err := os.ReadDir(c.dir)
	var names []string
	for _, file := range files {
		if name, ok := strings.CutSuffix(file.Name(), entrySuffix); ok {
			names = append(names, name)
		}
	}
	return names, err
}
