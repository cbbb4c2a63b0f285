package diff

import (
	"database/sql"
	"database/sql/driver"
	"fmt"
	"maps"
	"math"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite"
)

// contents are a table's rows by key, as SQL shows them.
type contents struct {
	columns, key []string
	defaults     map[string]string
	rows         map[string]map[string]string
}

// byHand returns what found should return, from all rows of both databases.
func byHand(t testing.TB, old, new string) (lines []string) {
	t.Helper()
	a, b := allRows(t, old), allRows(t, new)
	names := maps.Clone(a)
	maps.Copy(names, b)
	for name := range names {
		x, y := a[name], b[name]
		if x == nil {
			x = &contents{}
		}
		if y == nil {
			y = &contents{key: x.key}
		}
		c := byHandComparison{name, [2]*contents{x, y}}
		for key, row := range x.rows {
			lines = append(lines, c.line(key, row, y.rows[key]))
		}
		for key, row := range y.rows {
			if x.rows[key] == nil {
				lines = append(lines, c.line(key, nil, row))
			}
		}
	}
	lines = slices.DeleteFunc(lines, func(l string) bool { return l == "" })
	slices.Sort(lines)
	return lines
}

type byHandComparison struct {
	name   string
	tables [2]*contents
}

// line returns the line of a row, "" if it is the same on both sides.
func (c byHandComparison) line(key string, old, new map[string]string) string {
	columns := slices.Clone(c.tables[1].columns)
	for _, column := range c.tables[0].columns {
		if !slices.Contains(columns, column) {
			columns = append(columns, column)
		}
	}
	change := Changed
	switch {
	case old == nil:
		change = Added
	case new == nil:
		change = Removed
	}
	line := fmt.Sprint(c.name, " ", change)
	if len(c.tables[1].key) == 0 {
		line += " row " + key
	}
	differs := change != Changed
	for _, column := range columns {
		u, v := c.value(0, old, column), c.value(1, new, column)
		same := u == v
		if change == Changed && same && !slices.Contains(c.tables[1].key, column) {
			continue
		}
		differs = differs || !same
		if old != nil {
			line += fmt.Sprintf(" -%s=%s", column, u)
		}
		if new != nil {
			line += fmt.Sprintf(" +%s=%s", column, v)
		}
	}
	if !differs {
		return ""
	}
	return line
}

func (c byHandComparison) value(side int, row map[string]string, column string) string {
	if v, found := row[column]; found {
		return v
	}
	return c.tables[1-side].defaults[column]
}

// allRows reads all tables of the world.
func allRows(t testing.TB, path string) map[string]*contents {
	t.Helper()
	c, err := sqlite.Open(path, 0, url.Values{"mode": {"ro"}, "immutable": {"1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	each := func(query string, f func([]driver.Value)) {
		if err := c.Each(t.Context(), query, f); err != nil {
			t.Fatal(err)
		}
	}
	all := map[string]*contents{}
	each("SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND name LIKE 't%'", func(row []driver.Value) {
		all[row[0].(string)] = &contents{rows: map[string]map[string]string{}, defaults: map[string]string{}}
	})
	for name, table := range all {
		wr := false
		each("SELECT wr FROM pragma_table_list('"+name+"')", func(row []driver.Value) { wr = row[0] == int64(1) })
		query := "SELECT name, pk, coalesce(dflt_value, 'NULL'), type FROM pragma_table_xinfo('" + name + "') WHERE hidden <> 2"
		if wr {
			query = "SELECT t.name, t.pk, coalesce(dflt_value, 'NULL'), type FROM pragma_index_xinfo('" + name + "') i JOIN pragma_table_xinfo('" + name + "') t USING (cid) ORDER BY i.seqno"
		}
		each(query, func(row []driver.Value) {
			column := row[0].(string)
			table.columns = append(table.columns, column)
			if row[1].(int64) > 0 {
				table.key = append(table.key, column)
			}
			table.defaults[column] = defaultOf(t, row[3].(string), row[2].(string))
		})
		collation := "BINARY"
		each("SELECT iif(sql LIKE '%NOCASE%', 'NOCASE', iif(sql LIKE '%RTRIM%', 'RTRIM', 'BINARY')) FROM sqlite_schema WHERE name = '"+name+"'", func(row []driver.Value) { collation = row[0].(string) })
		rowid := "rowid"
		if wr {
			rowid = "0"
		}
		each("SELECT "+rowid+", +"+strings.Join(table.columns, ", +")+" FROM "+name, func(row []driver.Value) {
			values := map[string]string{}
			key := ""
			for i, column := range table.columns {
				v := row[i+1]
				values[column] = raw(v)
				if slices.Contains(table.key, column) {
					key += normal(v, collation, row[0]) + ","
				}
			}
			if len(table.key) == 0 {
				key = raw(row[0])
			}
			table.rows[key] = values
		})
	}
	return all
}

// raw returns a value as show does.
func raw(v driver.Value) string {
	switch v := v.(type) {
	case nil:
		return "NULL"
	case float64:
		return fmt.Sprintf("%gr", v)
	case string:
		return fmt.Sprintf("%q", v)
	case []byte:
		return fmt.Sprintf("x%x", v)
	}
	return fmt.Sprint(v)
}

// normal returns the same for values that are the same key.
func normal(v driver.Value, collation string, rowid driver.Value) string {
	if text, ok := v.(string); ok {
		switch collation {
		case "NOCASE":
			v = strings.ToLower(text)
		case "RTRIM":
			v = strings.TrimRight(text, " ")
		}
	}
	if f, ok := v.(float64); ok && f == math.Trunc(f) {
		v = int64(f)
	}
	if v == nil {
		return fmt.Sprint("null of ", rowid)
	}
	return raw(v)
}

// defaultOf returns what a column holds that was added with a default.
func defaultOf(t testing.TB, kind, dflt string) (value string) {
	t.Helper()
	db, err := sql.Open("sqlite3", ":memory:")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	if _, err := db.Exec(fmt.Sprintf("CREATE TABLE d (x %s DEFAULT %s); INSERT INTO d DEFAULT VALUES", kind, dflt)); err != nil {
		t.Fatal(err)
	}
	var v any
	if err := db.QueryRow("SELECT +x FROM d").Scan(&v); err != nil {
		t.Fatal(err)
	}
	return raw(v)
}
