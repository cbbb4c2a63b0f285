package diff

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"slices"
	"strings"

	"github.com/lifeboat-sqlite/lifeboat/restore/diff/btree"
)

// A Side is one state of a database.
type Side struct {
	Pages  io.ReaderAt // the database file
	Size   int64       // bytes
	Schema Schema
	// Prefetch, if it is set, is called with pages of the side that will be read.
	Prefetch func(ctx context.Context, pages iter.Seq[int]) error
}

// Options has what Compare is to do.
type Options struct {
	// Tables are the tables to compare; empty: all. A virtual table stands for
	// those that hold its content.
	Tables []string
	// Summary leaves the rows out.
	Summary bool
	// Rows, if it is set, is called with up to MaxRows rows of each table that differ
	// (-1: all), of whose values it gets the first MaxValue bytes.
	Rows     func(t *TableDiff, r Row) error
	MaxRows  int
	MaxValue int
	// FromOld says that the old side's pages that differ are cheaper to read.
	FromOld bool
}

// A Result is what differs.
type Result struct {
	// Same means that nothing differs that was looked at.
	Same bool
	// Pages is how many pages differ in the whole database, IndexPages how many of
	// them belong to indexes or tables WITHOUT ROWID.
	Pages, IndexPages int
	// LoosePages is how many pages of long values differ that a summary of all tables
	// can count to none.
	LoosePages int
	// Schema has the objects that differ, Settings the settings in the header.
	Schema   []SchemaChange
	Settings []Setting
	// Tables are those whose pages differ, and those that only one side has.
	Tables []*TableDiff
}

// A Setting is a number in the database header.
type Setting struct {
	Name     string
	Old, New int64
}

// A TableDiff is what differs in one table.
type TableDiff struct {
	Name     string
	ShadowOf string // the virtual table whose content it holds, or ""
	Internal bool   // SQLite's own
	Change   Change // Added or Removed if only one side has the table
	// OldPages and NewPages are how many pages hold rows that the other side does not
	// have in the same page.
	OldPages, NewPages int
	// Columns are the columns of rows, Key those of the primary key: without one,
	// rows are known by rowid.
	Columns []string
	Key     []int
	// Added, Removed and Changed count rows. A summary counts none.
	Added, Removed, Changed int64
}

// Differs reports whether the table's rows differ, or, in a summary, its pages.
func (t *TableDiff) Differs(summary bool) bool {
	return t.Change != "" || t.Added+t.Removed+t.Changed > 0 || summary && t.OldPages+t.NewPages > 0
}

// ErrNoTable: neither side has a table of that name.
var ErrNoTable = errors.New("there is no such table")

// Compare returns what differs between two states of a database, of which differs has
// the pages that differ. Errors of content are a *SideError that wraps
// btree.ErrCorrupt.
func Compare(ctx context.Context, old, new Side, differs *PageSet, o Options) (*Result, error) {
	s := &sides{ctx: ctx, differs: differs}
	for side, from := range [2]Side{old, new} {
		f, err := btree.Open(from.Pages, from.Size)
		if err == nil {
			err = from.Schema.check()
		}
		if err != nil {
			return nil, ofSide(side, err)
		}
		s.files[side], s.prefetches[side] = f, from.Prefetch
	}
	if s.files[before].PageSize != s.files[after].PageSize {
		s.differs = AllPages(max(s.files[before].PageCount, s.files[after].PageCount))
	}
	pairs, err := choose(old.Schema, new.Schema, o.Tables)
	if err != nil {
		return nil, err
	}
	r := &Result{Pages: s.differs.Len(), Schema: compareSchemas(old.Schema, new.Schema)}
	r.compareSettings(old.Schema, new.Schema)
	if len(o.Tables) > 0 {
		r.Settings = nil
		r.Schema = slices.DeleteFunc(r.Schema, func(c SchemaChange) bool { return !wanted(o.Tables, c.Name) && !wanted(o.Tables, c.Table) })
	}
	by := after
	if o.FromOld {
		by = before
	}
	c := newClaim(s, by, pairs)
	if err := s.prefetch(by, s.differs.All()); err != nil {
		return nil, err
	}
	if err := c.run(); err != nil {
		return nil, err
	}
	r.IndexPages = c.index
	thorough := !c.loose.Empty()
	if o.Summary && len(o.Tables) == 0 {
		r.LoosePages = c.loose.Len()
	} else if err := c.search(); err != nil { // also in a summary: they may be other tables'
		return nil, err
	}
	if !o.Summary {
		if err := s.prefetchTrails(pairs); err != nil {
			return nil, err
		}
	}
	for _, p := range pairs {
		if p.name == schemaTable {
			continue
		}
		if err := r.compareTable(s, p, thorough, o); err != nil {
			return nil, err
		}
	}
	r.Same = len(r.Schema)+len(r.Settings)+r.LoosePages == 0 && !slices.ContainsFunc(r.Tables, func(t *TableDiff) bool { return t.Differs(o.Summary) })
	return r, nil
}

