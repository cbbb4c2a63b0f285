package restore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"filippo.io/age"

	"github.com/lifeboat-sqlite/lifeboat/restore/untrusted"
	"github.com/lifeboat-sqlite/lifeboat/snapshot"
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
	// Examiner runs SQLite; nil is untrusted.InProcess. Who can write to the database or the
	// bucket can make it hostile: where they are not trusted, another process is
	// safer.
	Examiner untrusted.Examiner
	// TempDir is where the database is rebuilt; "" is os.TempDir.
	TempDir string
	// Workers is how many frames are fetched and decoded at once; 0 leaves the
	// number to package snapshot.
	Workers int
	// Progress is called now and then with the bytes of the archives' content that are
	// done, and their total.
	Progress func(done, total int64)
	// Passed is called with each snapshot that has passed. All of its pages were hashed.
	// Its chain can be read until Passed returns.
	Passed func(ctx context.Context, s series.Snapshot, chain *snapshot.Chain, check snapshot.CheckLevel)
	// Log receives warnings; nil discards them.
	Log *slog.Logger
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
	ForeignKeys *untrusted.ForeignKeys
	// Queries has the answers, in order.
	Queries []untrusted.QueryResult
	// Took is how long each stage took, the one that failed as far as it came.
	Took Took
	// Reused is how many objects of the chain were not fetched, because the drill before
	// had rebuilt them.
	Reused int
}

// Verify makes a restore drill: it fetches and decodes all of a snapshot,
// recomputes its digests, rebuilds the database in a temp file that goes away
// in the end, and has SQLite check it and answer queries.
//
// With an error the report is valid as far as the drill came. ErrLeft alone is the
// error of a drill that succeeded. Other errors wrap
// snapshot.ErrDamaged, ErrCheck, ErrQuery, snapshot.ErrUncheckable, ErrNoRoom or those
// of the bucket where one of them is the reason. Violated foreign keys are in the
// report and no error: SQLite allows them, so the application may have made them.
func Verify(ctx context.Context, b bucket.Bucket, s series.Snapshot, o VerifyOptions) (VerifyReport, error) {
	v := NewVerifier(b, o)
	v.once = true
	r, err := v.Verify(ctx, s)
	return r, withLeft(err, v.close())
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
		o.Examiner = untrusted.InProcess{}
	}
	began := time.Now()
	r.ForeignKeys, err = o.Examiner.Check(ctx, path, o.Check)
	if r.Took.Check = time.Since(began); err != nil {
		return err
	}
	r.Passed, began = o.Check, time.Now()
	defer func() { r.Took.Queries = time.Since(began) }()
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
