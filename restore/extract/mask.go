package extract

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/mattn/go-sqlite3"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/check"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/reason"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite"
)

// A Masking is what a user's script did.
type Masking struct {
	Statements int `json:"statements"`
	// Rows is how many rows they changed.
	Rows int64 `json:"rows"`
	// Rebuilt are the full-text tables whose index was made anew.
	Rebuilt []string `json:"rebuilt"`
	// LeftOut are triggers that no longer fit what the script made.
	LeftOut []Omission `json:"left_out"`
}

// Mask runs the statements of a script on the database at path, which is private to the
// caller, and writes what comes of it to a new file at masked, in which no page has
// anything of before. The database's own triggers do not run: one that keeps a history
// would keep what the script removes. Samples that ANALYZE took are deleted, and
// full-text indexes are rebuilt, because both have values of before.
//
// An error of a statement wraps ErrStatement, and names the statement and its line. So
// does the error if full-text tables without content are left: their index cannot be made
// anew, and may hold words of before.
func Mask(ctx context.Context, path, masked, script string) (m Masking, err error) {
	c, err := openPrivate(ctx, path)
	if err != nil {
		return m, err
	}
	defer func() {
		err = errors.Join(err, c.Close())
		if ctx.Err() != nil && err != nil {
			err = ctx.Err()
		}
	}()
	m = Masking{Rebuilt: []string{}, LeftOut: []Omission{}}
	mode, err := journalMode(ctx, c)
	if err != nil {
		return m, err
	}
	triggers, err := dropTriggers(ctx, c)
	if err != nil {
		return m, err
	}
	if err := m.run(ctx, c, script); err != nil {
		return m, err
	}
	if err := m.forget(ctx, c); err != nil {
		return m, err
	}
	if err := m.recreate(ctx, c, triggers); err != nil {
		return m, err
	}
	c.SetLimit(sqlite3.SQLITE_LIMIT_ATTACHED, 1) // VACUUM attaches the new file
	err = c.Exec(ctx, "VACUUM INTO "+literal(masked))
	if lacks := check.Missing(err); lacks != "" {
		err = lacking([]string{lacks})
	}
	if err != nil {
		return m, err
	}
	return m, withNew(ctx, masked, header{}, func(c *sqlite.Conn) error {
		_, err := c.Row(ctx, "PRAGMA journal_mode = "+mode)
		return err
	})
}

// journalMode returns the journal mode of a database, which it takes out of WAL mode.
func journalMode(ctx context.Context, c *sqlite.Conn) (string, error) {
	row, err := c.Row(ctx, "PRAGMA journal_mode")
	if err == nil {
		_, err = c.Row(ctx, "PRAGMA journal_mode = DELETE")
	}
	if err != nil {
		return "", err
	}
	return text(row[0]), nil
}

// openPrivate opens a database that is private to the caller, for statements of a user's.
func openPrivate(ctx context.Context, path string) (*sqlite.Conn, error) {
	c, err := sqlite.Open(path, 0, url.Values{"mode": {"rw"}})
	if err != nil {
		return nil, err
	}
	c.SetLimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
	for _, pragma := range []string{"trusted_schema = OFF", "synchronous = OFF", "locking_mode = EXCLUSIVE", "page_count"} {
		if err == nil {
			_, err = c.Column(ctx, "PRAGMA "+pragma)
		}
	}
	if err == nil {
		err = c.BoundCache(ctx, newCache)
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// dropTriggers takes all triggers off, and returns them.
func dropTriggers(ctx context.Context, c *sqlite.Conn) (triggers []object, err error) {
	s, err := readSchema(ctx, c)
	for _, o := range s {
		if err == nil && o.kind == "trigger" {
			triggers = append(triggers, o)
			err = c.Exec(ctx, "DROP TRIGGER main."+quote(o.name))
		}
	}
	return triggers, err
}

// run runs the script.
func (m *Masking) run(ctx context.Context, c *sqlite.Conn, script string) error {
	for _, s := range statements(script) {
		m.Statements++
		rows, err := all(ctx, c, s.sql)
		if err != nil {
			if ctx.Err() != nil || sqlite.IsFull(err) {
				return sqlite.Wrap("run the script", err)
			}
			return reason.Errorf(ErrStatement, err, "statement %d of the script, on line %d, failed: %s: %s", m.Statements, s.line, why(err), brief(s.sql))
		}
		m.Rows += rows
	}
	if m.Statements == 0 {
		return reason.Errorf(ErrStatement, nil, "the script has no statement")
	}
	if !c.AutoCommit() {
		return reason.Errorf(ErrStatement, nil, "the script leaves a transaction open: add COMMIT at its end")
	}
	return nil
}

// all executes a statement to its end, a SELECT or PRAGMA too, and returns how many rows
// it has changed.
func all(ctx context.Context, c *sqlite.Conn, sql string) (int64, error) {
	before, err := c.Int(ctx, "SELECT total_changes()")
	if err == nil {
		err = c.Each(ctx, sql, func([]driver.Value) {})
	}
	if err != nil {
		return 0, err
	}
	// The former counts the rows inside of virtual tables too, the latter is the last
	// statement's that changed any.
	return c.Int(ctx, fmt.Sprintf("SELECT CASE total_changes() WHEN %d THEN 0 ELSE changes() END", before))
}

// brief is the beginning of a statement, on one line.
func brief(sql string) string {
	const most = 80
	line := []rune(strings.Join(strings.Fields(sql), " "))
	if len(line) > most {
		return string(line[:most]) + "..."
	}
	return string(line)
}

// forget removes the values of before that tables and indexes of SQLite's keep.
func (m *Masking) forget(ctx context.Context, c *sqlite.Conn) error {
	s, err := readSchema(ctx, c)
	if err != nil {
		return err
	}
	if names := s.contentless(); len(names) > 0 {
		return reason.Errorf(ErrStatement, nil, "the script cannot mask full-text tables without content, whose index may hold words of before: %s: drop them in the script", strings.Join(names, ", "))
	}
	for _, o := range s {
		if o.kind != "table" {
			continue
		}
		if name := lower(o.name); name == "sqlite_stat4" || name == "sqlite_stat3" {
			if err := c.Exec(ctx, "DELETE FROM main."+quote(o.name)); err != nil {
				return err
			}
		}
		if v, ok := virtualOf(o); ok && v.isRebuilt() {
			if err := c.Exec(ctx, v.rebuild()); err != nil {
				return sqlite.Wrap("rebuild the index of "+v.name, err)
			}
			m.Rebuilt = append(m.Rebuilt, v.name)
		}
	}
	return nil
}

// contentless returns the names of the full-text tables that have no content.
func (s schema) contentless() (names []string) {
	for _, o := range s {
		if v, ok := virtualOf(o); ok && v.isContentless() {
			names = append(names, v.name)
		}
	}
	return names
}

// recreate creates the triggers again, but for those that the script has replaced, and
// those whose table it has dropped or changed.
func (m *Masking) recreate(ctx context.Context, c *sqlite.Conn, triggers []object) error {
	for _, t := range triggers {
		err := create(ctx, c, t)
		if ctx.Err() != nil || sqlite.IsFull(err) {
			return err
		}
		if err != nil {
			m.LeftOut = append(m.LeftOut, Omission{Kind: "trigger", Name: t.name, Table: t.table, Why: why(err)})
		}
	}
	return nil
}
