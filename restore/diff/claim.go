package diff

import (
	"slices"

	"github.com/lifeboat-sqlite/lifeboat/restore/diff/btree"
)

// A pair is a table as both sides have it.
type pair struct {
	name   string
	tables [2]*Table // nil where a side has none
	keys   []key     // of pages that may be part of it
	all    bool      // all of it was walked through
	trail  trail
}

// table returns the table as the newer side has it that has it.
func (p *pair) table() *Table {
	if p.tables[after] != nil {
		return p.tables[after]
	}
	return p.tables[before]
}

// A claim finds out which of the differing pages belong to which table.
type claim struct {
	*sides
	by    int // the side whose pages are looked at
	pairs []*pair

	candidates []candidate
	tooMany    bool
	index      int      // how many pages of indexes differ, WITHOUT ROWID or not
	owned      *PageSet // pages that a table was found to have
	loose      *PageSet // pages that may be overflow pages of rows in pages that do not differ
	suspects   map[int]bool
}

// A candidate is a page that differs and may be part of a table.
type candidate struct {
	page  uint32
	key   key
	fits  []*pair // the tables that its first row fits best
	index bool
}

// maxCandidates bounds the memory for candidates. With more pages, all of each table is
// walked through.
const maxCandidates = 300_000

func newClaim(s *sides, by int, pairs []*pair) *claim {
	pages := s.files[by].PageCount
	return &claim{sides: s, by: by, pairs: pairs, owned: NewPageSet(pages), loose: NewPageSet(pages), suspects: map[int]bool{}}
}

// run finds the trails of all pairs.
func (c *claim) run() error {
	if err := c.gather(); err != nil {
		return err
	}
	for i := range c.candidates {
		for _, p := range c.candidates[i].fits {
			p.keys = append(p.keys, c.candidates[i].key)
		}
	}
	for _, p := range c.pairs {
		if err := c.walk(p, nil); err != nil {
			return err
		}
	}
	return c.retry()
}

// gather looks at all pages that differ.
func (c *claim) gather() error {
	f := c.files[c.by]
	both := min(c.files[before].PageCount, c.files[after].PageCount)
	buf := make([]byte, f.PageSize)
	shapes := newShapes(c.pairs, c.by)
	for number := range c.differs.All() {
		if number > f.PageCount {
			break
		}
		if number == 1 || f.Special(number) {
			continue
		}
		if c.ctx.Err() != nil {
			return c.ctx.Err()
		}
		if err := f.Read(number, buf); err != nil {
			return ofSide(c.by, err)
		}
		p, err := f.Parse(number, buf)
		if err == nil && p.Cells > 0 {
			c.consider(p, shapes)
		}
		// The first four bytes of an overflow page are a page number, which
		// those of a b-tree page can only be in a database of 2^25 pages.
		if next := btree.Next(buf); next <= f.PageCount && number <= both && (err != nil || next < 1<<25) {
			c.loose.Add(number)
		}
	}
	return nil
}

// consider takes a page as a candidate for the tables that it can belong to.
func (c *claim) consider(p *btree.Page, shapes *shapes) {
	if !p.Table {
		c.index++
	}
	if !p.Table && !shapes.withoutRowid || c.tooMany {
		return
	}
	if len(c.candidates) == maxCandidates {
		c.candidates, c.tooMany = nil, true
		return
	}
	cell, err := p.Cell(0)
	if err != nil {
		return // no b-tree has this page, or the walk will find out
	}
	candidate := candidate{page: uint32(p.Number), key: key{rowid: cell.Rowid}, index: !p.Table}
	if !p.Table {
		if candidate.key, err = keyOf(cell.Payload, shapes.longestKey); err != nil {
			return
		}
	}
	if p.Leaf || !p.Table {
		if r, err := cell.Payload.Record(); err == nil {
			candidate.fits = shapes.fitting(r, !p.Table)
		}
	}
	c.candidates = append(c.candidates, candidate)
}

// walk walks through one table.
func (c *claim) walk(p *pair, suspect func(page int) (bool, error)) (err error) {
	table := p.tables[c.by]
	if table == nil {
		table = p.table()
	}
	o := order{table}
	all := c.tooMany || suspect != nil
	if !o.known(c.files[c.by]) {
		all = all || c.index > 0
	}
	for _, k := range p.keys {
		all = all || slices.ContainsFunc(k.values, func(v btree.Value) bool { return v.Cut })
	}
	if p.all = all; all {
		p.keys = nil
	}
	slices.SortFunc(p.keys, o.compare)
	w := &walk{sides: c.sides, tables: p.tables, by: c.by, order: o, keys: p.keys, all: all, owned: c.owned, suspect: suspect}
	p.trail, err = w.run()
	return err
}

