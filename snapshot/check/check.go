// Package check has SQLite check a database: a file that is private to the caller,
// or one that a connection reads.
//
// It belongs to the ground floor of Lifeboat's own packages and promises nothing
// to applications.
package check

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/mattn/go-sqlite3"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/reason"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite"
)

// A Level is how thoroughly a database is checked.
type Level string

// The levels, by what SQLite looks at. Source:
// https://www.sqlite.org/pragma.html#pragma_integrity_check
const (
	None  Level = "none"
	Quick Level = "quick" // PRAGMA quick_check
	Full  Level = "full"  // PRAGMA integrity_check
)

// pragma returns the name of SQLite's check, "" if there is none to make, and the
// page cache that suits it, in bytes.
func (l Level) pragma() (name string, cache int, err error) {
	switch l {
	case None:
		return "", 0, nil
	case Quick:
		return "quick_check", sqlite.CopyCache, nil
	case Full:
		return "integrity_check", sqlite.FullCheckCache, nil
	}
	return "", 0, fmt.Errorf("unknown check %q", l)
}

// File lets SQLite check the database file at path, which is private to the
// caller, is not written meanwhile and has no sidecars. It does not change the
// file. name stands for it in messages. One that is not sound, or not a database at
// all, is an error that wraps reason.ErrSource and has SQLite's first findings. Where
// SQLite lacks something to check a table with, and finds nothing wrong with the
// others, the error wraps reason.ErrUncheckable.
func File(ctx context.Context, path, name string, level Level) (err error) {
	pragma, cache, err := level.pragma()
	if err != nil || pragma == "" {
		return err
	}
	db, err := openFile(ctx, path, cache)
	if err != nil {
		return failedBy(name, err)
	}
	return errors.Join(run(ctx, db, name, pragma), db.Close())
}

// Conn is File for what a connection reads. It sets the connection's page cache.
func Conn(ctx context.Context, db *sqlite.Conn, name string, level Level) error {
	pragma, cache, err := level.pragma()
	if err != nil || pragma == "" {
		return err
	}
	if err := db.BoundCache(ctx, cache); err != nil {
		return err
	}
	return run(ctx, db, name, pragma)
}

// run runs the check.
func run(ctx context.Context, db *sqlite.Conn, name, pragma string) error {
	findings, err := db.Column(ctx, "PRAGMA "+pragma+"(5)")
	if err == nil {
		return failed(name, findings)
	}
	if lacks := missing(ctx, db, "", err); lacks != "" || sqlite.Code(err) == sqlite3.ErrError {
		return checkTables(ctx, db, name, pragma, err)
	}
	return failedBy(name, err)
}

// failedBy returns an error that ended a check.
func failedBy(name string, err error) error {
	if errors.Is(err, reason.ErrSource) {
		return reason.Errorf(reason.ErrSource, err, "%s failed its check: %v", name, err)
	}
	return err
}

// openFile opens a private file so that SQLite checks all of it and changes
// nothing. A connection that may only read drops CHECK constraints. In exclusive
// mode a WAL database needs no -shm, and closing removes its empty -wal.
func openFile(ctx context.Context, path string, cache int) (*sqlite.Conn, error) {
	db, err := sqlite.OpenSource(path, 0, url.Values{"mode": {"rw"}, "_locking_mode": {"EXCLUSIVE"}, "_query_only": {"1"}})
	if err != nil {
		return nil, err
	}
	var info os.FileInfo
	if info, err = os.Stat(path); err == nil {
		db.BoundLength(info.Size())
		_, err = db.Column(ctx, "PRAGMA page_count")
	}
	if err == nil {
		err = db.BoundCache(ctx, cache)
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// failed returns what is wrong by the rows of a check, nil if they say ok.
func failed(name string, findings []driver.Value) error {
	if len(findings) == 1 && findings[0] == "ok" {
		return nil
	}
	var text []string
	for _, f := range findings {
		text = append(text, fmt.Sprint(f))
	}
	return reason.Errorf(reason.ErrSource, nil, "%s failed its check: %s", name, strings.Join(text, "; "))
}

// checkTables checks one table after the other, because cause ended the check of
// them all. Tables that SQLite cannot check here do not hide that others are
// damaged.
func checkTables(ctx context.Context, c *sqlite.Conn, name, pragma string, cause error) error {
	tables, err := c.Column(ctx, "SELECT name FROM sqlite_schema WHERE type = 'table'")
	if err != nil {
		return err
	}
	var unchecked []string
	for _, table := range tables {
		quoted := quote(fmt.Sprint(table))
		findings, err := c.Column(ctx, "PRAGMA "+pragma+"("+quoted+")")
		if err == nil {
			err = failed(name, findings)
		} else if lacks := missing(ctx, c, quoted, err); lacks != "" {
			unchecked, err = append(unchecked, fmt.Sprintf("table %s (%s)", quoted, lacks)), nil
		}
		if err != nil && errors.Is(err, reason.ErrSource) {
			return reason.Errorf(reason.ErrSource, err, "%s failed its check: table %s: %v", name, quoted, err)
		}
		if err != nil {
			return err
		}
	}
	if len(unchecked) == 0 { // what the tables share is wrong
		return reason.Errorf(reason.ErrSource, cause, "%s failed its check: %v", name, cause)
	}
	few := unchecked[:min(len(unchecked), 5)]
	return reason.Errorf(reason.ErrUncheckable, nil, "%s cannot be checked here: only its application has what %d of %d tables need, nothing else is wrong: %s",
		name, len(unchecked), len(tables), strings.Join(few, ", "))
}

// missing returns what SQLite lacks here according to err, "" if err is about
// something else. An FTS5 table without its tokenizer fails only when it is searched:
// table is its quoted name, or "".
func missing(ctx context.Context, c *sqlite.Conn, table string, err error) string {
	if found := Missing(err); found != "" || table == "" || sqlite.Code(err) != sqlite3.ErrError {
		return found
	}
	_, err = c.Column(ctx, "SELECT 1 FROM "+table+" WHERE "+table+" MATCH 'a' LIMIT 1")
	return Missing(err)
}

// Missing returns SQLite's message if err is that a function, collation,
// tokenizer or the like, which an application can add to SQLite, is not known.
func Missing(err error) string {
	if sqlite.Code(err) != sqlite3.ErrError {
		return ""
	}
	message := sqlite.Message(err)
	for _, text := range []string{
		"no such collation sequence", "no such function", "unknown function", "unable to use function",
		"no such module", "no such tokenizer", "unknown tokenizer", "error in tokenizer constructor",
		"unrecognized parameter", "unrecognized option",
	} {
		if strings.Contains(message, text) {
			return message
		}
	}
	return ""
}

func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
