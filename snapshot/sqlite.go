package snapshot

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"time"

	"github.com/mattn/go-sqlite3"
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
}

// openConn opens an existing database. mode is ro or rw. busy bounds how long
// SQLite itself waits for a lock; that wait cannot be cancelled, so keep it short.
func openConn(path, mode string, busy time.Duration, extra url.Values) (*conn, error) {
	params := url.Values{"mode": {mode}, "_busy_timeout": {fmt.Sprint(busy.Milliseconds())}}
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
	return &conn{c.(*sqlite3.SQLiteConn), path}, nil
}

func (c *conn) exec(ctx context.Context, query string, args ...driver.NamedValue) error {
	if _, err := c.ExecContext(ctx, query, args); err != nil {
		if ctx.Err() != nil {
			return ctx.Err() // the interrupt that the context caused
		}
		return sqliteError(query+" on", c.path, err)
	}
	return nil
}

// query returns the first column of every row.
func (c *conn) query(ctx context.Context, query string) (values []driver.Value, err error) {
	rows, err := c.QueryContext(ctx, query, nil)
	if err == nil {
		defer func() { err = errors.Join(err, rows.Close()) }()
		row := make([]driver.Value, len(rows.Columns()))
		for {
			if err = rows.Next(row); err != nil {
				break
			}
			values = append(values, row[0])
		}
	}
	switch {
	case err == io.EOF:
		return values, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	}
	return nil, sqliteError(query+" on", c.path, err)
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
