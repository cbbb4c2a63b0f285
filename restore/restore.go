package restore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"filippo.io/age"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// Options are how Restore treats the target. The zero value restores only where the
// target is absent.
type Options struct {
	// Replace allows to replace an existing database. It is kept under the
	// name <target>.before-<snapshot ID>.
	Replace bool
	// DiscardOld does not keep what is replaced.
	DiscardOld bool
	// AssumeClosed treats the target as closed where the kernel cannot tell.
	AssumeClosed bool
	// AsOwner allows to change the effective user and group of this whole
	// process, while it works at the target, to those of the target (of its
	// directory, if it is absent). Everything else that the process does
	// meanwhile is done as that user, too. It counts only for root, and only
	// where another user can rename files in the target's directory: there root
	// gets ErrTarget without it.
	AsOwner bool
	// Live writes the snapshot through SQLite into an existing database, in one
	// transaction, while applications have it open.
	Live bool
	// Wait is how long Live waits for other connections' locks before
	// ErrLocked; 0 is 30 seconds, snapshot.NoWait no time.
	Wait time.Duration
	// Identities decrypt an encrypted snapshot: one of them must fit.
	Identities []age.Identity
	// Workers is how many frames are fetched and decoded at once; 0 leaves the
	// number to package snapshot.
	Workers int
	// Progress is called now and then with the bytes restored and their total.
	Progress func(done, total int64)
	// Log receives what was restored, and warnings; nil discards them.
	Log *slog.Logger

	hook func(step) // only tests set it
}

func (o Options) log() *slog.Logger {
	if o.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return o.Log
}

// A Result is what Restore did.
type Result struct {
	ID     snapshot.ID
	Target string   // the real file, behind all symlinks
	Size   int64    // of the restored database, bytes
	Kept   []string // the files of the old database
	Live   bool     // written into the open database
}

// Latest is Restore for the newest snapshot of the series, as Select finds it.
func Latest(ctx context.Context, b bucket.Bucket, path string, o Options) (Result, error) {
	s, err := Select(ctx, b, Selector{Log: o.Log})
	if err != nil {
		return Result{}, err
	}
	return Restore(ctx, b, s, path, o)
}

// Restore writes the database of a snapshot to path. Until the new file is complete,
// every frame verified and the file synced, nothing at the target changes. Then the
// target is replaced at once. Its mode and owner are kept; a new file gets 0600, and
// the directory's owner where AsOwner counts. Errors wrap those of this package, of
// snapshot, bucket or series where one of them is the reason.
func Restore(ctx context.Context, b bucket.Bucket, s series.Snapshot, path string, o Options) (_ Result, err error) {
	o.Wait = sqlite.WaitTime(o.Wait)
	if _, err := lookAt(path, o); err != nil {
		return Result{}, toTarget(path, err)
	}
	archive, closeArchive, err := Open(ctx, b, s, o.Identities)
	if err != nil {
		return Result{}, err
	}
	defer func() { err = withLeft(err, closeArchive()) }()
	m := archive.Manifest()
	result, err := place(ctx, path, content{
		id:       s.ID,
		size:     m.Size,
		pageSize: m.PageSize,
		wal:      m.JournalMode == "wal",
		fill: func(ctx context.Context, f *os.File) error {
			return archive.Extract(ctx, f, snapshot.ExtractOptions{Workers: o.Workers, Progress: o.Progress})
		},
	}, o)
	if err != nil {
		return result, toTarget(path, err)
	}
	o.log().Info("restored", "snapshot", s.ID, "target", result.Target, "bytes", result.Size, "kept", result.Kept)
	return result, nil
}

// Stream writes the snapshot's database to w, verified frame by frame. After an
// error w has only a part of a database. Of the options only Identities, Workers and
// Progress count.
func Stream(ctx context.Context, b bucket.Bucket, s series.Snapshot, w io.Writer, o Options) (err error) {
	archive, closeArchive, err := Open(ctx, b, s, o.Identities)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeArchive()) }()
	return archive.Stream(ctx, w, snapshot.ExtractOptions{Workers: o.Workers, Progress: o.Progress})
}

// Missing reports whether there is no file at the target. It needs no bucket.
func Missing(path string) (bool, error) {
	t, err := inspect(path)
	return t.info == nil, err
}

func toTarget(path string, err error) error { return fmt.Errorf("restore to %s: %w", path, err) }
