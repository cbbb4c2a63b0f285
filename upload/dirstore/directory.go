// Package dirstore is the bucket in a local or mounted directory.
package dirstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/disk"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/reason"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket/sidecar"
)

// A directory is a Bucket in a local or mounted directory. Its objects are
// plain files; their tags are in sidecars.
type directory struct {
	url     bucket.URL
	session *Session // nil for one that is opened alone
}

// Open returns the bucket of a bucket URL, file:///dir. The directory is
// not created before the first Put. Options of stores are refused.
func Open(u bucket.URL, o bucket.Options) (bucket.Bucket, error) {
	b, err := open(u, o)
	if err != nil {
		return nil, err
	}
	return b, nil
}

func open(u bucket.URL, o bucket.Options) (*directory, error) {
	if o.StorageClass != "" || o.SSE.IsSet() || o.Lock != (bucket.ObjectLock{}) {
		return nil, fmt.Errorf("%s: a directory has no storage classes, no server-side encryption and no object lock", u)
	}
	return &directory{url: u}, nil
}

// URL implements Bucket.
func (b *directory) URL() bucket.URL { return b.url }

// ClockOffset implements Bucket: a directory has no clock of its own,
// and Put sets the time of a file by this machine's.
func (b *directory) ClockOffset() (time.Duration, bool) { return 0, true }

// TagsBeside is for bucket.TagsBeside.
func (b *directory) TagsBeside() (beside, known bool) { return true, true }

func (b *directory) path(name string) string { return filepath.Join(b.url.Dir, name) }

func (b *directory) tagsPath(name string) string {
	return b.path(sidecar.Of(name))
}

// checkName refuses names that List would not yield again.
func checkName(name string) error {
	if !isObjectName(name) || strings.ContainsAny(name, "/\x00") {
		return fmt.Errorf("%q cannot be the name of an object in a directory", name)
	}
	return nil
}

func isObjectName(name string) bool {
	return name != "" && !strings.HasPrefix(name, ".") && !sidecar.Is(name)
}

// List implements Bucket. A directory that does not exist is ErrNotFound.
func (b *directory) List(ctx context.Context, after string) iter.Seq2[bucket.Object, error] {
	return func(yield func(bucket.Object, error) bool) {
		entries, err := os.ReadDir(b.url.Dir) // sorted by name
		if err != nil {
			yield(bucket.Object{}, fileError("list "+b.url.String(), err, "no such directory"))
			return
		}
		for _, entry := range entries {
			if ctx.Err() != nil {
				yield(bucket.Object{}, fmt.Errorf("list %s: %w", b.url, context.Cause(ctx)))
				return
			}
			if entry.Name() <= after || !isObjectName(entry.Name()) || !entry.Type().IsRegular() {
				continue
			}
			info, err := entry.Info()
			if errors.Is(err, fs.ErrNotExist) {
				continue // deleted since
			}
			if err != nil {
				yield(bucket.Object{}, fmt.Errorf("list %s: %w", b.url, err))
				return
			}
			if !yield(fileObject(info), nil) {
				return
			}
		}
	}
}

// Above implements bucket.Nested.
func (b *directory) Above(ctx context.Context) iter.Seq2[bucket.Object, error] {
	if b.session == nil {
		return b.listAbove(ctx)
	}
	return b.session.aboveOnce(filepath.Dir(b.url.Dir), b.listAbove(ctx))
}

func (b *directory) listAbove(ctx context.Context) iter.Seq2[bucket.Object, error] {
	return func(yield func(bucket.Object, error) bool) {
		up := ""
		for dir := b.url.Dir; dir != filepath.Dir(dir); {
			up, dir = up+"../", filepath.Dir(dir)
			above := &directory{url: bucket.URL{Dir: dir}}
			for object, err := range above.List(ctx, "") {
				if errors.Is(err, bucket.ErrNotFound) { // the first backup makes it
					break
				}
				object.Name = up + object.Name
				if !yield(object, err) || err != nil {
					return
				}
			}
		}
	}
}

