package restore

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"filippo.io/age"
	"github.com/mattn/go-sqlite3"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/disk"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/reason"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite"
	"github.com/lifeboat-sqlite/lifeboat/upload"
)

// VerifyOptions says what Verify does. The zero value is a drill with
// SQLite's quick check.
type VerifyOptions struct {
	// Identities decrypt an encrypted snapshot.
	Identities []age.Identity
	// Fast verifies the frames only. It needs no disk, and nothing below but
	// Workers and Progress counts.
	Fast bool
	// Check is what SQLite looks for; "" is snapshot.CheckQuick. Unless it is
	// snapshot.CheckNone the foreign keys are looked at as well.
	Check snapshot.CheckLevel
	// Queries are SELECT statements that must each give one true number.
	Queries []string
	// QueryTime is how long each of them may take; 0 is a minute.
	QueryTime time.Duration
	// TempDir holds the database meanwhile; "" is os.TempDir.
	TempDir string
	// Workers is how many frames are fetched and decoded at once; 0 leaves it
	// to package snapshot.
	Workers int
	// Progress is called now and then with bytes of database done and to do.
	Progress func(done, total int64)
}

// A VerifyReport says how far a drill came. What follows something that failed
// has its zero value.
type VerifyReport struct {
	// Manifest is what the snapshot says of itself.
	Manifest snapshot.Manifest
	// Frames: every frame was fetched and decoded, and is what was written, by
	// its SHA-256 and by its content digest.
	Frames bool
	// Passed is the check that the database has passed.
	Passed snapshot.CheckLevel
	// ForeignKeys is nil if they were not looked at.
	ForeignKeys *ForeignKeys
	// Queries has the answers, in order.
	Queries []QueryResult
	// Left is why the temp file could not be removed, or nil. It wraps ErrLeft,
	// and does not make a drill fail.
	Left error
}

// Verify makes a restore drill: it fetches and decodes all of a snapshot,
// recomputes its digests, rebuilds the database in a temp file that goes away
// in the end, and has SQLite check it and answer queries. The file is opened
// as one that never changes, so neither its journal mode nor any lock matters.
//
// The report is valid also when there is an error, as far as it goes. Errors
// wrap snapshot.ErrDamaged, ErrCheck, ErrQuery, snapshot.ErrUncheckable,
// ErrNoRoom or those of the bucket where one of them is the reason. Violated
// foreign keys are reported and no error: SQLite allows them, so the database
// may well be what it was.
func Verify(ctx context.Context, b upload.Bucket, s upload.Snapshot, o VerifyOptions) (r VerifyReport, err error) {
	archive, closeArchive, err := Open(ctx, b, s, o.Identities)
	if err != nil {
		return r, err
	}
	r.Manifest = archive.Manifest()
	err = r.drill(ctx, archive, o)
	if err = errors.Join(err, closeArchive()); err != nil {
		return r, fmt.Errorf("verify snapshot %s: %w", s.ID, err)
	}
	return r, nil
}

func (r *VerifyReport) drill(ctx context.Context, archive *snapshot.Archive, o VerifyOptions) (err error) {
	extract := snapshot.ExtractOptions{Workers: o.Workers, Digests: true, Progress: o.Progress}
	if o.Fast {
		err = archive.Extract(ctx, nowhere{}, extract)
		r.Frames = err == nil
		return err
	}
	scratch, err := disk.NewScratch(o.TempDir, r.Manifest.Size)
	if err != nil {
		return err
	}
	defer func() {
		if left := scratch.Close(); left != nil {
			r.Left = fmt.Errorf("%w: %w", ErrLeft, left)
		}
	}()
	path := filepath.Join(scratch.Path(), "drill.db")
	if err := rebuild(ctx, archive, path, extract); err != nil {
		return err
	}
	r.Frames = true
	return r.examine(ctx, path, o)
}

// nowhere takes a database and keeps nothing of it.
type nowhere struct{}

func (nowhere) WriteAt(p []byte, _ int64) (int, error) { return len(p), nil }

func rebuild(ctx context.Context, archive *snapshot.Archive, path string, o snapshot.ExtractOptions) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return disk.Wrap("create the temp file", err)
	}
	err = archive.Extract(ctx, f, o)
	return errors.Join(err, disk.Wrap("close the temp file", f.Close()))
}

// examine has SQLite look at the rebuilt database.
func (r *VerifyReport) examine(ctx context.Context, path string, o VerifyOptions) (err error) {
	if o.Check == "" {
		o.Check = snapshot.CheckQuick
	}
	if err := checked(snapshot.CheckFile(ctx, path, "the restored database", o.Check)); err != nil {
		return err
	}
	r.Passed = o.Check
	c, err := sqlite.Open(path, 0, url.Values{"mode": {"ro"}, "immutable": {"1"}})
	if err != nil {
		return checked(err)
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	if err := restrain(ctx, c); err != nil {
		return checked(err)
	}
	if o.Check != snapshot.CheckNone {
		if r.ForeignKeys, err = foreignKeys(ctx, c); err != nil {
			return checked(err)
		}
	}
	if o.QueryTime <= 0 {
		o.QueryTime = time.Minute
	}
	var wrong []error
	for _, query := range o.Queries {
		answer, err := ask(ctx, c, query, o.QueryTime)
		if err != nil {
			return checked(err)
		}
		r.Queries = append(r.Queries, answer)
		if !answer.True {
			wrong = append(wrong, fmt.Errorf("%w: %s: %s", ErrQuery, query, answer.Answer))
		}
	}
	return errors.Join(wrong...)
}

// checked gives an error of SQLite's about the rebuilt database its reason.
func checked(err error) error {
	switch {
	case errors.Is(err, snapshot.ErrUncheckable):
		return reason.Errorf(snapshot.ErrUncheckable, nil, "%v; its frames are right, and with no check it can be restored", err)
	case errors.Is(err, snapshot.ErrSource) && !isTrouble(err):
		return reason.Errorf(ErrCheck, nil, "%v", err) // the source is another database than this one
	case isCorrupt(err):
		return reason.Errorf(ErrCheck, err, "%v: %v", ErrCheck, err)
	case errors.Is(err, snapshot.ErrSource):
		return fmt.Errorf("check the temp file: %v", err) // it is no source
	}
	return err
}

// isTrouble tells that SQLite could not read the temp file: that says nothing
// about the snapshot.
func isTrouble(err error) bool {
	code := sqlite.Code(err)
	return code == sqlite3.ErrCantOpen || code == sqlite3.ErrPerm || code == sqlite3.ErrIoErr
}

func isCorrupt(err error) bool {
	code := sqlite.Code(err)
	return code == sqlite3.ErrCorrupt || code == sqlite3.ErrNotADB || code == sqlite3.ErrFormat
}

// Record notes in the tag lifeboat-verified that a drill of the snapshot has
// succeeded, and keeps the other tags. An error wraps ErrNotRecorded and nothing
// else: the drill itself is as good without.
func Record(ctx context.Context, b upload.Bucket, s upload.Snapshot, now time.Time) error {
	_, err := upload.ChangeTags(ctx, b, s.Object, func(tags upload.Tags) error {
		tags.Stamp(upload.TagVerified, now)
		return nil
	})
	if err != nil {
		return fmt.Errorf("%w: snapshot %s: %v", ErrNotRecorded, s.ID, err)
	}
	return nil
}
