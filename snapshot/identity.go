package snapshot

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/url"
	"slices"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/disk"
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

// Smallest returns the n smallest page digests, without repetition and in
// ascending order. The first page is left out: it is the schema's. Databases that share pages share some of these, as long as
// they are not too different in size (https://en.wikipedia.org/wiki/MinHash).
func (d *Digest) Smallest(ctx context.Context, n, pages int) ([][]byte, error) {
	in := bufio.NewReaderSize(io.NewSectionReader(d.leaves, digestSize, int64(pages-1)*digestSize), 1<<18)
	var smallest [][]byte
	page := make([]byte, digestSize)
	for i := range pages - 1 {
		if i%(1<<20) == 0 && ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if _, err := io.ReadFull(in, page); err != nil {
			return nil, disk.Wrap("read page digests", err)
		}
		if len(smallest) == n && bytes.Compare(page, smallest[n-1]) >= 0 {
			continue
		}
		at, found := slices.BinarySearchFunc(smallest, page, bytes.Compare)
		if found {
			continue
		}
		smallest = slices.Insert(smallest, at, bytes.Clone(page))
		smallest = smallest[:min(n, len(smallest))]
	}
	return smallest, nil
}
