package dirstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/disk"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/reason"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket/sidecar"
)

// Temporary files are dot-files of this pattern. A younger one may be at work.
const (
	tempPrefix = ".lifeboat-"
	tempSuffix = ".tmp"
	tempAge    = 24 * time.Hour
)

// tagsAge is how old a tags file without an object is when no Put can be about to place
// that: between the two is one link.
const tagsAge = time.Minute

// Put implements Bucket. The directory is created if need be. The content is
// on disk before the name is, and the tags are there before the object.
func (b *directory) Put(ctx context.Context, name string, o bucket.PutOptions, write func(io.Writer) error) (bucket.PutResult, error) {
	where := "put " + b.url.String() + "/" + name
	if err := checkName(name); err != nil {
		return bucket.PutResult{}, fmt.Errorf("%s: %w", where, err)
	}
	if err := makeDir(b.url.Dir); err != nil {
		return bucket.PutResult{}, fileError(where, err, "")
	}
	_ = b.removeLeftOver(ctx, time.Now()) // the next Put tries again, and Sweep returns it
	var writing error
	temp, err := b.writeTemp(func(w io.Writer) error {
		writing = writeWhole(ctx, w, write)
		return writing
	})
	if writing != nil {
		return bucket.PutResult{}, fmt.Errorf("%s: %w", where, err)
	}
	if err != nil {
		return bucket.PutResult{}, fileError(where, err, "")
	}
	object, err := b.publish(temp, name, o.Tags)
	if errors.Is(err, fs.ErrExist) {
		err = reason.Errorf(bucket.ErrExists, err, "%s: %v", where, bucket.ErrExists)
	} else {
		err = fileError(where, err, "")
	}
	if left := removeIfThere(temp); err != nil {
		err = errors.Join(err, left)
	} // else the object is there, and a later Put removes its second name
	return bucket.PutResult{Object: object}, err
}

