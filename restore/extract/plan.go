package extract

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/mattn/go-sqlite3"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/check"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/reason"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite"
)

// A plan is what goes into the new database.
type plan struct {
	tables   []object // the virtual ones last: some take their content from the others
	virtuals []virtual
	indexes  []object
	triggers []object
	views    []object
	leftOut  []Omission
}

// planFor resolves the tables of a request.
func planFor(s schema, r Request) (*plan, error) {
	p := &plan{}
	for _, name := range r.Tables {
		o, err := s.find(name)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(p.tables, o) {
			p.tables = append(p.tables, o)
		}
	}
	slices.SortStableFunc(p.tables, func(a, b object) int { return rank(a) - rank(b) })
	for _, o := range p.tables {
		if v, ok := virtualOf(o); ok {
			if err := v.extractable(s, p.tables); err != nil {
				return nil, err
			}
			p.virtuals = append(p.virtuals, v)
		}
		p.indexes = append(p.indexes, s.of(o.name, "index")...)
		triggers := s.of(o.name, "trigger")
		if r.Triggers {
			p.triggers = append(p.triggers, triggers...)
			continue
		}
		for _, t := range triggers {
			p.leftOut = append(p.leftOut, Omission{Kind: "trigger", Name: t.name, Table: o.name, Why: "triggers were not asked for"})
		}
	}
	for _, o := range s {
		if !r.Views || o.kind != "view" {
			continue
		}
		p.views = append(p.views, o)
		for _, t := range s.of(o.name, "trigger") {
			p.leftOut = append(p.leftOut, Omission{Kind: "trigger", Name: t.name, Table: o.name, Why: "triggers of views are not extracted", Asked: r.Triggers})
		}
	}
	if r.Where != "" && (len(p.tables) != 1 || len(p.virtuals) != 0) {
		return nil, reason.Errorf(ErrRequest, nil, "rows are chosen of one ordinary table; for others --sql 'SELECT ...' --as NAME makes a table of a result")
	}
	return p, nil
}

// rank orders tables: what a full-text table needs first, what shows its terms last.
func rank(o object) int {
	v, ok := virtualOf(o)
	switch {
	case !ok:
		return 0
	case modules[v.module] != nil:
		return 1
	}
	return 2
}

// virtual returns the virtual table that o is.
func (p *plan) virtual(o object) (virtual, bool) {
	i := slices.IndexFunc(p.virtuals, func(v virtual) bool { return v.name == o.name })
	if i < 0 {
		return virtual{}, false
	}
	return p.virtuals[i], true
}

// createTables creates all tables, empty.
func (p *plan) createTables(ctx context.Context, c *sqlite.Conn) error {
	var missing []string
	for _, o := range p.tables {
		err := create(ctx, c, o)
		if lacks := check.Missing(err); lacks != "" {
			missing = append(missing, fmt.Sprintf("table %s: %s", o.name, lacks))
			continue
		}
		if err != nil {
			return err
		}
	}
	return lacking(missing)
}

// createIndexes creates the indexes. One whose rows contradict it is left out.
func (p *plan) createIndexes(ctx context.Context, c *sqlite.Conn) error {
	var missing []string
	for i, o := range p.indexes {
		err := create(ctx, c, o)
		if lacks := check.Missing(err); lacks != "" {
			missing = append(missing, fmt.Sprintf("index %s of %s: %s", o.name, o.table, lacks))
			continue
		}
		if sqlite.Code(err) == sqlite3.ErrConstraint {
			p.leftOut = append(p.leftOut, Omission{Kind: "index", Name: o.name, Table: o.table, Why: why(err), Asked: true})
			p.indexes[i].sql = ""
			continue
		}
		if err != nil {
			return err
		}
	}
	p.indexes = slices.DeleteFunc(p.indexes, func(o object) bool { return o.sql == "" })
	return lacking(missing)
}

func lacking(missing []string) error {
	if len(missing) == 0 {
		return nil
	}
	return reason.Errorf(ErrMissing, nil, "only the application has what the schema needs: %s", strings.Join(missing, "; "))
}

// create executes the statement of a schema's object, and nothing that stands behind it.
func create(ctx context.Context, c *sqlite.Conn, o object) error {
	if !strings.HasPrefix(lower(strings.TrimLeft(o.sql, " \t\r\n")), "create") {
		return reason.Errorf(ErrContent, nil, "the schema of the database is damaged: %s %s", o.kind, o.name)
	}
	if err := first(ctx, c, o.sql); err != nil {
		return sqlite.Wrap(fmt.Sprintf("create %s %s", o.kind, o.name), err)
	}
	n, err := c.Int(ctx, fmt.Sprintf("SELECT count(*) FROM main.sqlite_schema WHERE type = %s AND name = %s", literal(o.kind), literal(o.name)))
	if err == nil && n != 1 {
		return reason.Errorf(ErrContent, nil, "the schema of the database is damaged: the statement of %s %s makes something else", o.kind, o.name)
	}
	return err
}

// first executes the first statement of a text.
func first(ctx context.Context, c *sqlite.Conn, text string) (err error) {
	statement, err := c.PrepareContext(ctx, text)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, statement.Close()) }()
	_, err = statement.(*sqlite3.SQLiteStmt).ExecContext(ctx, nil)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// rehearse makes the schema in memory, where no row has been read yet: what is missing
