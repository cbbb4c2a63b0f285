package diff

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/lifeboat-sqlite/lifeboat/restore/diff/btree"
)

// A Row is a row that one side does not have, or has otherwise.
type Row struct {
	Change Change
	// Rowid is the row's, in a table without a primary key.
	Rowid int64
	// Old and New are its values by column, nil where there is no such row.
	Old, New []btree.Value
	// Differ has the columns of a changed row that differ.
	Differ []bool
}

// A comparison compares the rows of one table.
type comparison struct {
	*columns
	trail trail
	key   []int // columns of the key
	whole bool  // all columns are: rows with equal ones are told apart by nothing
	found *TableDiff
	most  int             // bytes of a value in a Row
	rows  func(Row) error // nil: they are only counted
	left  int             // how many rows are wanted yet
}

// keyed sets what rows are joined by. What is a key on one side only can be that of many
// rows on the other: then all of a row is its key.
func (c *comparison) keyed(key []int) {
	if len(key) > 0 && (c.tables[before] == nil || c.tables[after] == nil || c.sameKeys()) {
		c.key = key
		return
	}
	c.whole, c.key = true, nil
	for i := range c.names {
		c.key = append(c.key, i)
	}
}

// sameKeys reports whether both sides have the same columns in the primary key, in any
// order, and compare them alike.
func (c *comparison) sameKeys() bool {
	var keys [2][]string
	for side, t := range c.tables {
		for _, k := range t.Key {
			keys[side] = append(keys[side], strings.ToUpper(t.Columns[k.Column].Name+" "+k.Collation))
		}
		slices.Sort(keys[side])
	}
	return slices.Equal(keys[before], keys[after])
}

// run compares all rows in the pages of the trail.
func (c *comparison) run() error {
	if c.byRowid() {
		return c.merge()
	}
	return c.join()
}

// byRowid reports whether rows are the same if their rowids are.
func (c *comparison) byRowid() bool {
	for _, t := range c.tables {
		if t != nil && (t.WithoutRowid || len(t.Key) > 0 && t.Alias < 0) {
			return false
		}
	}
	old, new := c.tables[before], c.tables[after]
	return old == nil || new == nil || old.Alias < 0 && new.Alias < 0 ||
		old.Alias >= 0 && new.Alias >= 0 && old.column(new.Columns[new.Alias].Name) == old.Alias
}

// A cursor reads the rows in a list of pages.
type cursor struct {
	*sides
	side  int
	pages []uint32
	page  *btree.Page
	i     int
}

// next returns the next row, nil after the last one.
func (c *cursor) next() (*row, error) {
	for c.page == nil || c.i >= c.page.Cells {
		if len(c.pages) == 0 {
			return nil, nil
		}
		p, err := c.sides.page(c.side, int(c.pages[0]))
		if err != nil {
			return nil, err
		}
		c.page, c.pages, c.i = p, c.pages[1:], 0
	}
	cell, err := c.page.Cell(c.i)
	if err != nil {
		return nil, ofSide(c.side, err)
	}
	c.i++
	return &row{rowid: cell.Rowid, payload: cell.Payload}, nil
}

// merge compares rows in the order of their rowids.
func (c *comparison) merge() error {
	var cursors [2]cursor
	var rows [2]*row
	step := func(side int) (err error) {
		last := rows[side]
		rows[side], err = cursors[side].next()
		if err == nil && last != nil && rows[side] != nil && rows[side].rowid <= last.rowid {
			err = corrupt(side, "rowids of table %q are out of order", c.found.Name)
		}
		return err
	}
	for side := range cursors {
		cursors[side] = cursor{sides: c.sides, side: side, pages: c.trail.leaves[side]}
		if err := step(side); err != nil {
			return err
		}
	}
	for rows[before] != nil || rows[after] != nil {
		old, new := rows[before], rows[after]
		switch {
		case new == nil || old != nil && old.rowid < new.rowid:
			new = nil
		case old == nil || new.rowid < old.rowid:
			old = nil
		}
		if err := c.compare(old, new); err != nil {
			return err
		}
		for side, r := range [2]*row{old, new} {
			if r == nil {
				continue
			}
			if err := step(side); err != nil {
				return err
			}
		}
	}
	return nil
}

// compare compares two rows with the same key, of which one may be nil.
func (c *comparison) compare(old, new *row) error {
	if c.ctx.Err() != nil {
		return context.Cause(c.ctx)
	}
	r := Row{}
	switch {
	case new == nil:
		r.Change, r.Rowid = Removed, old.rowid
		c.found.Removed++
	case old == nil:
		r.Change, r.Rowid = Added, new.rowid
		c.found.Added++
	default:
		same, err := c.same(old, new)
		if err != nil || same {
			return err
		}
		r.Change, r.Rowid = Changed, new.rowid
		c.found.Changed++
	}
	if c.rows == nil || c.left == 0 {
		return nil
	}
	c.left--
	return c.show(r, old, new)
}

// show calls rows with the values of a row.
func (c *comparison) show(r Row, old, new *row) (err error) {
	if r.Old, err = c.values(before, old); err != nil {
		return err
	}
	if r.New, err = c.values(after, new); err != nil {
		return err
	}
	if r.Change == Changed {
		if r.Differ, _, err = c.differ(old, new, false); err != nil {
			return err
		}
	}
	return c.rows(r)
}

