package diff

import (
	"bytes"

	"github.com/lifeboat-sqlite/lifeboat/restore/diff/btree"
)

// A row is a row of one side.
type row struct {
	rowid   int64
	payload btree.Payload
	record  *btree.Record // nil until it is needed
}

func (r *row) parse() (err error) {
	if r.record == nil {
		r.record, err = r.payload.Record()
	}
	return err
}

// columns are those that a table has on either side, and how its rows are compared by
// them: the new side's columns in their order, then those that only the old one has. A
// column that a side lacks counts there as if all rows had its default.
type columns struct {
	*sides
	tables   [2]*Table
	names    []string
	index    [][2]int // of each column on both sides, -1 where it is missing
	alike    bool     // records with the same bytes are the same rows
	thorough bool     // overflow pages may differ anywhere
}

func newColumns(s *sides, tables [2]*Table, thorough bool) *columns {
	c := &columns{sides: s, tables: tables, thorough: thorough}
	if t := tables[after]; t != nil {
		for i, column := range t.Columns {
			c.names, c.index = append(c.names, column.Name), append(c.index, [2]int{after: i, before: tables[before].column(column.Name)})
		}
	}
	if t := tables[before]; t != nil {
		for i, column := range t.Columns {
			if tables[after].column(column.Name) < 0 {
				c.names, c.index = append(c.names, column.Name), append(c.index, [2]int{after: -1, before: i})
			}
		}
	}
	c.alike = s.files[before].Encoding == s.files[after].Encoding && tables[before].recordsLike(tables[after])
	return c
}

// value returns a value of a row as the table has it, cut to a length.
func (c *columns) value(side int, r *row, column, most int) (btree.Value, error) {
	t, i := c.tables[side], c.index[column][side]
	if i < 0 {
		missing := c.tables[1-side].Columns[c.index[column][1-side]]
		return missing.Default.value(missing.Affinity), nil
	}
	if !t.WithoutRowid && i == t.Alias {
		return btree.Value{Kind: btree.Integer, Int: r.rowid}, nil
	}
	if err := r.parse(); err != nil {
		return btree.Value{}, ofSide(side, err)
	}
	affinity := t.Columns[i].Affinity
	if i >= r.record.Len() { // written before the column was added
		return t.Columns[i].Default.value(affinity), nil
	}
	v, err := r.record.Value(i, most)
	return affinity.read(v), ofSide(side, err)
}

// stored reports whether a side has the value of a column in the record.
func (c *columns) stored(side int, r *row, column int) bool {
	i := c.index[column][side]
	return i >= 0 && (c.tables[side].WithoutRowid || i != c.tables[side].Alias) && i < r.record.Len()
}

// differ reports in which columns two rows differ, or, if first is set, only in the
// first one found.
func (c *columns) differ(old, new *row, first bool) (differ []bool, any bool, err error) {
	if err := old.parse(); err != nil {
		return nil, false, ofSide(before, err)
	}
	if err := new.parse(); err != nil {
		return nil, false, ofSide(after, err)
	}
	differ = make([]bool, len(c.index))
	for i := range c.index {
		same, err := c.sameValue(old, new, i)
		if err != nil {
			return nil, false, err
		}
		if differ[i] = !same; !same {
			if any = true; first {
				break
			}
		}
	}
	return differ, any, nil
}

func (c *columns) sameValue(old, new *row, column int) (bool, error) {
	if c.stored(before, old, column) && c.stored(after, new, column) {
		i, j := c.index[column][before], c.index[column][after]
		same, err := btree.EqualValues(old.record, i, new.record, j)
		return same && c.alikeKinds(column, old.record.Kind(i), new.record.Kind(j)), err
	}
	const whole = 1 << 30
	v, err := c.value(before, old, column, whole)
	if err != nil {
		return false, err
	}
	w, err := c.value(after, new, column, whole)
	return v.Equal(w) && c.alikeKinds(column, v.Kind, w.Kind), err
}

// alikeKinds reports whether equal values of these kinds are the same in a column. A
// column of floating-point numbers has its whole ones stored as integers; in another
// one 1 and 1.0 are two values.
func (c *columns) alikeKinds(column int, old, new btree.Kind) bool {
	if old == new {
		return true
	}
	for side, t := range c.tables {
		if i := c.index[column][side]; i >= 0 && t.Columns[i].Affinity == realAffinity {
			return true
		}
	}
	return false
}

// same reports whether two rows with the same key are the same.
func (c *columns) same(old, new *row) (bool, error) {
	a, b := old.payload, new.payload
	if c.alike && a.Size == b.Size && bytes.Equal(a.Local, b.Local) {
		if int64(len(a.Local)) == a.Size || a.Overflow == b.Overflow && !c.thorough && !c.differs.Has(a.Overflow) {
			return true, nil
		}
		if same, err := a.Equal(b); err != nil || same {
			return same, err
		}
	}
	_, differ, err := c.differ(old, new, true)
	return !differ, err
}
