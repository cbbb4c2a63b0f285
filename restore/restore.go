package restore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"filippo.io/age"

	"github.com/lifeboat-sqlite/lifeboat/restore/fetch"
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
	// Owner is the user and group of the new file, nil: those of the old one, or of
	// this process. Another user's or group's needs root, and in a directory where
	// another user can rename files it must be that user. Live keeps the old ones.
	Owner *Owner
	// Mode are the permissions of the new file, 0: those of the old one, or 0600. Live
	// keeps the old ones.
	Mode os.FileMode
	// MakeDirectory makes the target's directory, and those above it, where they are
	// missing: with mode 0755, and the Owner if one is set.
	MakeDirectory bool
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

func (o Options) log() *slog.Logger { return cmp.Or(o.Log, slog.New(slog.DiscardHandler)) }

func (o Options) opener(b bucket.Bucket) *fetch.Opener {
	return &fetch.Opener{Bucket: b, Identities: o.Identities, Log: o.log()}
}

func (o Options) extract() snapshot.ExtractOptions {
	return snapshot.ExtractOptions{Workers: o.Workers, Progress: o.Progress}
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
// target is replaced at once. Its mode and owner are kept, unless Owner or Mode are set; a
// new file gets 0600, and the directory's owner where AsOwner counts. Errors wrap those of this package, of
// snapshot, bucket or series where one of them is the reason.
func Restore(ctx context.Context, b bucket.Bucket, s series.Snapshot, path string, o Options) (_ Result, err error) {
	o.Wait = sqlite.WaitTime(o.Wait)
	if o.MakeDirectory {
		made, failed := makeDirectories(path)
		defer func() { err = withLeft(err, made.give(o.Owner)) }()
		if failed != nil {
			return Result{}, toTarget(path, failed)
		}
	}
	if _, err := lookAt(path, o); err != nil {
		return Result{}, toTarget(path, err)
	}
	opener := o.opener(b)
	defer func() { err = withLeft(err, opener.Close()) }()
	began := time.Now()
	chain, err := opener.Open(ctx, s)
	if err != nil {
		return Result{}, err
	}
	o.log().Debug("step: open the snapshot's objects", "ms", time.Since(began).Milliseconds())
	c := databaseOf(chain)
	c.fill = func(ctx context.Context, f *os.File) error { return chain.Extract(ctx, f, o.extract()) }
	result, err := place(ctx, path, c, o)
	if err != nil {
		return result, toTarget(path, err)
	}
	o.log().Info("restored", "snapshot", s.ID, "target", result.Target, "bytes", result.Size, "kept", result.Kept)
	return result, nil
}

// Stream writes the snapshot's database to w, verified frame by frame. After an
// error w has only a part of a database. What differentials have changed waits in a
// temp file in os.TempDir. Of the options only Identities, Workers, Progress and Log
// count.
func Stream(ctx context.Context, b bucket.Bucket, s series.Snapshot, w io.Writer, o Options) (err error) {
	opener := o.opener(b)
	defer func() { err = errors.Join(err, opener.Close()) }()
	chain, err := opener.Open(ctx, s)
	if err != nil {
		return err
	}
	return chain.Stream(ctx, w, o.extract())
}

// Missing reports whether there is no file at the target. It needs no bucket.
func Missing(path string) (bool, error) {
	t, err := inspect(path)
	return t.info == nil, err
}

func toTarget(path string, err error) error { return fmt.Errorf("restore to %s: %w", path, err) }
