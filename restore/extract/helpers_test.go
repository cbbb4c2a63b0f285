package extract

import (
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/check"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite/sqlitetest"
)

// makeDB makes a database by the driver, whose SQLite is newer than many a tool's.
func makeDB(t *testing.T, statements string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "app.db")
	sqlitetest.Exec(t, path, "PRAGMA synchronous = OFF; "+statements)
	return path
}

// extracted extracts from a database that is open for reading only, as a snapshot is.
func extracted(t *testing.T, path string, r Request) (string, Report, error) {
	t.Helper()
	c, err := sqlite.Open(path, 0, url.Values{"mode": {"ro"}, "immutable": {"1"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Exec(t.Context(), "PRAGMA query_only = ON"); err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(t.TempDir(), "new.db")
	report, err := Copy(t.Context(), c, to, r)
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if err == nil {
		if err := check.File(t.Context(), to, "the new database", check.Full); err != nil && !errors.Is(err, snapshot.ErrUncheckable) {
			t.Error(err)
		}
	}
	return to, report, err
}

func mustExtract(t *testing.T, path string, r Request) (string, Report) {
	t.Helper()
	to, report, err := extracted(t, path, r)
	if err != nil {
		t.Fatal(err)
	}
	return to, report
}

// rows returns a query's rows, each as one text.
func rows(t *testing.T, path, query string) (found []string) {
	t.Helper()
	db, err := sql.Open("sqlite3", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	result, err := db.Query(query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer result.Close()
	names, err := result.Columns()
	if err != nil {
		t.Fatal(err)
	}
	for result.Next() {
		values := make([]any, len(names))
		for i := range values {
			values[i] = new(sql.RawBytes)
		}
		if err := result.Scan(values...); err != nil {
			t.Fatal(err)
		}
		var row []string
		for _, v := range values {
			row = append(row, string(*v.(*sql.RawBytes)))
		}
		found = append(found, strings.Join(row, "|"))
	}
	if err := result.Err(); err != nil {
		t.Fatal(err)
	}
	return found
}

// exact returns the rows of a table with everything that SQL can tell apart.
func exact(t *testing.T, path, table string) []string {
	t.Helper()
	values := []string{}
	for _, rowid := range []string{"rowid"} {
		db, err := sql.Open("sqlite3", path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.Exec("SELECT " + rowid + " FROM " + quote(table) + " LIMIT 0"); err == nil {
			values = append(values, rowid)
		}
		db.Close()
	}
	for _, name := range rows(t, path, "SELECT name FROM pragma_table_xinfo("+literal(table)+") WHERE hidden <> 1") {
		q := quote(name)
		values = append(values, "typeof("+q+") || ':' || CASE typeof("+q+") WHEN 'text' THEN hex(CAST("+q+" AS BLOB)) ELSE quote("+q+") END")
	}
	return rows(t, path, "SELECT "+strings.Join(values, ", ")+" FROM "+quote(table)+" NOT INDEXED")
}

func same(t *testing.T, a, b string, tables ...string) {
	t.Helper()
	for _, table := range tables {
		want, got := exact(t, a, table), exact(t, b, table)
		if len(want) == 0 || !slices.Equal(want, got) {
			t.Errorf("%s: %d rows instead of %d: %s", table, len(got), len(want), firstOther(got, want))
		}
		objects := "SELECT type, name, sql FROM sqlite_schema WHERE tbl_name = " + literal(table) + " AND type IN ('table', 'index') ORDER BY type, name"
		if want, got := rows(t, a, objects), rows(t, b, objects); !slices.Equal(want, got) {
			t.Errorf("%s: %q, want %q", table, got, want)
		}
	}
}

func firstOther(got, want []string) string {
	for i := range want {
		if i >= len(got) || got[i] != want[i] {
			return fmt.Sprintf("%.200q, want %.200q", got[min(i, len(got)):min(i+1, len(got))], want[i])
		}
	}
	return "more"
}
