package restore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"filippo.io/age"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/disk"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// VerifyOptions are what a drill does. The zero value is a drill with SQLite's quick
// check.
type VerifyOptions struct {
	// Identities decrypt an encrypted snapshot.
	Identities []age.Identity
	// Fast verifies the frames only. It needs no disk, and of the fields below only
	// Workers and Progress count.
	Fast bool
	// Check is what SQLite checks; "" is snapshot.CheckQuick. Unless it is
	// snapshot.CheckNone SQLite checks the foreign keys as well.
	Check snapshot.CheckLevel
	// Queries are SELECT statements that must each give one true number.
	Queries []string
	// QueryTime is how long each of them may take; 0 is a minute.
	QueryTime time.Duration
	// Examiner runs SQLite; nil is InProcess. Who can write to the database or the
	// bucket can make it hostile: where they are not trusted, another process is
	// safer.
	Examiner Examiner
	// TempDir is where the database is rebuilt; "" is os.TempDir.
	TempDir string
	// Workers is how many frames are fetched and decoded at once; 0 leaves the
	// number to package snapshot.
	Workers int
	// Progress is called now and then with the bytes of the database that are done,
	// and their total.
	Progress func(done, total int64)
}

// A VerifyReport is how far a drill came. The fields after the step that failed have
// their zero value.
type VerifyReport struct {
	// Manifest is the snapshot's own.
	Manifest snapshot.Manifest
	// Frames: every frame was fetched and decoded, and is what was written, by
	// its SHA-256 and by its content digest.
	Frames bool
	// Passed is the check that the database has passed.
	Passed snapshot.CheckLevel
	// ForeignKeys is nil if they were not checked.
	ForeignKeys *ForeignKeys
	// Queries has the answers, in order.
	Queries []QueryResult
	// Left is why the temp file could not be removed, or nil. It wraps ErrLeft,
	// and does not make a drill fail.
	Left error
}

// Verify makes a restore drill: it fetches and decodes all of a snapshot,
// recomputes its digests, rebuilds the database in a temp file that goes away
// in the end, and has SQLite check it and answer queries.
//
// With an error the report is valid as far as the drill came. Errors wrap
// snapshot.ErrDamaged, ErrCheck, ErrQuery, snapshot.ErrUncheckable, ErrNoRoom or those
// of the bucket where one of them is the reason. Violated foreign keys are in the
// report and no error: SQLite allows them, so the application may have made them.
func Verify(ctx context.Context, b bucket.Bucket, s series.Snapshot, o VerifyOptions) (r VerifyReport, err error) {
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
	const name = "drill.db"
	if err := rebuild(ctx, archive, scratch.Root(), name, extract); err != nil {
		return err
	}
	r.Frames = true
	return r.examine(ctx, filepath.Join(scratch.Path(), name), o)
}

// nowhere takes a database and keeps nothing of it.
type nowhere struct{}

func (nowhere) WriteAt(p []byte, _ int64) (int, error) { return len(p), nil }

func rebuild(ctx context.Context, archive *snapshot.Archive, dir *os.Root, name string, o snapshot.ExtractOptions) error {
	f, err := dir.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
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
	if o.QueryTime <= 0 {
		o.QueryTime = time.Minute
	}
	if o.Examiner == nil {
		o.Examiner = InProcess{}
	}
	if r.ForeignKeys, err = o.Examiner.Check(ctx, path, o.Check); err != nil {
		return err
	}
	r.Passed = o.Check
	var wrong []error
	for _, query := range o.Queries {
		answer, err := o.Examiner.Ask(ctx, path, query, o.QueryTime)
		if err != nil {
			return err
		}
		r.Queries = append(r.Queries, answer)
		if !answer.True {
			wrong = append(wrong, fmt.Errorf("%w: %s: %s", ErrQuery, query, answer.Answer))
		}
	}
	return errors.Join(wrong...)
}

// Record sets the tag lifeboat-verified to now, the time of a drill of the snapshot
// that succeeded, and keeps the other tags. An error wraps ErrNotRecorded alone: the
// drill itself is as good without the tag.
func Record(ctx context.Context, b bucket.Bucket, s series.Snapshot, now time.Time) error {
	_, err := series.ChangeTags(ctx, b, s.Object, func(tags bucket.Tags) error {
		series.Stamp(tags, series.TagVerified, now)
		return nil
	})
	if err != nil {
		return fmt.Errorf("%w: snapshot %s: %v", ErrNotRecorded, s.ID, err)
	}
	return nil
}