func (c *comparison) values(side int, r *row) (values []btree.Value, err error) {
	if r == nil {
		return nil, nil
	}
	for i := range c.names {
		v, err := c.value(side, r, i, c.most)
		if err != nil {
			return nil, err
		}
		values = append(values, v)
	}
	return values, nil
}

// maxJoin is how many keys join keeps in memory at a time.
const maxJoin = 400_000

// A place is where a row is: the page in the upper bits, and the cell.
type place uint64

// A hash is that of a key.
type hash [16]byte

// places are where the rows are that have a key. There is more than one of them where
// the key is all of a row, or where the database has a key twice that it should not.
type places struct {
	first map[hash]place
	more  map[hash][]place
}

func (p places) add(h hash, at place) {
	if _, found := p.first[h]; found {
		p.more[h] = append(p.more[h], at)
		return
	}
	p.first[h] = at
}

// take returns the first place of a key, and forgets it.
func (p places) take(h hash) (at place, found bool) {
	at, found = p.first[h]
	delete(p.first, h)
	if more := p.more[h]; len(more) > 0 {
		p.first[h], p.more[h] = more[0], more[1:]
	}
	return at, found
}

// left returns the places that were not taken, in their order.
func (p places) left() []place {
	left := slices.Collect(maps.Values(p.first))
	for _, more := range p.more {
		left = append(left, more...)
	}
	slices.Sort(left)
	return left
}

// join compares rows by the values of their keys, in whichever order they are stored. Where
// there are many, it takes several rounds for a part of the keys each.
func (c *comparison) join() error {
	rows := 0
	err := c.each(before, func(place, *row) error { rows++; return nil })
	if err != nil {
		return err
	}
	rounds := uint64(rows/maxJoin + 1)
	for round := range rounds {
		if err := c.joinPart(round, rounds); err != nil {
			return err
		}
	}
	return nil
}

// joinPart is join for the keys whose hash has a remainder.
func (c *comparison) joinPart(round, rounds uint64) error {
	places := places{map[hash]place{}, map[hash][]place{}}
	part := func(side int, f func(place, *row, hash) error) error {
		return c.each(side, func(at place, r *row) error {
			h, err := c.hash(side, r)
			if err != nil || binary.LittleEndian.Uint64(h[:])%rounds != round {
				return err
			}
			return f(at, r, h)
		})
	}
	err := part(before, func(at place, _ *row, h hash) error {
		places.add(h, at)
		return nil
	})
	if err != nil {
		return err
	}
	err = part(after, func(_ place, r *row, h hash) error {
		at, found := places.take(h)
		if !found {
			return c.compare(nil, r)
		}
		old, err := c.at(before, at)
		if err != nil {
			return err
		}
		return c.compare(old, r)
	})
	if err != nil {
		return err
	}
	for _, at := range places.left() {
		old, err := c.at(before, at)
		if err == nil {
			err = c.compare(old, nil)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// each calls f with all rows of a side.
func (c *comparison) each(side int, f func(place, *row) error) error {
	for _, pages := range [][]uint32{c.trail.interior[side], c.trail.leaves[side]} {
		cursor := cursor{sides: c.sides, side: side, pages: pages}
		for {
			r, err := cursor.next()
			if err != nil {
				return err
			}
			if r == nil {
				break
			}
			if err := f(place(cursor.page.Number)<<16|place(cursor.i-1), r); err != nil {
				return err
			}
		}
	}
	return nil
}

// at returns the row at a place.
func (c *comparison) at(side int, at place) (*row, error) {
	p, err := c.page(side, int(at>>16))
	if err != nil {
		return nil, err
	}
	cell, err := p.Cell(int(at & 0xffff))
	return &row{rowid: cell.Rowid, payload: cell.Payload}, ofSide(side, err)
}

// hash returns the same for two rows if their keys are the same, by the collations of
// the key. A key with a NULL is no other row's, unless it is all of the row.
func (c *comparison) hash(side int, r *row) (sum hash, err error) {
	h := sha256.New()
	for _, column := range c.key {
		v, err := c.value(side, r, column, 1<<20)
		if err != nil {
			return sum, err
		}
		switch {
		case v.Kind == btree.Null && c.whole:
			fmt.Fprint(h, "null,")
		case v.Kind == btree.Null:
			fmt.Fprintf(h, "null of row %d,", r.rowid)
		case v.Kind == btree.Integer:
			fmt.Fprintf(h, "%d,", v.Int)
		case v.Kind == btree.Real:
			if v.Float == math.Trunc(v.Float) && math.Abs(v.Float) < 1<<62 {
				fmt.Fprintf(h, "%d,", int64(v.Float))
			} else {
				fmt.Fprintf(h, "%x,", math.Float64bits(v.Float))
			}
		default:
			content := v.Bytes
			if v.Kind == btree.Text {
				content = collate(content, c.collation(column))
			}
			fmt.Fprintf(h, "%d:%d:%d:", v.Kind, len(content), max(v.Length-int64(len(v.Bytes)), 0))
			h.Write(content)
		}
	}
	copy(sum[:], h.Sum(nil))
	return sum, nil
}

// collation returns the collation of a column of the key.
func (c *comparison) collation(column int) string {
	if c.whole {
		return "BINARY"
	}
	for _, side := range [2]int{after, before} {
		if t := c.tables[side]; t != nil {
			for _, k := range t.Key {
				if k.Column == c.index[column][side] {
					return k.Collation
				}
			}
		}
	}
	return "BINARY"
}
