package restore

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/mattn/go-sqlite3"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/busy"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/reason"
)

// conn is one SQLite connection, without the pool of database/sql: which
// connection holds which lock, and when it closes, is the point.
type conn struct{ *sqlite3.SQLiteConn }

// openConn opens an existing database. params has at least a mode. timeout is how
// long SQLite itself waits for a lock, which cannot be cancelled.
func openConn(path string, timeout time.Duration, params url.Values) (conn, error) {
	params.Set("_busy_timeout", fmt.Sprint(timeout.Milliseconds()))
	uri, err := snapshot.URI(path, params)
	if err != nil {
		return conn{}, err
	}
	c, err := new(sqlite3.SQLiteDriver).Open(uri)
	if err != nil {
		return conn{}, fileError("open "+path, err)
	}
	return conn{c.(*sqlite3.SQLiteConn)}, nil
}

func (c conn) exec(ctx context.Context, query string) error {
	_, err := c.ExecContext(ctx, query, nil)
	if err != nil && ctx.Err() != nil {
		return ctx.Err() // the interrupt that the context caused
	}
	return fileError(query, err)
}

// query returns the first row.
func (c conn) query(ctx context.Context, query string) (row []driver.Value, err error) {
	rows, err := c.QueryContext(ctx, query, nil)
	if err == nil {
		row = make([]driver.Value, len(rows.Columns()))
		err = errors.Join(rows.Next(row), rows.Close())
	}
	if err != nil && ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return row, fileError(query, err)
}

// integer returns the first column of the first row.
func (c conn) integer(ctx context.Context, query string) (int64, error) {
	row, err := c.query(ctx, query)
	if err != nil {
		return 0, err
	}
	n, ok := row[0].(int64)
	if !ok {
		return 0, fmt.Errorf("%s: not a number: %v", query, row[0])
	}
	return n, nil
}

// probeTime is how long SQLite may take to count what is in a schema.
const probeTime = time.Minute

// probe tells whether SQLite can open a database, without changing it: in
// read-only mode SQLite neither checkpoints nor rolls back nor deletes. Any
// reason why it cannot, but a full disk, counts: bad content shows in nearly all
// of SQLite's codes, and what it cannot open is kept as it is in any case.
func probe(ctx context.Context, path string, params url.Values) (openable bool, err error) {
	limited, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	c, err := openConn(path, 0, params)
	if err == nil {
		_, err = c.query(limited, "SELECT count(*) FROM sqlite_schema")
		err = errors.Join(err, c.Close())
	}
	switch {
	case ctx.Err() != nil:
		return false, ctx.Err()
	case err == nil, busy.Is(err):
		return true, nil
	case isFull(err):
		return false, err
	case sqliteCode(err) != 0, limited.Err() != nil:
		return false, nil
	}
	return false, err
}

// fold makes the main file alone hold the whole content: SQLite rolls a hot
// journal back and checkpoints the WAL. It fails if another connection is in
// the way, and leaves no lock behind.
func fold(ctx context.Context, path string) (err error) {
	c, err := openConn(path, 0, url.Values{"mode": {"rw"}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, fileError("close "+path, c.Close())) }()
	row, err := c.query(ctx, "PRAGMA wal_checkpoint(TRUNCATE)")
	if err != nil {
		return err
	}
	if row[0] != int64(0) {
		return reason.Errorf(ErrTargetOpen, nil, "checkpoint of %s: busy", path)
	}
	if err := c.exec(ctx, "BEGIN EXCLUSIVE"); err != nil {
		return err
	}
	return c.exec(ctx, "ROLLBACK")
}
