package restore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/disk"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// Holds reports whether the file at path is the database of the snapshot, as Restore
// would leave it: it has the content that the manifest says, and no WAL or journal beside
// it has more. It reads the manifest and, if the sizes are the same, all of the file. Of
// the options only Identities and Log count.
//
// Holds opens and closes the file, and with that drops the locks that this process's own
// connections have on it.
func Holds(ctx context.Context, b bucket.Bucket, s series.Snapshot, path string, o Options) (_ bool, err error) {
	t, err := inspect(path)
	if err != nil || t.info == nil {
		return false, err
	}
	if dirty, err := t.dirty(); err != nil || dirty {
		return false, err
	}
	opener := o.opener(b)
	defer func() { err = errors.Join(err, opener.Close()) }()
	chain, err := opener.Open(ctx, s)
	if err != nil {
		return false, err
	}
	m := chain.Manifest()
	if t.info.Size() != m.Size {
		return false, nil
	}
	f, err := disk.OpenRegular(t.path, os.O_RDONLY)
	if err != nil {
		return false, openRefused(t.path, fmt.Errorf("read the target: %w", err))
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	same, err := hasDigest(ctx, f, m)
	if err != nil || same || m.JournalMode != "wal" {
		return same, err
	}
	// A snapshot that was compacted is in rollback mode, until Restore sets the mode of
	// its source (bytes 18 and 19 of the header).
	head := make([]byte, 20)
	if _, err := f.ReadAt(head, 0); err != nil {
		return false, fmt.Errorf("read the target: %w", err)
	}
	head[18], head[19] = 1, 1
	return hasDigest(ctx, &prefixed{head, f}, m)
}

// hasDigest reports whether a file's content has the digest of the manifest.
func hasDigest(ctx context.Context, file io.ReaderAt, m snapshot.Manifest) (bool, error) {
	digest, err := snapshot.ContentDigest(ctx, io.NewSectionReader(file, 0, m.Size), m.PageSize, m.PageCount)
	if err != nil {
		return false, fmt.Errorf("read the target: %w", err)
	}
	return digest == m.Digest, nil
}

// A prefixed is a file that begins with other bytes.
type prefixed struct {
	head []byte
	io.ReaderAt
}

// ReadAt implements io.ReaderAt.
func (p *prefixed) ReadAt(to []byte, offset int64) (int, error) {
	n, err := p.ReaderAt.ReadAt(to, offset)
	if offset < int64(len(p.head)) {
		copy(to[:n], p.head[offset:])
	}
	return n, err
}
