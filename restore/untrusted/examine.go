package untrusted

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"time"

	"github.com/mattn/go-sqlite3"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/check"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/reason"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite"
)

// ErrCheck: the frames of a snapshot are right, but SQLite finds their content corrupt,
// or no database.
var ErrCheck = errors.New("the restored database failed its check")

// An Examiner has SQLite read the rebuilt database of a drill, a private file
// that does not change. The database may be hostile: it can make SQLite crash,
// work without end or take much memory, in whichever process that runs.
type Examiner interface {
	// Check checks the database, and its foreign keys unless level is
	// snapshot.CheckNone; else the first result is nil. A database that is not
	// sound is an error that wraps ErrCheck, or snapshot.ErrUncheckable.
	Check(ctx context.Context, path string, level snapshot.CheckLevel) (*ForeignKeys, error)
	// Ask has the database answer a query within limit. A query without an answer
	// is no error. A database that is not sound is one, as in Check.
	Ask(ctx context.Context, path, query string, limit time.Duration) (QueryResult, error)
}

// InProcess is the Examiner that runs SQLite in this process.
type InProcess struct{}

// Check implements Examiner.
func (InProcess) Check(ctx context.Context, path string, level snapshot.CheckLevel) (found *ForeignKeys, err error) {
	if err := check.File(ctx, path, "the restored database", level); err != nil {
		return nil, checked(err)
	}
	err = withRestored(ctx, path, func(c *sqlite.Conn) (err error) {
		if level != snapshot.CheckNone {
			found, err = foreignKeys(ctx, c)
		}
		return err
	})
	return found, err
}

// Ask implements Examiner.
func (InProcess) Ask(ctx context.Context, path, query string, limit time.Duration) (answer QueryResult, err error) {
	err = withRestored(ctx, path, func(c *sqlite.Conn) (err error) {
		answer, err = ask(ctx, c, query, limit)
		return err
	})
	return answer, err
}

// withRestored calls look with a connection to the rebuilt database. It is opened as
// one that never changes, so neither its journal mode nor any lock matters.
func withRestored(ctx context.Context, path string, look func(*sqlite.Conn) error) (err error) {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("check the temp file: %w", err)
	}
	c, err := sqlite.Open(path, 0, url.Values{"mode": {"ro"}, "immutable": {"1"}})
	if err != nil {
		return checked(err)
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	if err = restrain(ctx, c, info.Size()); err == nil {
		err = look(c)
	}
	return checked(err)
}

// checked gives an error of SQLite's about the rebuilt database its reason.
func checked(err error) error {
	switch {
	case errors.Is(err, snapshot.ErrUncheckable):
		return reason.Errorf(snapshot.ErrUncheckable, nil, "%v; its frames are right, and with no check it can be restored", err)
	case errors.Is(err, snapshot.ErrSource) && !isTrouble(err):
		return reason.Errorf(ErrCheck, nil, "%v", err) // the source is another database than this one
	case isCorrupt(err), sqlite.Code(err) == sqlite3.ErrTooBig: // what is stored is shorter: the database computes it
		return reason.Errorf(ErrCheck, err, "%v: %v", ErrCheck, err)
	case errors.Is(err, snapshot.ErrSource):
		return fmt.Errorf("check the temp file: %v", err) // it is no source
	}
	return err
}

// isTrouble reports whether SQLite could not read the temp file, which proves nothing
// about the snapshot.
func isTrouble(err error) bool {
	code := sqlite.Code(err)
	return code == sqlite3.ErrCantOpen || code == sqlite3.ErrPerm || code == sqlite3.ErrIoErr
}

func isCorrupt(err error) bool {
	code := sqlite.Code(err)
	return code == sqlite3.ErrCorrupt || code == sqlite3.ErrNotADB || code == sqlite3.ErrFormat
}
