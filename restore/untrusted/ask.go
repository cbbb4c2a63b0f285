package untrusted

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/mattn/go-sqlite3"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite"
)

// A QueryResult is the database's answer to one query. Its JSON is part of what the
// program prints.
type QueryResult struct {
	SQL  string `json:"sql"`
	True bool   `json:"true"`
	// Answer is the number, or why there is none.
	Answer string `json:"answer"`
}

// ForeignKeys is what SQLite found about references between tables.
type ForeignKeys struct {
	// Violations is the number of rows that refer to what is not there.
	Violations int64 `json:"violations"`
	// First names a few of them.
	First []string `json:"first"`
	// Unknown is why SQLite could not check them, or "".
	Unknown string `json:"unknown,omitempty"`
}

const fewViolations = 5

// restrain keeps the connection, to a database of that size in bytes that is open for
// reading only, from everything else that a query could do to the machine.
func restrain(ctx context.Context, c *sqlite.Conn, size int64) error {
	c.BoundLength(size)
	c.SetLimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
	for _, pragma := range []string{"PRAGMA query_only = ON", "PRAGMA trusted_schema = OFF"} {
		if err := c.Exec(ctx, pragma); err != nil {
			return err
		}
	}
	// SQLite counts its cache in pages, and knows their size only after a read.
	if _, err := c.Int(ctx, "PRAGMA page_count"); err != nil {
		return err
	}
	return c.BoundCache(ctx, sqlite.QueryCache)
}

// foreignKeys counts the rows that refer to nothing. Keys that SQLite cannot check,
// for example because a parent table lacks the index, are no error.
func foreignKeys(ctx context.Context, c *sqlite.Conn) (*ForeignKeys, error) {
	found := &ForeignKeys{First: []string{}}
	err := c.Each(ctx, "PRAGMA foreign_key_check", func(row []driver.Value) {
		if found.Violations++; found.Violations <= fewViolations {
			found.First = append(found.First, fmt.Sprintf("row %v of %v refers to no row of %v", orUnknown(row[1]), row[0], row[2]))
		}
	})
	switch {
	case err == nil:
		return found, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case sqlite.Code(err) == sqlite3.ErrError:
		return &ForeignKeys{First: []string{}, Unknown: sqlite.Message(err)}, nil
	}
	return nil, sqlite.Wrap("check the foreign keys", err)
}

// orUnknown is for tables without rowid, which have no number for a row.
func orUnknown(rowid driver.Value) driver.Value {
	if rowid == nil {
		return "?"
	}
	return rowid
}

// ask has the database answer one query. An error is not the query's fault.
func ask(ctx context.Context, c *sqlite.Conn, query string, limit time.Duration) (QueryResult, error) {
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	result := QueryResult{SQL: query}
	value, err := single(limited, c, query)
	switch {
	case ctx.Err() != nil:
		return result, ctx.Err()
	case limited.Err() != nil:
		result.Answer = NoAnswerWithin(limit)
	case isCorrupt(err), sqlite.IsFull(err), sqlite.Code(err) == sqlite3.ErrNomem:
		return result, sqlite.Wrap(query, err)
	case err != nil:
		result.Answer = err.Error()
	default:
		result.True, result.Answer = truth(value)
	}
	return result, nil
}

// NoAnswerWithin is the answer of a query that takes too long.
func NoAnswerWithin(limit time.Duration) string { return "no answer within " + limit.String() }

// single returns the only value that a query gives.
func single(ctx context.Context, c *sqlite.Conn, query string) (_ driver.Value, err error) {
	prepared, err := Select(ctx, c, query)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, prepared.Close()) }()
	rows, err := prepared.QueryContext(ctx, nil)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	if n := len(rows.Columns()); n != 1 {
		return nil, fmt.Errorf("it has %d columns instead of one", n)
	}
	row := make([]driver.Value, 1)
	switch err := rows.Next(row); {
	case err == io.EOF:
		return nil, errors.New("it has no row")
	case err != nil:
		return nil, err
	}
	switch err := rows.Next(make([]driver.Value, 1)); {
	case err == nil:
		return nil, errors.New("it has more than one row")
	case err != io.EOF:
		return nil, err
	}
	return row[0], nil
}

// truth reports whether a value is a number other than zero, and returns the number
// in words. The driver makes a bool of a value from a column that is declared so. A
// text is not repeated: it is the user's data.
func truth(value driver.Value) (bool, string) {
	switch v := value.(type) {
	case int64:
		return v != 0, fmt.Sprint(v)
	case float64:
		return v != 0, fmt.Sprint(v)
	case bool:
		if v {
			return true, "1"
		}
		return false, "0"
	case nil:
		return false, "NULL"
	}
	return false, "not a number"
}
