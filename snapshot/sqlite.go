package snapshot

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/mattn/go-sqlite3"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/busy"
)

// URI returns the percent-encoded file: URI of a database, the only form in
// which SQLite takes every path literally: the plain name "a?b.db" would open
// a file "a". params are URI parameters such as mode=ro.
func URI(path string, params url.Values) (string, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("find the absolute path of %s: %w", path, err)
	}
	return (&url.URL{Scheme: "file", Path: absolute, RawQuery: params.Encode()}).String(), nil
}

// conn is one SQLite connection. The driver is used without database/sql,
// whose pool has no place here: which connection holds which lock is the point.
type conn struct {
	*sqlite3.SQLiteConn
	path string
	wait time.Duration // how long each statement waits for other connections' locks
}

// openConn opens an existing database. mode is ro or rw. timeout bounds how
// long SQLite itself waits for a lock; that wait cannot be cancelled, so keep it short.
func openConn(path, mode string, timeout time.Duration, extra url.Values) (*conn, error) {
	params := url.Values{"mode": {mode}, "_busy_timeout": {fmt.Sprint(timeout.Milliseconds())}}
	for k, v := range extra {
		params[k] = v
	}
	uri, err := URI(path, params)
	if err != nil {
		return nil, err
	}
	c, err := new(sqlite3.SQLiteDriver).Open(uri)
	if err != nil {
		return nil, sqliteError("open", path, err)
	}
	return &conn{SQLiteConn: c.(*sqlite3.SQLiteConn), path: path}, nil
}

func (c *conn) exec(ctx context.Context, query string, args ...driver.NamedValue) error {
	return c.patiently(ctx, query, func() error {
		_, err := c.ExecContext(ctx, query, args)
		return err
	})
}

// query returns the first column of every row.
func (c *conn) query(ctx context.Context, query string) (values []driver.Value, err error) {
	err = c.patiently(ctx, query, func() (err error) {
		values, err = c.firstColumn(ctx, query)
		return err
	})
	return values, err
}

// patiently calls run, which runs query, until no other connection's lock is in
// the way, or the time to wait is over.
func (c *conn) patiently(ctx context.Context, query string, run func() error) error {
	err := busy.Retry(ctx, c.wait, run)
	if ctx.Err() != nil && err != nil {
		return ctx.Err() // the interrupt that the context caused
	}
	return waited(sqliteError(query+" on", c.path, err), c.wait)
}

// waited adds to an error that a lock made how long it was waited for.
func waited(err error, wait time.Duration) error {
	if wait > 0 && errors.Is(err, ErrLocked) {
		return fmt.Errorf("%w (waited %s)", err, wait)
	}
	return err
}

func (c *conn) firstColumn(ctx context.Context, query string) (values []driver.Value, err error) {
	rows, err := c.QueryContext(ctx, query, nil)
	if err != nil {
		return nil, err
	}
	row := make([]driver.Value, len(rows.Columns()))
	for {
		if err := rows.Next(row); err == io.EOF {
			return values, rows.Close()
		} else if err != nil {
			return nil, errors.Join(err, rows.Close())
		}
		values = append(values, row[0])
	}
}

func (c *conn) queryInt(ctx context.Context, query string) (int64, error) {
	values, err := c.query(ctx, query)
	if err != nil {
		return 0, err
	}
	if len(values) == 1 {
		if n, ok := values[0].(int64); ok {
			return n, nil
		}
	}
	return 0, fmt.Errorf("%s on %s: not a number: %v", query, c.path, values)
}

// What a connection keeps in memory, in bytes. A copy and a quick check read
// every page about once, so a cache that fits into the processor's is faster
// than a large one. A full check looks entries up all over the database.
const (
	copyCache      = 512 << 10
	fullCheckCache = 8 << 20
)

// boundCache limits the page cache of a connection that has read the database
// at least once. SQLite counts its cache in pages, and does not count again
// when it learns that pages are larger than it had thought.
func (c *conn) boundCache(ctx context.Context, size int) error {
	return c.exec(ctx, fmt.Sprintf("PRAGMA cache_size = %d", -size>>10))
}

// boundLength limits the texts and blobs that a connection computes, such as
// generated columns, to several times what the database holds. What is stored
// in it is shorter.
func (c *conn) boundLength() error {
	info, err := os.Stat(c.path)
	if err != nil {
		return fmt.Errorf("look at %s: %w", c.path, err)
	}
	const least, most = 64 << 20, 1_000_000_000 // the latter is SQLite's own
	c.SetLimit(sqlite3.SQLITE_LIMIT_LENGTH, int(min(max(4*info.Size(), least), most)))
	return nil
}
