package diff

import (
	"context"
	"database/sql/driver"
	"fmt"
	"slices"
	"strings"

	"github.com/lifeboat-sqlite/lifeboat/restore/diff/btree"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite"
)

// A Schema is what SQLite says about a database without reading its rows. Names and
// texts are bytes of the database's choice.
type Schema struct {
	UserVersion   int64
	ApplicationID int64
	Objects       []Object
	Tables        []Table // those with a b-tree
}

// An Object is a table, an index, a view or a trigger.
type Object struct {
	Kind  string // "table", "index", "view" or "trigger"
	Name  string
	Table string // that it belongs to
	SQL   string // "" for what SQLite has made for itself
}

// A Table is a table with rows of its own.
type Table struct {
	Name         string
	Root         int // page
	WithoutRowid bool
	// Columns are those that are stored, in the order of the records.
	Columns []Column
	// Key are the columns of the primary key. A table without one has none: its
	// rows are known by rowid.
	Key []KeyColumn
	// Alias is the index of the column that is the rowid, or -1.
	Alias int
	// ShadowOf is the virtual table that keeps its content here, or "".
	ShadowOf string
}

// A Column is a column that is stored.
type Column struct {
	Name     string
	Affinity Affinity
	Default  Default
}

// A KeyColumn is a column of a primary key.
type KeyColumn struct {
	Column     int // index among the table's columns
	Collation  string
	Descending bool
}

// A Default is the value of a column that a row was written without.
type Default struct {
	Kind  string // "", "integer", "real", "text" or "blob"
	Int   int64
	Float float64
	Bytes []byte
}

// ReadSchema asks SQLite for the schema of the database that c has open.
func ReadSchema(ctx context.Context, c *sqlite.Conn) (s Schema, err error) {
	if s.UserVersion, err = c.Int(ctx, "PRAGMA user_version"); err != nil {
		return s, err
	}
	if s.ApplicationID, err = c.Int(ctx, "PRAGMA application_id"); err != nil {
		return s, err
	}
	roots := map[string]int{}
	virtual := []string{}
	err = c.Each(ctx, "SELECT type, name, tbl_name, rootpage, sql FROM sqlite_schema ORDER BY type, name", func(row []driver.Value) {
		o := Object{text(row[0]), text(row[1]), text(row[2]), text(row[4])}
		s.Objects = append(s.Objects, o)
		if root, _ := row[3].(int64); o.Kind == "table" && root > 0 {
			roots[o.Name] = int(root)
		} else if o.Kind == "table" {
			virtual = append(virtual, o.Name)
		}
	})
	if err != nil {
		return s, err
	}
	for _, o := range s.Objects {
		if root := roots[o.Name]; o.Kind == "table" && root > 0 {
			t, err := readTable(ctx, c, o.Name)
			if err != nil {
				return s, err
			}
			t.Root, t.ShadowOf = root, shadowed(o.Name, virtual)
			s.Tables = append(s.Tables, t)
		}
	}
	return s, nil
}

// check returns an error if the schema, which may come from a process that is not
// trusted, contradicts itself.
func (s Schema) check() error {
	for _, t := range s.Tables {
		bad := t.Alias < -1 || t.Alias >= len(t.Columns)
		for _, k := range t.Key {
			bad = bad || k.Column < 0 || k.Column >= len(t.Columns)
		}
		if bad {
			return fmt.Errorf("%w: the schema of table %q contradicts itself", btree.ErrCorrupt, t.Name)
		}
	}
	return nil
}

func text(v driver.Value) string {
	switch v := v.(type) {
	case string:
		return v
	case []byte:
		return string(v)
	}
	return ""
}

// shadowed returns the virtual table whose content a table with that name holds.
func shadowed(name string, virtual []string) (of string) {
	for _, v := range virtual {
		if strings.HasPrefix(name, v+"_") && slices.Contains(shadows, name[len(v)+1:]) && len(v) > len(of) {
			of = v
		}
	}
	return of
}