// Below implements bucket.Tree.
func (b *directory) Below(ctx context.Context) iter.Seq2[bucket.Object, error] {
	return func(yield func(bucket.Object, error) bool) {
		failed := func(err error) bool {
			return yield(bucket.Object{}, fileError("list below "+b.url.String(), err, "no such directory"))
		}
		err := filepath.WalkDir(b.url.Dir, func(path string, entry fs.DirEntry, err error) error {
			name, _ := filepath.Rel(b.url.Dir, path) // path begins with it
			more := true
			switch {
			case ctx.Err() != nil:
				return context.Cause(ctx)
			case err != nil && name != "." && errors.Is(err, fs.ErrNotExist): // deleted since
			case err != nil:
				more = failed(err)
			case entry.IsDir() && name != "." && strings.HasPrefix(entry.Name(), "."):
				return fs.SkipDir
			case entry.Type().IsRegular() && isObjectName(entry.Name()):
				more = yieldFile(entry, name, yield, failed)
			}
			if !more {
				return fs.SkipAll
			}
			return nil
		})
		if err != nil {
			failed(err)
		}
	}
}

// Folders implements bucket.Tree.
func (b *directory) Folders(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		entries, err := os.ReadDir(b.url.Dir)
		if err == nil {
			err = context.Cause(ctx)
		}
		if err != nil {
			yield("", fileError("list "+b.url.String(), err, "no such directory"))
			return
		}
		for _, entry := range entries {
			if entry.IsDir() && !strings.HasPrefix(entry.Name(), ".") && !yield(entry.Name(), nil) {
				return
			}
		}
	}
}

// yieldFile yields a file as the object of that name, and reports whether to go on. One
// that has been deleted since is left out; failed gets other errors.
func yieldFile(entry fs.DirEntry, name string, yield func(bucket.Object, error) bool, failed func(error) bool) bool {
	info, err := entry.Info()
	if errors.Is(err, fs.ErrNotExist) {
		return true
	}
	if err != nil {
		return failed(err)
	}
	object := fileObject(info)
	object.Name = filepath.ToSlash(name)
	return yield(object, nil)
}

// NeverUsed implements Bucket. A directory that does not exist may be one that
// is not mounted, so that is an error.
func (b *directory) NeverUsed(context.Context) (bool, error) {
	entries, err := os.ReadDir(b.url.Dir)
	if err != nil {
		return false, fileError("list "+b.url.String(), err, "no such directory")
	}
	used := slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return !e.IsDir() || e.Name() != "lost+found" })
	return !used, nil
}

func fileObject(info fs.FileInfo) bucket.Object {
	return bucket.Object{Name: info.Name(), Size: info.Size(), ETag: fileETag(info), Modified: info.ModTime().UTC()}
}

func fileETag(info fs.FileInfo) string {
	return fmt.Sprintf("%x-%x", info.Size(), info.ModTime().UnixNano())
}

// Open implements Bucket.
func (b *directory) Open(ctx context.Context, object bucket.Object) (bucket.Blob, error) {
	where := "read " + b.where(object)
	if err := checkName(object.Name); err != nil {
		return nil, fmt.Errorf("%s: %w", where, err)
	}
	file, err := disk.OpenRegular(b.path(object.Name), os.O_RDONLY)
	if isReplaced(err) {
		return nil, fmt.Errorf("%s: %w: %w", where, bucket.ErrChanged, err)
	}
	if err != nil {
		return nil, fileError(where, err, "no such object")
	}
	blob := &fileBlob{ctx: ctx, file: file, etag: object.ETag, where: where}
	if err := blob.unchanged(); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return blob, nil
}

// isReplaced reports whether a name no longer stands for the regular file that it
// was listed as. A user of the directory could lead root to any file by a symlink.
func isReplaced(err error) bool {
	return errors.Is(err, disk.ErrNotRegular) || errors.Is(err, syscall.ELOOP)
}

func (b *directory) where(object bucket.Object) string { return b.url.String() + "/" + object.Name }

// A fileBlob reads one open file.
type fileBlob struct {
	ctx   context.Context
	file  *os.File
	etag  string
	where string
}

// unchanged checks that the file is the one that was listed.
func (r *fileBlob) unchanged() error {
	info, err := r.file.Stat()
	if err != nil {
		return fmt.Errorf("%s: %w", r.where, err)
	}
	if !info.Mode().IsRegular() || fileETag(info) != r.etag {
		return fmt.Errorf("%s: %w", r.where, bucket.ErrChanged)
	}
	return nil
}

