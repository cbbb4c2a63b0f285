package query

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/agnivade/levenshtein"

	"github.com/lifeboat-sqlite/lifeboat/restore/untrusted"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite"
)

// ErrStatement: a statement cannot be run, whatever rows there are. Errors that wrap it
// are an *Error.
var ErrStatement = errors.New("the statement cannot be run")

// An Error is what is wrong with a statement.
type Error struct {
	// Message is SQLite's own. It may quote names of the database.
	Message string
	// Hint is what helps, or "". It may have names of the database.
	Hint string
}

// Error implements error.
func (e *Error) Error() string { return e.Message }

// Unwrap returns ErrStatement.
func (e *Error) Unwrap() error { return ErrStatement }

// onlyThere are the beginnings of messages about what an application registers.
var onlyThere = []string{
	"no such collation sequence", "no such function", "unknown function", "no such module", "no such tokenizer", "unknown tokenizer", "error in tokenizer constructor",
}

// hint returns the hint for a message of SQLite's about a statement, or "".
func hint(ctx context.Context, c *sqlite.Conn, sql, message string) string {
	for _, text := range onlyThere {
		if strings.Contains(message, text) {
			return "SQLite itself does not have that, perhaps the application does: write the query without it, such as with COLLATE BINARY, or restore the snapshot and ask the application"
		}
	}
	if name, found := strings.CutPrefix(message, "no such table: "); found {
		return nearest(ctx, c, name, "tables", `SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\_%' ESCAPE '\' LIMIT 1000`)
	}
	if name, found := strings.CutPrefix(message, "no such column: "); found {
		return nearest(ctx, c, name, "columns", `SELECT DISTINCT p.name FROM sqlite_schema s, pragma_table_info(s.name) p
			WHERE s.type = 'table' AND instr(lower(:sql), lower(s.name)) LIMIT 1000`, driver.NamedValue{Name: "sql", Ordinal: 1, Value: sql})
	}
	return ""
}

// nearest returns which of the names in the answer to a query may have been meant, or
// all of them, or "".
func nearest(ctx context.Context, c *sqlite.Conn, wanted, what, query string, args ...driver.NamedValue) string {
	names, err := column(ctx, c, query, args)
	if err != nil || len(names) == 0 {
		return "" // what it is for is worse
	}
	wanted = wanted[strings.LastIndex(wanted, ".")+1:]
	best, distance := "", max(2, len(wanted)/3)+1
	for _, name := range names {
		if d := levenshtein.ComputeDistance(strings.ToLower(name), strings.ToLower(wanted)); d < distance {
			best, distance = name, d
		}
	}
	if best != "" {
		return fmt.Sprintf("is %s meant?", best)
	}
	const few = 20
	list := strings.Join(names[:min(few, len(names))], ", ")
	if more := len(names) - few; more > 0 {
		list += fmt.Sprintf(" and %d more", more)
	}
	return fmt.Sprintf("the %s are %s", what, list)
}

// column returns the texts of the first column.
func column(ctx context.Context, c *sqlite.Conn, query string, args []driver.NamedValue) (texts []string, err error) {
	statement, err := untrusted.Select(ctx, c, query)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, statement.Close()) }()
	rows, err := statement.QueryContext(ctx, args)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	row := make([]driver.Value, len(rows.Columns()))
	for {
		switch err := rows.Next(row); {
		case err == io.EOF:
			return texts, nil
		case err != nil:
			return nil, err
		}
		if text, ok := row[0].(string); ok {
			texts = append(texts, text)
		}
	}
}
