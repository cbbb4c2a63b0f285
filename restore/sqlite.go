package restore

import (
	"context"
	"errors"
	"net/url"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/reason"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite"
)

// probeTime is how long SQLite may take to count what is in a schema.
const probeTime = time.Minute

// probe reports whether SQLite can open a database, without changing it: in read-only
// mode SQLite neither checkpoints nor rolls back nor deletes. Every error but a full
// disk counts as no: bad content shows in nearly all of SQLite's codes, and a file
// that cannot be opened is kept as it is in any case.
func probe(ctx context.Context, path string, params url.Values) (openable bool, err error) {
	limited, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	c, err := sqlite.Open(path, 0, params)
	if err == nil {
		_, err = c.Row(limited, "SELECT count(*) FROM sqlite_schema")
		err = errors.Join(err, c.Close())
	}
	switch {
	case ctx.Err() != nil:
		return false, ctx.Err()
	case err == nil, sqlite.IsLocked(err):
		return true, nil
	case sqlite.IsFull(err):
		return false, err
	case sqlite.Code(err) != 0, limited.Err() != nil:
		return false, nil
	}
	return false, err
}

// fold brings the whole content into the main file: SQLite rolls a hot journal back
// and checkpoints the WAL. It fails if another connection is in the way, and leaves
// no lock behind.
func fold(ctx context.Context, path string) (err error) {
	c, err := sqlite.Open(path, 0, url.Values{"mode": {"rw"}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, sqlite.Wrap("close "+path, c.Close())) }()
	row, err := c.Row(ctx, "PRAGMA wal_checkpoint(TRUNCATE)")
	if err != nil {
		return err
	}
	if row[0] != int64(0) {
		return reason.Errorf(ErrTargetOpen, nil, "checkpoint of %s: busy", path)
	}
	if err := c.Exec(ctx, "BEGIN EXCLUSIVE"); err != nil {
		return err
	}
	return c.Exec(ctx, "ROLLBACK")
}
