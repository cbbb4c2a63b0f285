package extract

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/mattn/go-sqlite3"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/reason"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite"
)

// Copy makes a new database at path, where no file may be, of what the request names in
// the main database of source. It attaches the new database to source meanwhile, whose
// own is not changed. Rows are read in the order of the tables' own pages, and indexes
// are made of the rows, so that pages of other tables and of indexes are hardly read.
//
// Errors wrap those of this package or of the connection. After an error path may have
// a part of a database. Cancelled, Copy returns the error of ctx.
func Copy(ctx context.Context, source *sqlite.Conn, path string, r Request) (Report, error) {
	report, err := copyTo(ctx, source, path, r)
	if ctx.Err() != nil && err != nil {
		err = ctx.Err()
	}
	return report, err
}

func copyTo(ctx context.Context, source *sqlite.Conn, path string, r Request) (Report, error) {
	schema, err := readSchema(ctx, source)
	if err != nil {
		return Report{}, err
	}
	p, err := planFor(schema, r)
	if err != nil {
		return Report{}, err
	}
	if err := checkSelect(ctx, source, r); err != nil {
		return Report{}, err
	}
	if err := p.rehearse(ctx); err != nil {
		return Report{}, err
	}
	h, err := readHeader(ctx, source)
	if err != nil {
		return Report{}, err
	}
	if err := createFile(path); err != nil {
		return Report{}, err
	}
	if err := withNew(ctx, path, h, func(c *sqlite.Conn) error { return p.createTables(ctx, c) }); err != nil {
		return Report{}, err
	}
	report, err := p.copyRows(ctx, source, path, r)
	if err != nil {
		return Report{}, err
	}
	err = withNew(ctx, path, h, func(c *sqlite.Conn) error { return p.finish(ctx, c, &report) })
	report.LeftOut = append(report.LeftOut, p.leftOut...)
	return report, err
}

// withNew calls do with a connection to the new database.
func withNew(ctx context.Context, path string, h header, do func(*sqlite.Conn) error) (err error) {
	c, err := openNew(ctx, path, h)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, sqlite.Wrap("close "+path, c.Close())) }()
	return do(c)
}

// copyRows copies all rows, in one transaction.
func (p *plan) copyRows(ctx context.Context, source *sqlite.Conn, path string, r Request) (report Report, err error) {
	if err := attach(ctx, source, path); err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, detach(source)) }()
	report = NewReport()
	if err := source.Exec(ctx, "BEGIN"); err != nil {
		return report, err
	}
	if r.Query != "" {
		err = copyQuery(ctx, source, r, &report)
	}
	for _, o := range p.tables {
		if err == nil {
			err = p.copyTable(ctx, source, o, r.Where, &report)
		}
	}
	if err == nil {
		err = copySequences(ctx, source, p.tables)
	}
	if err == nil {
		err = source.Exec(ctx, "COMMIT")
	}
	return report, err
}

// out is the name of the new database as long as it is attached.
const out = "lifeboat_extract"

func attach(ctx context.Context, source *sqlite.Conn, path string) error {
	uri, err := sqlite.URI(path, url.Values{"mode": {"rw"}, "vfs": {"unix"}})
	if err != nil {
		return err
	}
	if err := source.Exec(ctx, "PRAGMA query_only = OFF"); err != nil {
		return err
	}
	source.SetLimit(sqlite3.SQLITE_LIMIT_ATTACHED, 1)
	err = source.Exec(ctx, "ATTACH "+literal(uri)+" AS "+out)
	source.SetLimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
	for _, pragma := range []string{
		out + ".journal_mode = OFF", out + ".synchronous = OFF", fmt.Sprintf("%s.cache_size = %d", out, -newCache>>10),
		"trusted_schema = OFF", "ignore_check_constraints = ON", "foreign_keys = OFF",
	} {
		if err == nil {
			err = source.Exec(ctx, "PRAGMA "+pragma)
		}
	}
	return err
}

// detach takes the new database off again, also when ctx is done.
func detach(source *sqlite.Conn) error {
	ctx := context.Background()
	var err error
	if !source.AutoCommit() {
		err = source.Exec(ctx, "ROLLBACK")
	}
	return errors.Join(err, source.Exec(ctx, "DETACH "+out), source.Exec(ctx, "PRAGMA query_only = ON"))
}

