package extract

import (
	"context"
	"database/sql/driver"
	"fmt"
	"slices"
	"strings"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/reason"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite"
)

// An object is a row of sqlite_schema.
type object struct {
	kind, name, table, sql string
}

// A schema is what a database has, in the order of its schema table.
type schema []object

func readSchema(ctx context.Context, c *sqlite.Conn) (s schema, err error) {
	err = c.Each(ctx, "SELECT type, name, tbl_name, coalesce(sql, '') FROM main.sqlite_schema", func(row []driver.Value) {
		s = append(s, object{text(row[0]), text(row[1]), text(row[2]), text(row[3])})
	})
	return s, err
}

// text returns a value of SQLite's as text.
func text(v driver.Value) string {
	switch v := v.(type) {
	case string:
		return v
	case []byte:
		return string(v)
	case nil:
		return ""
	}
	return fmt.Sprint(v)
}

// sameName compares names as SQLite does, whose letters are those of ASCII.
func sameName(a, b string) bool { return lower(a) == lower(b) }

func lower(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, name)
}

// of returns the objects of one kind that belong to a table.
func (s schema) of(table, kind string) (found []object) {
	for _, o := range s {
		if o.kind == kind && sameName(o.table, table) && o.sql != "" {
			found = append(found, o)
		}
	}
	return found
}

// named returns the table or view of a name.
func (s schema) named(name string) (object, bool) {
	i := slices.IndexFunc(s, func(o object) bool {
		return (o.kind == "table" || o.kind == "view") && sameName(o.name, name)
	})
	if i < 0 {
		return object{}, false
	}
	return s[i], true
}

// isInternal reports whether SQLite keeps the table for itself.
func isInternal(name string) bool { return strings.HasPrefix(lower(name), "sqlite_") }

// find returns the table of a name that a user gave, or why it cannot be extracted.
func (s schema) find(name string) (object, error) {
	o, found := s.named(name)
	switch owner := s.owner(name); {
	case !found:
		return o, reason.Errorf(ErrRequest, nil, "there is no table %s%s", name, s.others())
	case o.kind == "view":
		return o, reason.Errorf(ErrRequest, nil, "%s is a view: --sql 'SELECT * FROM ...' --as NAME makes a table of its rows", name)
	case isInternal(o.name):
		return o, reason.Errorf(ErrRequest, nil, "%s is SQLite's own table: what it holds about a table goes with that table", name)
	case owner != "":
		return o, reason.Errorf(ErrRequest, nil, "%s is a part of the virtual table %s: extract that one", name, owner)
	}
	return o, nil
}

// others names some of the tables that there are.
func (s schema) others() string {
	const some = 10
	var names []string
	for _, o := range s {
		if o.kind == "table" && !isInternal(o.name) && s.owner(o.name) == "" {
			names = append(names, o.name)
		}
	}
	switch n := len(names); {
	case n == 0:
		return ": the database has none"
	case n > some:
		return fmt.Sprintf("; there are %s and %d more", strings.Join(names[:some], ", "), n-some)
	}
	return "; there are " + strings.Join(names, ", ")
}

// owner returns the virtual table that a table is a part of, "" if it is none's.
func (s schema) owner(name string) string {
	for _, o := range s {
		if v, ok := virtualOf(o); ok && slices.ContainsFunc(v.parts(), func(part string) bool { return sameName(part, name) }) {
			return o.name
		}
	}
	return ""
}

// columns returns the columns of a table that can be written, whether a column of any
// kind has one of the names of the rowid, and whether one is an alias of it.
func columns(ctx context.Context, c *sqlite.Conn, table string) (names []string, taken map[string]bool, alias bool, err error) {
	taken = map[string]bool{}
	keys, integer := 0, false
	err = c.Each(ctx, "PRAGMA main.table_xinfo("+quote(table)+")", func(row []driver.Value) {
		name := text(row[1])
		taken[lower(name)] = true
		if row[5] != int64(0) {
			keys++
			integer = strings.EqualFold(text(row[2]), "INTEGER")
		}
		if row[6] == int64(0) {
			names = append(names, name)
		}
	})
	if err != nil || keys != 1 || !integer {
		return names, taken, false, err
	}
	indexed, err := hasKeyIndex(ctx, c, table)
	return names, taken, !indexed, err
}

// hasKeyIndex reports whether a table's primary key is an index of its own. That of
// INTEGER PRIMARY KEY DESC is, which therefore is no alias of the rowid. Source:
// https://www.sqlite.org/lang_createtable.html#rowids_and_the_integer_primary_key
func hasKeyIndex(ctx context.Context, c *sqlite.Conn, table string) (has bool, err error) {
	err = c.Each(ctx, "PRAGMA main.index_list("+quote(table)+")", func(row []driver.Value) {
		has = has || text(row[3]) == "pk"
	})
	return has, err
}

// rowidNames are the names that the rowid has unless a column has them.
var rowidNames = []string{"rowid", "_rowid_", "oid"}

// quote returns a name as SQL's.
func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// literal returns a text as SQL's.
func literal(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

func list(names []string) string {
	var quoted []string
	for _, name := range names {
		quoted = append(quoted, quote(name))
	}
	return strings.Join(quoted, ", ")
}