// schemaTable is the table that has the schema. Its rows are compared as a schema.
const schemaTable = "sqlite_schema"

// choose returns the tables to compare.
func choose(old, new Schema, names []string) (pairs []*pair, err error) {
	byName := map[string]*pair{}
	for side, schema := range [2]Schema{old, new} {
		for i := range schema.Tables {
			t := &schema.Tables[i]
			if len(names) > 0 && !wanted(names, t.Name) && !wanted(names, t.ShadowOf) {
				continue
			}
			p := byName[t.Name]
			if p == nil {
				p = &pair{name: t.Name}
				byName[t.Name], pairs = p, append(pairs, p)
			}
			p.tables[side] = t
		}
	}
	for _, name := range names {
		if !slices.ContainsFunc(pairs, func(p *pair) bool {
			return strings.EqualFold(p.name, name) || strings.EqualFold(p.table().ShadowOf, name)
		}) {
			return nil, fmt.Errorf("%w: %s", ErrNoTable, name)
		}
	}
	slices.SortFunc(pairs, func(a, b *pair) int { return strings.Compare(a.name, b.name) })
	if len(names) == 0 {
		t := &Table{Name: schemaTable, Root: 1, Alias: -1}
		for _, name := range []string{"type", "name", "tbl_name", "rootpage", "sql"} {
			t.Columns = append(t.Columns, Column{Name: name, Affinity: textAffinity})
		}
		pairs = append(pairs, &pair{name: schemaTable, tables: [2]*Table{t, t}})
	}
	return pairs, nil
}

func wanted(names []string, name string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, name) })
}

// compareTable adds what differs in one table.
func (r *Result) compareTable(s *sides, p *pair, thorough bool, o Options) error {
	d := &TableDiff{Name: p.name, ShadowOf: p.table().ShadowOf, Internal: strings.HasPrefix(p.name, "sqlite_"), OldPages: p.trail.pages(before), NewPages: p.trail.pages(after)}
	switch {
	case p.tables[before] == nil:
		d.Change = Added
	case p.tables[after] == nil:
		d.Change = Removed
	case d.OldPages+d.NewPages == 0:
		return nil
	}
	r.Tables = append(r.Tables, d)
	c := &comparison{columns: newColumns(s, p.tables, thorough), trail: p.trail, found: d, most: o.MaxValue, left: o.MaxRows}
	d.Columns = c.names
	if o.Rows != nil {
		c.rows = func(row Row) error { return o.Rows(d, row) }
	}
	for _, k := range p.table().Key {
		name := p.table().Columns[k.Column].Name
		d.Key = append(d.Key, slices.Index(c.names, name))
	}
	c.keyed(d.Key)
	if o.Summary {
		return nil
	}
	return c.run()
}

func (r *Result) compareSettings(old, new Schema) {
	for _, s := range []Setting{{"user_version", old.UserVersion, new.UserVersion}, {"application_id", old.ApplicationID, new.ApplicationID}} {
		if s.Old != s.New {
			r.Settings = append(r.Settings, s)
		}
	}
}

// Overlay returns the newer side's file where it differs from the older one's, and
// else the latter: what both have need not be read twice.
func Overlay(old, new io.ReaderAt, pageSize int, differs *PageSet) io.ReaderAt {
	return overlay{old, new, int64(pageSize), differs}
}

type overlay struct {
	old, new io.ReaderAt
	pageSize int64
	differs  *PageSet
}

// ReadAt implements io.ReaderAt.
func (o overlay) ReadAt(p []byte, offset int64) (n int, err error) {
	for n < len(p) && err == nil {
		page := offset / o.pageSize
		rest := p[n:min(int64(len(p)), int64(n)+(page+1)*o.pageSize-offset)]
		from := o.old
		if page >= math.MaxInt32 || o.differs.Has(int(page)+1) {
			from = o.new
		}
		var read int
		read, err = from.ReadAt(rest, offset)
		if read == len(rest) {
			err = nil
		}
		n, offset = n+read, offset+int64(read)
	}
	return n, err
}