// shadows are the names of tables that hold the content of the virtual tables FTS3 to
// FTS5 and R-tree, behind the name of the latter.
var shadows = []string{"content", "segments", "segdir", "docsize", "stat", "data", "idx", "config", "node", "rowid", "parent"}

// readTable reads everything about a table but its place.
func readTable(ctx context.Context, c *sqlite.Conn, name string) (t Table, err error) {
	t = Table{Name: name, Alias: -1}
	stored := map[int64]int{} // indexes among t.Columns by SQLite's number of a column
	var key []int64
	var alias []string
	defaults := map[int]string{}
	err = c.Each(ctx, "SELECT cid, name, type, dflt_value, pk, hidden FROM pragma_table_xinfo("+literal(name)+")", func(row []driver.Value) {
		const virtual = 2 // a generated column that is not stored
		if row[5] == int64(virtual) {
			return
		}
		cid, _ := row[0].(int64)
		stored[cid] = len(t.Columns)
		if pk, _ := row[4].(int64); pk > 0 {
			key = append(key, cid)
			alias = append(alias, text(row[2]))
		}
		if expression := text(row[3]); expression != "" && row[5] == int64(0) {
			defaults[len(t.Columns)] = expression
		}
		t.Columns = append(t.Columns, Column{Name: text(row[1]), Affinity: affinityOf(text(row[2]))})
	})
	if err != nil {
		return t, err
	}
	for i, expression := range defaults {
		if t.Columns[i].Default, err = constant(ctx, c, expression); err != nil {
			return t, err
		}
	}
	if t.WithoutRowid, err = withoutRowid(ctx, c, name); err != nil {
		return t, err
	}
	index := name
	if !t.WithoutRowid {
		found, err := c.Column(ctx, "SELECT name FROM pragma_index_list("+literal(name)+") WHERE origin = 'pk'")
		if err != nil {
			return t, err
		}
		if len(found) == 0 {
			if len(key) == 1 && strings.EqualFold(alias[0], "INTEGER") {
				t.Alias = stored[key[0]]
				t.Key = []KeyColumn{{t.Alias, "BINARY", false}}
			}
			return t, nil
		}
		index = text(found[0])
	}
	return t, t.order(ctx, c, index, stored)
}

// order sets the key by the index that SQLite keeps for it. The rows of a table WITHOUT
// ROWID are stored in the order of that index.
func (t *Table) order(ctx context.Context, c *sqlite.Conn, index string, stored map[int64]int) error {
	var order []Column
	err := c.Each(ctx, "SELECT cid, coll, key, desc FROM pragma_index_xinfo("+literal(index)+")", func(row []driver.Value) {
		cid, _ := row[0].(int64)
		i, isStored := stored[cid]
		if !isStored {
			return // the rowid, or a generated column
		}
		if t.WithoutRowid {
			order = append(order, t.Columns[i])
			i = len(order) - 1
		}
		if row[2] == int64(1) {
			t.Key = append(t.Key, KeyColumn{i, text(row[1]), row[3] == int64(1)})
		}
	})
	if t.WithoutRowid {
		t.Columns = order
	}
	return err
}

func withoutRowid(ctx context.Context, c *sqlite.Conn, name string) (bool, error) {
	found, err := c.Column(ctx, "SELECT wr FROM pragma_table_list("+literal(name)+") WHERE schema = 'main'")
	return len(found) == 1 && found[0] == int64(1), err
}

