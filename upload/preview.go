package upload

import (
	"context"
	"io"
	"strings"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// A Preview is what Backup would do. The Object of its Snapshot is not there, unless
// Unchanged.
type Preview struct {
	BackupResult
	// Name is the object's under the bucket URL, with unknownID in place of its ID.
	Name string
	// ArchiveSize is the size in bytes of the object; 0 if Unchanged.
	ArchiveSize int64
	// TagsRead: tags were read. An empty series has none to read.
	TagsRead bool
}

// unknownID stands for the ID that a snapshot gets only when it is taken.
const unknownID = "YYYYMMDDTHHMMSSZ-xxxxxx"

// PreviewBackup does what Backup does up to the upload: it lists, reads tags, reads and
// checks the database and compresses it. It writes nothing to the bucket, changes no tag
// and nothing in the cache. Its errors are those of Backup; that it has none says
// nothing about the right to write.
func PreviewBackup(ctx context.Context, b bucket.Bucket, path string, o BackupOptions) (Preview, error) {
	o.setDefaults(path)
	preview := &Preview{}
	r := &run{BackupOptions: o, bucket: b, path: path, preview: preview}
	result, err := r.backUp(ctx)
	preview.BackupResult, preview.TagsRead = result, r.newest.ID != ""
	return *preview, err
}

// foresee finds out what ship would upload.
func (r *run) foresee(ctx context.Context, p plan, c *content) error {
	r.result.Digest = c.digest.String()
	if r.checked(c.TakenAt) == r.result.Digest {
		r.result.Snapshot, r.result.Unchanged = r.newest, true
		return nil
	}
	_, name, err := r.admit(ctx, p, c)
	if err != nil {
		return err
	}
	var size counter
	var manifest snapshot.Manifest
	if err := r.sealer.Seal(r.write(ctx, c, name.ID, &manifest))(&size); err != nil {
		return err
	}
	r.describe(series.Snapshot{Name: name}, p, c)
	r.preview.Name = strings.Replace(name.String(), string(name.ID), unknownID, 1)
	r.preview.ArchiveSize = int64(size)
	return nil
}

// A counter counts the bytes that are written to it.
type counter int64

var _ io.Writer = (*counter)(nil)

// Write implements io.Writer.
func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}