// copyTable copies the rows of one table, or of those that a virtual table has.
func (p *plan) copyTable(ctx context.Context, source *sqlite.Conn, o object, where string, report *Report) error {
	t := Table{Name: o.name, Rows: -1}
	for _, i := range p.indexes {
		if sameName(i.table, o.name) {
			t.Indexes++
		}
	}
	for _, i := range p.triggers {
		if sameName(i.table, o.name) {
			t.Triggers++
		}
	}
	var err error
	if v, ok := p.virtual(o); ok {
		t.Note = v.note()
		err = copyParts(ctx, source, v)
	} else {
		t.Rows, err = copyOrdinary(ctx, source, o, where, report)
	}
	report.Tables = append(report.Tables, t)
	return err
}

// copyOrdinary copies the rows of an ordinary table, with their rowids.
func copyOrdinary(ctx context.Context, source *sqlite.Conn, o object, where string, report *Report) (int64, error) {
	names, taken, alias, err := columns(ctx, source, o.name)
	if err != nil {
		return 0, err
	}
	into := list(names)
	hasRowid, err := hasRowid(ctx, source, o.name)
	if err != nil {
		return 0, err
	}
	i := slices.IndexFunc(rowidNames, func(name string) bool { return !taken[name] })
	switch {
	case hasRowid && i >= 0:
		into = rowidNames[i] + ", " + into
	case hasRowid && !alias:
		report.LeftOut = append(report.LeftOut, Omission{Kind: "rowids", Name: o.name, Table: o.name, Why: "columns have all three names of the rowid, so the rows are numbered anew"})
	}
	from := " FROM main." + quote(o.name)
	if where == "" {
		from += " NOT INDEXED" // an index that has all columns would be read instead
	} else {
		from += " WHERE (\n" + where + "\n)"
	}
	return write(ctx, source, o.name, insert+out+"."+quote(o.name)+" ("+into+") SELECT "+into+from)
}

// insert begins a statement that adds rows. A table's own ON CONFLICT clause would drop a
// row that contradicts the schema, or an earlier one, without a word.
const insert = "INSERT OR ABORT INTO "

// hasRowid reports whether a table's rows have numbers.
func hasRowid(ctx context.Context, c *sqlite.Conn, table string) (has bool, err error) {
	err = c.Each(ctx, "PRAGMA main.table_list("+quote(table)+")", func(row []driver.Value) {
		if text(row[0]) == "main" {
			has = row[4] == int64(0)
		}
	})
	return has, err
}

// copyParts copies the tables in which a virtual table keeps its data.
func copyParts(ctx context.Context, source *sqlite.Conn, v virtual) error {
	for _, part := range v.copied() {
		there, err := inBoth(ctx, source, part)
		if err != nil {
			return err
		}
		if !there {
			continue
		}
		names, _, _, err := columns(ctx, source, part)
		if err != nil {
			return err
		}
		// A new virtual table is not quite empty.
		if err := source.Exec(ctx, "DELETE FROM "+out+"."+quote(part)); err != nil {
			return err
		}
		into := list(names)
		if _, err := write(ctx, source, part, insert+out+"."+quote(part)+" ("+into+") SELECT "+into+" FROM main."+quote(part)+" NOT INDEXED"); err != nil {
			return err
		}
	}
	return nil
}

// inBoth reports whether both databases have a table.
func inBoth(ctx context.Context, source *sqlite.Conn, table string) (bool, error) {
	is := " WHERE type = 'table' AND lower(name) = " + literal(lower(table)) + ")"
	n, err := source.Int(ctx, "SELECT EXISTS (SELECT 1 FROM main.sqlite_schema"+is+" + EXISTS (SELECT 1 FROM "+out+".sqlite_schema"+is)
	return n == 2, err
}

// copySequences copies what AUTOINCREMENT knows of the tables: the largest rowid that
// was ever there.
func copySequences(ctx context.Context, source *sqlite.Conn, tables []object) error {
	const sequence = "sqlite_sequence"
	there, err := inBoth(ctx, source, sequence)
	if err != nil || !there {
		return err
	}
	for _, o := range tables {
		name := literal(o.name)
		if err := source.Exec(ctx, "DELETE FROM "+out+"."+sequence+" WHERE name = "+name); err != nil {
			return err
		}
		if _, err := write(ctx, source, sequence, "INSERT INTO "+out+"."+sequence+" SELECT name, seq FROM main."+sequence+" WHERE name = "+name); err != nil {
			return err
		}
	}
	return nil
}

// copyQuery makes a table of a query's result.
func copyQuery(ctx context.Context, source *sqlite.Conn, r Request, report *Report) error {
	if _, err := write(ctx, source, r.As, "CREATE TABLE "+out+"."+quote(r.As)+" AS\n"+r.Query); err != nil {
		return err
	}
	rows, err := source.Int(ctx, "SELECT count(*) FROM "+out+"."+quote(r.As))
	report.Tables = append(report.Tables, Table{Name: r.As, Rows: rows})
	return err
}

