// Package sqlitetest makes databases for the tests of all packages.
package sqlitetest

import (
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	_ "github.com/mattn/go-sqlite3" // the driver
)

// Exec runs statements on a database, which it makes if there is none, and
// closes it.
func Exec(t testing.TB, path, statements string) {
	t.Helper()
	db, err := sql.Open("sqlite3", path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.Exec(statements)
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatalf("%s: %v", statements, err)
	}
}

// Application makes a database of an application: its schema, and so many rows
// of its own.
func Application(t testing.TB, schema string, rows int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "app.db")
	Exec(t, path, schema+"; CREATE TABLE item (id INTEGER PRIMARY KEY, body)")
	Fill(t, path, rows)
	return path
}

// Fill adds rows to the database of an Application.
func Fill(t testing.TB, path string, rows int) {
	t.Helper()
	Exec(t, path, fmt.Sprintf(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < %d)
		INSERT INTO item (body) SELECT hex(randomblob(200)) FROM n`, rows))
}
