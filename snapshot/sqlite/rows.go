package sqlite

import (
	"database/sql/driver"

	"github.com/mattn/go-sqlite3"
)

// Verbatim has rows give the values that the database has: nil, int64, float64, string
// or []byte. Of a column that is declared as a date or a boolean the driver would make
// a time or a bool.
func Verbatim(rows driver.Rows) driver.Rows {
	clear(rows.(*sqlite3.SQLiteRows).DeclTypes()) // the driver goes by this very slice
	return rows
}