// write executes one statement that writes into the new database.
func write(ctx context.Context, source *sqlite.Conn, table, statement string) (rows int64, err error) {
	prepared, err := source.PrepareContext(ctx, statement)
	if err != nil {
		return 0, sqlite.Wrap("extract "+table, err)
	}
	defer func() { err = errors.Join(err, prepared.Close()) }()
	result, err := prepared.(*sqlite3.SQLiteStmt).ExecContext(ctx, nil)
	switch {
	case ctx.Err() != nil:
		return 0, ctx.Err()
	case sqlite.Code(err) == sqlite3.ErrConstraint:
		return 0, reason.Errorf(ErrContent, err, "a row of %s contradicts the table's own schema: %v", table, err)
	case err != nil:
		return 0, sqlite.Wrap("extract "+table, err)
	}
	return result.RowsAffected()
}

// finish makes what is made of rows: indexes; and then what must not see them change.
func (p *plan) finish(ctx context.Context, c *sqlite.Conn, report *Report) error {
	if err := p.createIndexes(ctx, c); err != nil {
		return err
	}
	for _, v := range p.virtuals {
		if !v.isRebuilt() {
			continue
		}
		if err := c.Exec(ctx, v.rebuild()); err != nil {
			return err
		}
	}
	for _, o := range slices.Concat(p.views, p.triggers) {
		if err := create(ctx, c, o); err != nil {
			return err
		}
	}
	for _, o := range p.views {
		report.Views = append(report.Views, o.name)
	}
	found, err := dangling(ctx, c)
	report.Dangling = append(report.Dangling, found...)
	return err
}

// dangling counts the rows that refer to nothing, by table and parent.
func dangling(ctx context.Context, c *sqlite.Conn) (found []Dangling, err error) {
	s, err := readSchema(ctx, c)
	if err != nil {
		return nil, err
	}
	for _, o := range s {
		if o.kind != "table" || isInternal(o.name) {
			continue
		}
		before := len(found)
		err := c.Each(ctx, "PRAGMA main.foreign_key_check("+quote(o.name)+")", func(row []driver.Value) {
			parent := text(row[2])
			i := slices.IndexFunc(found[before:], func(d Dangling) bool { return d.Parent == parent })
			if i < 0 {
				_, there := s.named(parent)
				found, i = append(found, Dangling{Table: o.name, Parent: parent, Extracted: there}), len(found)-before
			}
			found[before+i].Rows++
		})
		switch {
		case err == nil:
		case sqlite.Code(err) == sqlite3.ErrError && ctx.Err() == nil: // such as a parent without the index
			found = append(found[:before], Dangling{Table: o.name, Unknown: why(err)})
		default:
			return found, err
		}
	}
	return found, nil
}

// checkSelect refuses what is not one SELECT, or not one expression.
func checkSelect(ctx context.Context, source *sqlite.Conn, r Request) error {
	var forms []string
	what := "the condition"
	switch {
	case r.Where != "":
		from := "SELECT 1 FROM main." + quote(r.Tables[0]) + " WHERE "
		forms = []string{from + "(\n" + r.Where + "\n)", from + r.Where}
	case r.Query != "":
		if isInternal(r.As) || r.As == "" {
			return reason.Errorf(ErrRequest, nil, "a table cannot have the name %q", r.As)
		}
		what = "the query"
		query := strings.TrimRight(r.Query, "; \t\r\n")
		forms = []string{"WITH \"the given query\" AS (\n" + query + "\n) SELECT * FROM \"the given query\"", query}
	}
	for _, form := range forms {
		parameters, err := parametersOf(ctx, source, form)
		switch {
		case err != nil && ctx.Err() == nil && sqlite.Code(err) == sqlite3.ErrError:
			return reason.Errorf(ErrRequest, err, "%s: %s", what, why(err))
		case err != nil:
			return err
		case parameters > 0:
			return reason.Errorf(ErrRequest, nil, "%s has %s", what, noValues)
		}
	}
	return nil
}

// noValues is said of parameters. SQLite would take each for NULL, with which a condition
// chooses no row.
const noValues = "parameters, such as ? or :name: write their values instead"

// parametersOf compiles a statement, and returns how many parameters it has.
func parametersOf(ctx context.Context, c *sqlite.Conn, statement string) (n int, err error) {
	s, err := c.PrepareContext(ctx, statement)
	if err != nil {
		return 0, err
	}
	return s.NumInput(), s.Close()
}