// constant returns the value of a default. SQLite takes only constants for a column that is
// added to a table with rows, so others never stand for a value that a row lacks.
func constant(ctx context.Context, c *sqlite.Conn, expression string) (Default, error) {
	row, err := c.Row(ctx, "SELECT "+expression)
	if ctx.Err() != nil {
		return Default{}, ctx.Err()
	}
	if err != nil {
		return Default{}, nil
	}
	switch v := row[0].(type) {
	case int64:
		return Default{Kind: "integer", Int: v}, nil
	case bool:
		return Default{Kind: "integer", Int: map[bool]int64{true: 1}[v]}, nil
	case float64:
		return Default{Kind: "real", Float: v}, nil
	case string:
		return Default{Kind: "text", Bytes: []byte(v)}, nil
	case []byte:
		return Default{Kind: "blob", Bytes: v}, nil
	}
	return Default{}, nil
}

// literal returns a name as a string in SQL. SQLite's names have no NUL.
func literal(name string) string { return "'" + strings.ReplaceAll(name, "'", "''") + "'" }

// A Change of the schema is an object that only one side has, or has otherwise.
type SchemaChange struct {
	Kind, Name, Table string
	Change            Change
	// Old and New are the SQL of both sides, "" where there is none.
	Old, New string
	// Columns are the names of columns that were added or removed, with a sign in
	// front: of a table that has changed.
	Columns []string
}

// A Change is what has become of a row or of an object of the schema.
type Change string

// The changes.
const (
	Added   Change = "added"
	Removed Change = "removed"
	Changed Change = "changed"
)

// compareSchemas returns what differs between the schemas, by kind and name.
func compareSchemas(before, after Schema) (changes []SchemaChange) {
	key := func(o Object) string { return fmt.Sprintf("%s\x00%s", o.Kind, o.Name) }
	old := map[string]Object{}
	for _, o := range before.Objects {
		old[key(o)] = o
	}
	for _, o := range after.Objects {
		was, found := old[key(o)]
		delete(old, key(o))
		c := SchemaChange{Kind: o.Kind, Name: o.Name, Table: o.Table, New: o.SQL, Old: was.SQL}
		switch {
		case !found:
			c.Change = Added
		case was.SQL != o.SQL || was.Table != o.Table:
			c.Change = Changed
			c.Columns = columnChanges(before.table(o.Name), after.table(o.Name))
		default:
			continue
		}
		changes = append(changes, c)
	}
	for _, o := range before.Objects {
		if _, left := old[key(o)]; left {
			changes = append(changes, SchemaChange{Kind: o.Kind, Name: o.Name, Table: o.Table, Old: o.SQL, Change: Removed})
		}
	}
	return changes
}

func columnChanges(before, after *Table) (changes []string) {
	if before == nil || after == nil {
		return nil
	}
	for _, c := range before.Columns {
		if after.column(c.Name) < 0 {
			changes = append(changes, "-"+c.Name)
		}
	}
	for _, c := range after.Columns {
		if before.column(c.Name) < 0 {
			changes = append(changes, "+"+c.Name)
		}
	}
	return changes
}

// table returns the table of that name, nil if there is none.
func (s Schema) table(name string) *Table {
	for i := range s.Tables {
		if s.Tables[i].Name == name {
			return &s.Tables[i]
		}
	}
	return nil
}

// column returns the index of the column of that name, -1 if there is none.
func (t *Table) column(name string) int {
	if t == nil {
		return -1
	}
	return slices.IndexFunc(t.Columns, func(c Column) bool { return strings.EqualFold(c.Name, name) })
}

// recordsLike reports whether the same bytes are the same row in both tables.
func (t *Table) recordsLike(other *Table) bool {
	return t != nil && other != nil && t.WithoutRowid == other.WithoutRowid && t.Alias == other.Alias &&
		slices.EqualFunc(t.Columns, other.Columns, Column.equal)
}

func (c Column) equal(other Column) bool {
	return strings.EqualFold(c.Name, other.Name) && c.Affinity == other.Affinity && c.Default.equal(other.Default)
}

func (d Default) equal(other Default) bool {
	return d.Kind == other.Kind && d.Int == other.Int && d.Float == other.Float && string(d.Bytes) == string(other.Bytes)
}