// removeIfThere removes a temporary name that may have become another.
func removeIfThere(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// writeWhole calls write with a writer that fails when ctx is done, and fails
// if any of its writes did, even if write itself made light of that.
func writeWhole(ctx context.Context, w io.Writer, write func(io.Writer) error) error {
	strict := &strictWriter{ctx: ctx, w: w}
	err := write(strict)
	if err == nil {
		err = strict.failed
	}
	if err == nil {
		err = context.Cause(ctx)
	}
	return err
}

// A strictWriter writes nothing more after an error, nor when ctx is done.
type strictWriter struct {
	ctx    context.Context
	w      io.Writer
	failed error
}

// Write implements io.Writer.
func (s *strictWriter) Write(p []byte) (n int, err error) {
	if s.failed == nil {
		s.failed = context.Cause(s.ctx)
	}
	if s.failed != nil {
		return 0, s.failed
	}
	n, err = s.w.Write(p)
	s.failed = disk.Wrap("write the object", err)
	return n, s.failed
}

// publish gives a synced temp file its name, unless that is taken. The tags
// file, put in place first and never over that of a Put at work, keeps a second
// Put of the same name from changing the tags of the first.
func (b *directory) publish(temp, name string, tags bucket.Tags) (object bucket.Object, err error) {
	if _, err := os.Lstat(b.path(name)); err == nil {
		return bucket.Object{}, fs.ErrExist
	}
	if len(tags) > 0 {
		created, failed := b.publishTags(name, tags)
		if failed != nil {
			return bucket.Object{}, failed
		}
		defer func() {
			if err != nil && created {
				err = errors.Join(err, b.withdrawTags(name))
			}
		}()
	}
	if err := place(temp, b.path(name)); err != nil {
		return bucket.Object{}, err
	}
	info, err := os.Lstat(b.path(name))
	if err == nil {
		err = disk.SyncDir(b.url.Dir)
	}
	if err != nil {
		return bucket.Object{}, errors.Join(err, os.Remove(b.path(name)))
	}
	return fileObject(info), nil
}

// writeTags writes tags to a temp file and returns its path.
func (b *directory) writeTags(tags bucket.Tags) (string, error) {
	content, err := sidecar.Format(tags)
	if err != nil {
		return "", err
	}
	return b.writeTemp(func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
}

// publishTags puts the tags of an object in place, and reports whether it created the file.
// It replaces one that a Put which was killed has left.
func (b *directory) publishTags(name string, tags bucket.Tags) (created bool, err error) {
	temp, err := b.writeTags(tags)
	if err != nil {
		return false, err
	}
	path := b.tagsPath(name)
	err = place(temp, path)
	created = err == nil
	if errors.Is(err, fs.ErrExist) && b.isLeftOver(name, tags) {
		err = os.Rename(temp, path)
	}
	if left := removeIfThere(temp); err != nil {
		err = errors.Join(err, left)
	}
	return created, err
}

// isLeftOver reports whether the tags file of an object may be replaced by one with these
// tags: there is no object to which it belongs, and it has the same tags or is too old for
// another Put to be at work between its tags and its object.
func (b *directory) isLeftOver(name string, tags bucket.Tags) bool {
	entries, err := os.ReadDir(b.url.Dir)
	if err != nil || slices.ContainsFunc(entries, func(e fs.DirEntry) bool {
		return isObjectName(e.Name()) && sidecar.Stem(e.Name()) == sidecar.Stem(name)
	}) {
		return false
	}
	path := b.tagsPath(name)
	if has, err := readTagsFile(path); err == nil && maps.Equal(has, tags) {
		return true
	}
	info, err := os.Lstat(path)
	return err == nil && info.ModTime().Before(time.Now().Add(-tagsAge))
}

// withdrawTags removes the tags of an object that did not get its name. One that another
// Put of the same name has placed keeps them.
func (b *directory) withdrawTags(name string) error {
	if _, err := os.Lstat(b.path(name)); !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return removeIfThere(b.tagsPath(name))
}

// writeTemp writes and syncs a temp file (0600) in the directory and returns
// its path. On an error, or a panic of write, there is none.
func (b *directory) writeTemp(write func(io.Writer) error) (path string, err error) {
	file, err := os.CreateTemp(b.url.Dir, tempPrefix+"*"+tempSuffix)
	if err != nil {
		return "", err
	}
	complete := false
	defer func() {
		err = errors.Join(err, file.Close())
		if err != nil || !complete {
			err = errors.Join(err, os.Remove(file.Name()))
		}
	}()
	if err := write(file); err != nil {
		return "", err
	}
	if err := b.setTime(filepath.Base(file.Name()), time.Now()); err != nil {
		return "", err
	}
	if err := file.Sync(); err != nil {
		return "", err
	}
	complete = true
	return file.Name(), nil
}

// setTime sets the time of a file in the directory, by this machine's clock, as
// ClockOffset promises, and not by a file server's. It follows no symlink out of the
// directory: one that another user puts in the file's place would lead root to any
// file.
func (b *directory) setTime(name string, now time.Time) error {
	root, err := os.OpenRoot(b.url.Dir)
	if err != nil {
		return err
	}
	return errors.Join(root.Chtimes(name, time.Time{}, now), root.Close())
}

// place gives a file its name in the same directory, and fails with
// fs.ErrExist if there is one of that name. Afterwards the temporary name may
// still be there. Where a file system has neither hard links nor a rename that
// does not replace, the check and the rename are two steps.
func place(temp, path string) error {
	err := os.Link(temp, path)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	err = disk.RenameNew(temp, path)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	if _, err := os.Lstat(path); err == nil {
		return fs.ErrExist
	}
	return os.Rename(temp, path)
}

// Sweep implements bucket.Sweeper.
func (b *directory) Sweep(ctx context.Context, now time.Time) error {
	return b.removeLeftOver(ctx, now)
}

// removeLeftOver removes what runs that were killed have left: temp files, and
// tags without an object, whose Put had not come so far, or whose Delete had
// not. It goes on after an error, and returns all of them.
func (b *directory) removeLeftOver(ctx context.Context, now time.Time) error {
	entries, err := os.ReadDir(b.url.Dir)
	if err != nil {
		return fileError("list "+b.url.String(), err, "no such directory")
	}
	stems := map[string]bool{}
	for _, entry := range entries {
		if isObjectName(entry.Name()) {
			stems[sidecar.Stem(entry.Name())] = true
		}
	}
	var errs []error
	for _, entry := range entries {
		if ctx.Err() != nil {
			return errors.Join(append(errs, fmt.Errorf("list %s: %w", b.url, context.Cause(ctx)))...)
		}
		name := entry.Name()
		temp := strings.HasPrefix(name, tempPrefix) && strings.HasSuffix(name, tempSuffix)
		if !entry.Type().IsRegular() || !temp && !sidecar.IsOrphan(name, stems) {
			continue
		}
		errs = append(errs, b.removeOld(entry, now.Add(-tempAge)))
	}
	return errors.Join(errs...)
}

// removeOld removes a file that was last written before a time. One that has gone
// meanwhile is no error.
func (b *directory) removeOld(entry fs.DirEntry, before time.Time) error {
	info, err := entry.Info()
	if err == nil && info.ModTime().Before(before) {
		err = os.Remove(b.path(entry.Name()))
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return fileError("clear away "+b.url.String()+"/"+entry.Name(), err, "")
}

// makeDir creates a directory and those above it (0700), each of them durably.
func makeDir(dir string) error {
	info, err := os.Stat(dir)
	if err == nil && !info.IsDir() {
		return fmt.Errorf("%s is not a directory", dir)
	}
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	parent := filepath.Dir(dir)
	if err := makeDir(parent); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return disk.SyncDir(parent)
}