// is found before anything is fetched, and so are triggers and views that lack something.
func (p *plan) rehearse(ctx context.Context) (err error) {
	c, err := openNew(ctx, "", header{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	tables, indexes := p.createTables(ctx, c), error(nil)
	if tables == nil {
		indexes = p.createIndexes(ctx, c)
	}
	if err := errors.Join(tables, indexes); err != nil {
		return err
	}
	if err := p.tryViews(ctx, c); err != nil {
		return err
	}
	return p.tryTriggers(ctx, c)
}

// tryViews keeps the views that can be read.
func (p *plan) tryViews(ctx context.Context, c *sqlite.Conn) error {
	for _, v := range p.views { // all of them first: one may need another
		if err := create(ctx, c, v); err != nil {
			return err
		}
	}
	var kept []object
	for _, v := range p.views {
		if err := compiles(ctx, c, "SELECT * FROM "+quote(v.name)); err != nil {
			p.leftOut = append(p.leftOut, Omission{Kind: "view", Name: v.name, Why: why(err)})
			continue
		}
		kept = append(kept, v)
	}
	p.views = kept
	return ctx.Err()
}

// tryTriggers keeps the triggers whose statements SQLite can compile.
func (p *plan) tryTriggers(ctx context.Context, c *sqlite.Conn) error {
	var kept []object
	for _, t := range p.triggers {
		err := create(ctx, c, t)
		if err == nil {
			err = p.fires(ctx, c, t.table)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil {
			kept = append(kept, t)
			continue
		}
		p.leftOut = append(p.leftOut, Omission{Kind: "trigger", Name: t.name, Table: t.table, Why: why(err), Asked: true})
		if err := c.Exec(ctx, "DROP TRIGGER IF EXISTS main."+quote(t.name)); err != nil {
			return err
		}
	}
	p.triggers = kept
	return nil
}

// fires compiles the statements that make a table's triggers run.
func (p *plan) fires(ctx context.Context, c *sqlite.Conn, table string) error {
	names, _, _, err := columns(ctx, c, table)
	if err != nil || len(names) == 0 {
		return err
	}
	var sets []string
	for _, name := range names {
		sets = append(sets, quote(name)+" = "+quote(name))
	}
	return cmp.Or(
		compiles(ctx, c, "DELETE FROM main."+quote(table)),
		compiles(ctx, c, "INSERT INTO main."+quote(table)+" DEFAULT VALUES"),
		compiles(ctx, c, "UPDATE main."+quote(table)+" SET "+strings.Join(sets, ", ")),
	)
}

// why returns the cause of an error in SQLite's words, where it has some.
func why(err error) string { return cmp.Or(sqlite.Message(err), err.Error()) }

// compiles returns why SQLite cannot compile a statement, or nil.
func compiles(ctx context.Context, c *sqlite.Conn, statement string) error {
	s, err := c.PrepareContext(ctx, statement)
	if err != nil {
		return err
	}
	return s.Close()
}

// A header is what a new database takes over from the header of the old one.
type header struct {
	pageSize, autoVacuum, userVersion, applicationID int64
	encoding                                         string
}

func readHeader(ctx context.Context, c *sqlite.Conn) (h header, err error) {
	for name, value := range map[string]*int64{
		"page_size": &h.pageSize, "auto_vacuum": &h.autoVacuum, "user_version": &h.userVersion, "application_id": &h.applicationID,
	} {
		if *value, err = c.Int(ctx, "PRAGMA main."+name); err != nil {
			return h, err
		}
	}
	row, err := c.Row(ctx, "PRAGMA main.encoding")
	if err == nil {
		h.encoding = text(row[0])
	}
	return h, err
}

// openNew opens a new database; "" is one in memory. Nothing keeps its content if the
// process dies: it has no name that matters yet.
func openNew(ctx context.Context, path string, h header) (c *sqlite.Conn, err error) {
	params := url.Values{"mode": {"rw"}}
	if path == "" {
		params = url.Values{"mode": {"memory"}}
	}
	if c, err = sqlite.Open(path, 0, params); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Close())
		}
	}()
	c.SetLimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
	pragmas := []string{"trusted_schema = OFF", "journal_mode = MEMORY", "synchronous = OFF", "ignore_check_constraints = ON"}
	if h != (header{}) {
		pragmas = append(pragmas, fmt.Sprintf("page_size = %d", h.pageSize), "encoding = "+literal(h.encoding), fmt.Sprintf("auto_vacuum = %d", h.autoVacuum),
			fmt.Sprintf("user_version = %d", h.userVersion), fmt.Sprintf("application_id = %d", h.applicationID))
	}
	for _, pragma := range pragmas {
		if err := c.Exec(ctx, "PRAGMA "+pragma); err != nil {
			return nil, err
		}
	}
	return c, c.BoundCache(ctx, newCache)
}

// newCache is the page cache for a new database, in bytes. Indexes that belong to a table
// from its beginning, as of UNIQUE, grow at random places.
const newCache = 64 << 20

func createFile(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}
