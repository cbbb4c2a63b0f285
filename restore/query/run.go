package query

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"

	"github.com/mattn/go-sqlite3"

	"github.com/lifeboat-sqlite/lifeboat/restore/untrusted"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite"
)

// A Request is one statement to run.
type Request struct {
	SQL        string
	Parameters []Parameter
	// MaxRows is how many rows to hand on at most, 0: all.
	MaxRows int64
}

// A Sink takes an answer: the names of its columns, then its rows. Values are nil,
// int64, float64, string or []byte, and theirs is the slice until Row returns.
type Sink interface {
	Columns(names []string) error
	Row(values []driver.Value) error
}

// Run runs a statement, which must be one SELECT, on a connection of package untrusted.
// It reports whether there are more rows than Request.MaxRows. An *Error is the fault of
// the statement, and what it has handed on before is right; so are errors of the sink.
// Other errors are SQLite's own.
func Run(ctx context.Context, c *sqlite.Conn, r Request, sink Sink) (more bool, err error) {
	statement, err := untrusted.Select(ctx, c, r.SQL)
	if err != nil {
		return false, explain(ctx, c, r.SQL, err)
	}
	defer func() { err = errors.Join(err, statement.Close()) }()
	rows, err := statement.QueryContext(ctx, named(r.Parameters))
	if err != nil {
		return false, explain(ctx, c, r.SQL, err)
	}
	rows = sqlite.Verbatim(rows)
	// A statement that failed fails again when it is reset.
	defer func() { err = errors.Join(err, ifNone(err, rows.Close())) }()
	names := rows.Columns()
	if err := sink.Columns(names); err != nil {
		return false, err
	}
	row := make([]driver.Value, len(names))
	for n := int64(0); ; n++ {
		switch err := rows.Next(row); {
		case err == io.EOF:
			return false, nil
		case err != nil:
			return false, explain(ctx, c, r.SQL, err)
		case r.MaxRows > 0 && n == r.MaxRows:
			return true, nil
		}
		if err := sink.Row(row); err != nil {
			return false, err
		}
	}
}

func ifNone(err, other error) error {
	if err != nil {
		return nil
	}
	return other
}

// explain returns an error of SQLite's about a statement as an *Error, if the statement
// is at fault.
func explain(ctx context.Context, c *sqlite.Conn, sql string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	switch sqlite.Code(err) {
	case 0, sqlite3.ErrError, sqlite3.ErrTooBig, sqlite3.ErrMismatch, sqlite3.ErrRange, sqlite3.ErrConstraint, sqlite3.ErrAuth, sqlite3.ErrReadonly:
		return &Error{Message: err.Error(), Hint: hint(ctx, c, sql, sqlite.Message(err))}
	}
	return err
}
