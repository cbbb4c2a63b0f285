package restore

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/disk"
)

// A Finished is a complete file that is private to the caller, to be brought to a place.
type Finished struct {
	// File is read from its beginning.
	File *os.File
	// ID is the snapshot that it was made of.
	ID snapshot.ID
	// JournalMode is the one that the database is to have, as in a manifest; "" leaves
	// the file as it is.
	JournalMode string
}

// PlaceNew copies a finished file to path, where no file may be, as carefully as Restore
// does: path has nothing until the copy beside it is complete and synced, and then all
// of it at once. The file gets 0600. Of the options only AsOwner and Log count. Errors
// are those of Restore.
func PlaceNew(ctx context.Context, path string, f Finished, o Options) (Result, error) {
	info, err := f.File.Stat()
	if err != nil {
		return Result{}, err
	}
	c := content{id: f.ID, size: info.Size(), peak: info.Size()}
	if f.JournalMode != "" {
		c.mode = modeNamed(f.JournalMode)
	}
	c.fill = func(ctx context.Context, to *os.File) error { return fillFrom(ctx, to, f.File, info.Size()) }
	result, err := place(ctx, path, c, Options{AsOwner: o.AsOwner, Log: o.Log, hook: o.hook})
	if err != nil {
		return result, fmt.Errorf("write %s: %w", path, err)
	}
	return result, nil
}

// fillFrom copies a file of that size.
func fillFrom(ctx context.Context, to, from *os.File, size int64) error {
	const piece = 16 << 20
	all := io.NewSectionReader(from, 0, size)
	for {
		n, err := io.CopyN(to, all, piece)
		if err == io.EOF && n < piece {
			return ctx.Err()
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return disk.Wrap("copy the finished file", err)
		}
	}
}
