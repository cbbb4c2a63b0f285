// Package sqlite has what Lifeboat's packages share for work with SQLite: single
// connections, waiting for locks, reasons of errors, and reading the file format
// without SQLite.
//
// It belongs to the ground floor of Lifeboat's own packages and promises nothing
// to applications.
package sqlite

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

// A Conn is one SQLite connection. The driver is used without database/sql,
// whose pool has no place here: which connection holds which lock, and when it
// closes, is the point.
type Conn struct {
	*sqlite3.SQLiteConn
	// Path is the database's file, for messages.
	Path string
	// Wait is how long a statement is tried again while locks of other
	// connections make it fail.
	Wait time.Duration

	wrap func(what string, err error) error
}

// Open opens an existing database, at a path that is not a URI. params has at
// least a mode. attempt is how long SQLite itself waits for a lock; that wait
// cannot be cancelled. The errors of the connection's methods are those of Wrap.
func Open(path string, attempt time.Duration, params url.Values) (*Conn, error) {
	return open(path, attempt, params, Wrap)
}

// OpenSource is Open for a source of a backup or a copy of it: the errors are
// those of WrapSource.
func OpenSource(path string, attempt time.Duration, params url.Values) (*Conn, error) {
	return open(path, attempt, params, WrapSource)
}

func open(path string, attempt time.Duration, params url.Values, wrap func(string, error) error) (*Conn, error) {
	all := url.Values{"_busy_timeout": {fmt.Sprint(attempt.Milliseconds())}}
	for name, values := range params {
		all[name] = values
	}
	uri, err := URI(path, all)
	if err != nil {
		return nil, err
	}
	c, err := new(sqlite3.SQLiteDriver).Open(uri)
	if err != nil {
		return nil, wrap("open "+path, err)
	}
	return &Conn{SQLiteConn: c.(*sqlite3.SQLiteConn), Path: path, wrap: wrap}, nil
}

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

// Exec executes a statement.
func (c *Conn) Exec(ctx context.Context, query string, args ...driver.NamedValue) error {
	return c.Patiently(ctx, query, func() error {
		_, err := c.ExecContext(ctx, query, args)
		return err
	})
}

// Row returns the first row. It is an error that wraps io.EOF if there is none.
func (c *Conn) Row(ctx context.Context, query string) (row []driver.Value, err error) {
	err = c.Patiently(ctx, query, func() error {
		rows, err := c.QueryContext(ctx, query, nil)
		if err != nil {
			return err
		}
		row = make([]driver.Value, len(rows.Columns()))
		return errors.Join(rows.Next(row), rows.Close())
	})
	return row, err
}

// Column returns the first column of all rows.
func (c *Conn) Column(ctx context.Context, query string) (values []driver.Value, err error) {
	err = c.Patiently(ctx, query, func() error {
		values = nil
		return c.each(ctx, query, func(row []driver.Value) { values = append(values, row[0]) })
	})
	return values, err
}

// Int returns the first column of the first row, which must be an integer.
func (c *Conn) Int(ctx context.Context, query string) (int64, error) {
	row, err := c.Row(ctx, query)
	if err != nil {
		return 0, err
	}
	n, ok := row[0].(int64)
	if !ok {
		return 0, fmt.Errorf("%s on %s: not a number: %v", query, c.Path, row[0])
	}
	return n, nil
}

// Each calls f with all rows, one after the other, in a slice that it uses
// again. Unlike the other methods it does not try again: f sees no row twice.
func (c *Conn) Each(ctx context.Context, query string, f func(row []driver.Value)) error {
	return c.failed(ctx, query, c.each(ctx, query, f))
}

func (c *Conn) each(ctx context.Context, query string, f func(row []driver.Value)) error {
	rows, err := c.QueryContext(ctx, query, nil)
	if err != nil {
		return err
	}
	row := make([]driver.Value, len(rows.Columns()))
	for {
		if err := rows.Next(row); err == io.EOF {
			return rows.Close()
		} else if err != nil {
			return errors.Join(err, rows.Close())
		}
		f(row)
	}
}

// Patiently calls attempt, which runs query, until no lock of another connection
// is in the way, or Wait is over.
func (c *Conn) Patiently(ctx context.Context, query string, attempt func() error) error {
	return Waited(c.failed(ctx, query, Retry(ctx, c.Wait, attempt)), c.Wait)
}

// failed returns an error of query as one that has its reason.
func (c *Conn) failed(ctx context.Context, query string, err error) error {
	if ctx.Err() != nil && err != nil {
		return ctx.Err() // it made SQLite interrupt the query
	}
	return c.wrap(query+" on "+c.Path, err)
}

// What a connection keeps in memory, in bytes. A copy and a quick check read
// every page about once, so a cache that fits into the processor's is faster
// than a large one. A full check looks up entries all over the database, and so
// do queries.
const (
	CopyCache      = 512 << 10
	QueryCache     = 4 << 20
	FullCheckCache = 8 << 20
)

// BoundCache limits the page cache of a connection that has read the database
// at least once, in bytes. SQLite counts its cache in pages, and does not count
// again when it finds that pages are larger than it had assumed.
func (c *Conn) BoundCache(ctx context.Context, size int) error {
	return c.Exec(ctx, fmt.Sprintf("PRAGMA cache_size = %d", -size>>10))
}

// BoundLength limits the texts and blobs that a connection computes, such as
// generated columns, to several times the size of the database in bytes. What the
// database stores is shorter.
func (c *Conn) BoundLength(size int64) {
	const least, most = 64 << 20, 1_000_000_000 // the latter is SQLite's own
	c.SetLimit(sqlite3.SQLITE_LIMIT_LENGTH, int(min(max(4*size, least), most)))
}
