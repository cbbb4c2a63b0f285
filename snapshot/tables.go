package snapshot

import (
	"context"
	"fmt"
	"net/url"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite"
)

const (
	maxTables    = 1000
	maxTableName = 200 // characters
)

// tables returns the names of the tables in the complete copy, SQLite's own
// left out: at most 1,000 of 200 characters. A schema that cannot be read has
// none: whether that is a failure is for the check to say.
func (c *Copy) tables(ctx context.Context) ([]string, error) {
	db, err := sqlite.OpenSource(c.path, 0, url.Values{"mode": {"ro"}, "immutable": {"1"}})
	if err != nil {
		return nil, ctx.Err()
	}
	tables, err := tablesOf(ctx, db)
	if db.Close() != nil {
		return nil, ctx.Err()
	}
	return tables, err
}

// tablesOf is tables for a connection that is open.
func tablesOf(ctx context.Context, db *sqlite.Conn) ([]string, error) {
	names, err := db.Column(ctx, fmt.Sprintf(`SELECT substr(name, 1, %d) FROM sqlite_schema
		WHERE type = 'table' AND name NOT LIKE 'sqlite\_%%' ESCAPE '\' LIMIT %d`, maxTableName, maxTables))
	if err != nil {
		return nil, ctx.Err()
	}
	tables := make([]string, len(names))
	for i, name := range names {
		tables[i] = fmt.Sprint(name)
	}
	return tables, nil
}