// ReadAt implements io.ReaderAt.
func (r *fileBlob) ReadAt(p []byte, offset int64) (int, error) {
	if r.ctx.Err() != nil {
		return 0, fmt.Errorf("%s: %w", r.where, context.Cause(r.ctx))
	}
	n, err := r.file.ReadAt(p, offset)
	// A look afterwards: what was read before a change is good.
	if changed := r.unchanged(); changed != nil {
		return 0, changed
	}
	return n, err
}

// Close implements io.Closer.
func (r *fileBlob) Close() error { return r.file.Close() }

// Tags implements Bucket.
func (b *directory) Tags(ctx context.Context, object bucket.Object) (bucket.Tags, error) {
	where := "get tags of " + b.where(object)
	if err := b.exists(ctx, where, object); err != nil {
		return nil, err
	}
	tags, err := readTagsFile(b.tagsPath(object.Name))
	if errors.Is(err, bucket.ErrTagsDamaged) {
		return nil, &bucket.DamagedTagsError{URL: b.url, Object: object.Name, Cause: err}
	}
	return tags, fileError(where, err, "")
}

// readTagsFile returns an empty set if there is no such file. What is no
// regular file, or cannot be read off the disk, is ErrTagsDamaged.
func readTagsFile(path string) (bucket.Tags, error) {
	file, err := disk.OpenRegular(path, os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return bucket.Tags{}, nil
	}
	if isReplaced(err) {
		return nil, fmt.Errorf("%w: %s: it is no file", bucket.ErrTagsDamaged, path)
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, sidecar.MaxSize+1))
	if errors.Is(err, syscall.EIO) {
		return nil, fmt.Errorf("%w: %w", bucket.ErrTagsDamaged, err)
	}
	if err != nil {
		return nil, err
	}
	return sidecar.Parse(data, path)
}

// SetTags implements Bucket.
func (b *directory) SetTags(ctx context.Context, object bucket.Object, tags bucket.Tags) error {
	where := "set tags of " + b.where(object)
	if err := b.exists(ctx, where, object); err != nil {
		return err
	}
	temp, err := b.writeTags(tags)
	if err != nil {
		return fileError(where, err, "")
	}
	if err := os.Rename(temp, b.tagsPath(object.Name)); err != nil {
		return errors.Join(fileError(where, err, ""), os.Remove(temp))
	}
	return fileError(where, disk.SyncDir(b.url.Dir), "")
}

// exists checks that there is such an object.
func (b *directory) exists(ctx context.Context, where string, object bucket.Object) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", where, context.Cause(ctx))
	}
	if err := checkName(object.Name); err != nil {
		return fmt.Errorf("%s: %w", where, err)
	}
	_, err := os.Lstat(b.path(object.Name))
	return fileError(where, err, "no such object")
}

// Delete implements Bucket. The tags go last: an object without its tags
// would no longer be held.
func (b *directory) Delete(ctx context.Context, object bucket.Object) error {
	where := "delete " + b.where(object)
	err := b.exists(ctx, where, object)
	if err != nil && !errors.Is(err, bucket.ErrNotFound) {
		return err
	}
	removed := false
	for _, path := range []string{b.path(object.Name), b.tagsPath(object.Name)} {
		err := os.Remove(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fileError(where, err, "")
		}
		removed = removed || err == nil
	}
	if !removed {
		return nil
	}
	return fileError(where, disk.SyncDir(b.url.Dir), "")
}

// fileError returns an error that names what was tried, with the reason for an
// error of the file system. missing is the text for what does not exist. It returns nil
// for nil.
func fileError(where string, err error, missing string) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrNotExist) && missing != "":
		return reason.Errorf(bucket.ErrNotFound, err, "%s: %s", where, missing)
	case errors.Is(err, syscall.ENOTDIR):
		return notADirectory{reason.Errorf(bucket.ErrRefused, err, "%s: %v", where, err)}
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS), errors.Is(err, syscall.ELOOP), errors.Is(err, syscall.ENAMETOOLONG):
		return reason.Errorf(bucket.ErrRefused, err, "%s: %v", where, err)
	}
	return disk.Wrap(where, err)
}

// notADirectory is the error of a path that leads through a file.
type notADirectory struct{ error }

func (e notADirectory) Unwrap() error { return e.error }

// Setting is for bucket.Setting.
func (e notADirectory) Setting() string {
	return "correct the bucket URL: a part of its path is a file where a directory should be"
}