// retry tries the candidates that no table has on all of them.
func (c *claim) retry() error {
	left := slices.DeleteFunc(c.candidates, func(k candidate) bool { return c.owned.Has(int(k.page)) })
	if len(left) == 0 && c.loose.Empty() {
		return nil
	}
	free := NewPageSet(c.files[c.by].PageCount)
	if err := c.files[c.by].Free(free.Add); err != nil {
		return ofSide(c.by, err)
	}
	for page := range free.All() {
		c.loose.Remove(page)
	}
	left = slices.DeleteFunc(left, func(k candidate) bool { return free.Has(int(k.page)) })
	for _, p := range c.pairs {
		if p.tables[c.by] == nil || p.all {
			continue
		}
		tried := len(p.keys)
		for _, k := range left {
			if k.index == p.tables[c.by].WithoutRowid && !slices.Contains(k.fits, p) && !c.owned.Has(int(k.page)) {
				p.keys = append(p.keys, k.key)
			}
		}
		if len(p.keys) > tried {
			if err := c.walk(p, nil); err != nil {
				return err
			}
		}
	}
	c.candidates = nil
	return c.explain(free)
}

// explain takes the overflow pages of differing pages off the loose ones.
func (c *claim) explain(free *PageSet) error {
	f := c.files[c.by]
	for number := range c.differs.All() {
		if c.loose.Empty() || number > f.PageCount {
			break
		}
		if f.Special(number) || free.Has(number) || c.loose.Has(number) && !c.owned.Has(number) {
			continue
		}
		p, err := c.page(c.by, number)
		switch {
		case c.ctx.Err() != nil:
			return c.ctx.Err()
		case err != nil: // not of a b-tree, or it cannot be read, which shows again
			continue
		}
		if _, err := c.tie(p, false); err != nil {
			return err
		}
	}
	return nil
}

// tie takes the overflow pages of a page's rows off the loose ones, and reports whether
// there was one. Unless all is set, it follows only chains whose first page is loose.
func (c *claim) tie(p *btree.Page, all bool) (found bool, err error) {
	c.loose.Remove(p.Number)
	if p.Table && !p.Leaf {
		return false, nil
	}
	for i := range p.Cells {
		cell, err := p.Cell(i)
		if err != nil {
			return found, ofSide(c.by, err)
		}
		if cell.Payload.Overflow == 0 || !all && !c.loose.Has(cell.Payload.Overflow) {
			continue
		}
		err = cell.Payload.Chain(func(number int, _ []byte) bool {
			found = found || c.loose.Has(number)
			c.loose.Remove(number)
			return c.ctx.Err() == nil
		})
		if err != nil {
			return found, ofSide(c.by, err)
		}
	}
	return found, c.ctx.Err()
}

// search looks through all tables for the rows that loose pages belong to. What is loose
// after it belongs to no row.
func (c *claim) search() error {
	for _, p := range c.pairs {
		if c.loose.Empty() {
			return nil
		}
		if p.tables[before] == nil || p.tables[after] == nil {
			continue // all of its rows are compared
		}
		if err := c.walk(p, c.suspect); err != nil {
			return err
		}
	}
	return nil
}

// suspect reports whether a page that is the same on both sides has rows with overflow
// pages that are not.
func (c *claim) suspect(number int) (bool, error) {
	if c.suspects[number] || c.loose.Empty() {
		return c.suspects[number], nil
	}
	p, err := c.page(c.by, number)
	if err != nil {
		return false, err
	}
	found, err := c.tie(p, true)
	if found {
		c.suspects[number] = true
	}
	return found, err
}

// shapes are what the records of tables look like, to guess whose a record is.
type shapes struct {
	rows, index  map[int][]*pair // by number of columns
	by           int
	withoutRowid bool
	longestKey   int
}

func newShapes(pairs []*pair, by int) *shapes {
	s := &shapes{rows: map[int][]*pair{}, index: map[int][]*pair{}, by: by}
	for _, p := range pairs {
		t := p.tables[by]
		if t == nil {
			continue
		}
		if t.WithoutRowid {
			s.withoutRowid, s.longestKey = true, max(s.longestKey, len(t.Key))
			s.index[len(t.Columns)] = append(s.index[len(t.Columns)], p)
		} else {
			s.rows[len(t.Columns)] = append(s.rows[len(t.Columns)], p)
		}
	}
	return s
}

// fitting returns the tables whose columns fit a record best.
func (s *shapes) fitting(r *btree.Record, index bool) (best []*pair) {
	tables := s.rows
	if index {
		tables = s.index
	}
	least := 1 << 20
	for _, p := range tables[r.Len()] {
		strange := strangeness(r, p.tables[s.by])
		if strange < least {
			best, least = nil, strange
		}
		if strange == least {
			best = append(best, p)
		}
	}
	return best
}

// strangeness returns how unusual a record would be in a table.
func strangeness(r *btree.Record, t *Table) (strange int) {
	for i, c := range t.Columns {
		kind := r.Kind(i)
		switch {
		case i == t.Alias && kind != btree.Null:
			strange += 1000
		case i == t.Alias || kind == btree.Null:
		case c.Affinity == textAffinity && kind != btree.Text, c.Affinity != textAffinity && kind == btree.Text:
			strange++
		case c.Affinity == blobAffinity && kind != btree.Blob:
			strange++
		}
	}
	return strange
}
