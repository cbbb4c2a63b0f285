package diff

import (
	"context"
	"errors"
	"iter"
	"slices"

	"github.com/lifeboat-sqlite/lifeboat/restore/diff/btree"
)

// The two sides, as indexes.
const (
	before = 0
	after  = 1
)

// sides are both states of a database.
type sides struct {
	ctx     context.Context
	files   [2]*btree.File
	differs *PageSet // pages that are not the same on both sides

	prefetches [2]func(context.Context, iter.Seq[int]) error
}

// prefetch announces pages of a side. Those that are the same on both sides are read
// from the older one (Overlay).
func (s *sides) prefetch(side int, pages iter.Seq[int]) error {
	for from, f := range s.prefetches {
		if f == nil {
			continue
		}
		err := f(s.ctx, func(yield func(int) bool) {
			for page := range pages {
				own := s.differs.Has(page)
				if page <= s.files[side].PageCount && (own && from == side || !own && from == before) && !yield(page) {
					return
				}
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// prefetchTrails announces the pages whose rows will be compared.
func (s *sides) prefetchTrails(pairs []*pair) error {
	for side := range s.files {
		err := s.prefetch(side, func(yield func(int) bool) {
			for _, p := range pairs {
				if p.name == schemaTable {
					continue
				}
				for _, pages := range [][]uint32{p.trail.leaves[side], p.trail.interior[side]} {
					for _, page := range pages {
						if !yield(int(page)) {
							return
						}
					}
				}
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// page reads a page of a b-tree.
func (s *sides) page(side, number int) (*btree.Page, error) {
	if s.ctx.Err() != nil {
		return nil, context.Cause(s.ctx)
	}
	p, err := s.files[side].Page(number)
	return p, ofSide(side, err)
}

// A route is a page above the leaves of one side's b-tree.
type route struct {
	page   int
	keys   []key // that lead to it, in order
	shared bool  // the other side has the same page, with the same content
}

// A trail is what a walk has found: the pages of each side whose rows the other side
// does not have in the same page, the leaves in key order. Only a table WITHOUT ROWID has
// rows above its leaves.
type trail struct {
	leaves   [2][]uint32
	interior [2][]uint32
}

// pages returns how many pages each side has in the trail.
func (t trail) pages(side int) int { return len(t.leaves[side]) + len(t.interior[side]) }

// A walk goes down a table's b-trees on both sides at once, height by height. Where
// both have the same page with the same content, it goes on only if one of the keys
// leads there, or all is set.
type walk struct {
	*sides
	tables [2]*Table // nil where a side has no such table
	by     int       // the side that the keys are from
	order  order
	keys   []key
	all    bool
	owned  *PageSet // gets the pages of side by that differ
	// suspect, if it is set, reports whether a page that is the same on both sides
	// may still have rows that are not.
	suspect func(page int) (bool, error)

	height  [2]int
	level   [2][]route
	visited [2]int
	trail   trail
}

func (w *walk) run() (trail, error) {
	for side, t := range w.tables {
		if t != nil {
			w.level[side] = []route{{page: t.Root, keys: w.keys}}
		}
	}
	if w.pair(); len(w.level[before])+len(w.level[after]) == 0 {
		return w.trail, nil
	}
	for side, t := range w.tables {
		if t == nil {
			continue
		}
		if side == after && w.tables[before] != nil && w.level[before][0].shared {
			w.height[side] = w.height[before]
			continue
		}
		var err error
		if w.height[side], err = w.measure(side, w.level[side][0]); err != nil {
			return w.trail, err
		}
	}
	for h := max(w.height[before], w.height[after]); h > 0; h-- {
		if err := w.down(h); err != nil {
			return w.trail, err
		}
	}
	return w.trail, w.leaves()
}

// measure returns how many levels are above the leaves. All leaves of a b-tree are at the
// same depth, so it goes down where pages are needed anyway.
func (w *walk) measure(side int, at route) (height int, err error) {
	const highest = 40 // SQLite's own limit is 20
	for ; height < highest; height++ {
		p, err := w.page(side, at.page)
		if err != nil || p.Leaf {
			return height, err
		}
		children, err := w.children(side, p, at)
		if err != nil {
			return 0, err
		}
		best := slices.IndexFunc(children, func(r route) bool { return w.differs.Has(r.page) })
		if best < 0 {
			best = slices.IndexFunc(children, func(r route) bool { return len(r.keys) > 0 })
		}
		if best < 0 {
			best = len(children) - 1
		}
		at = children[best]
	}
	return 0, corrupt(side, "table %q is deeper than a table can be", w.tables[side].Name)
}

// pair marks the pages that both sides have in this level with the same content, and
// leaves out those below which nothing differs.
func (w *walk) pair() {
	common := w.common(numbers(w.level[before]), numbers(w.level[after]))
	var kept []uint32
	var keys [][]key
	for _, r := range w.level[w.by] {
		if contains(common, r.page) && (len(r.keys) > 0 || w.all) {
			kept, keys = append(kept, uint32(r.page)), append(keys, r.keys)
		}
	}
	order := make(map[int][]key, len(kept))
	for i, page := range kept {
		order[int(page)] = keys[i]
	}
	for side := range w.level {
		level := w.level[side][:0]
		for _, r := range w.level[side] {
			keys, needed := order[r.page]
			switch {
			case !contains(common, r.page):
				level = append(level, r)
			case needed:
				level = append(level, route{r.page, keys, true})
			}
		}
		w.level[side] = level
	}
}

func numbers(level []route) (pages []uint32) {
	for _, r := range level {
		pages = append(pages, uint32(r.page))
	}
	return pages
}

// common returns the pages that are in both lists and have the same content, in order.
func (w *walk) common(a, b []uint32) (common []uint32) {
	b = slices.Clone(b)
	slices.Sort(b)
	for _, page := range a {
		if contains(b, int(page)) && !w.differs.Has(int(page)) {
			common = append(common, page)
		}
	}
	slices.Sort(common)
	return common
}

func contains(sorted []uint32, page int) bool {
	_, found := slices.BinarySearch(sorted, uint32(page))
	return found
}

// down goes from one height to the next lower one.
func (w *walk) down(h int) error {
	if w.height[before] >= h && w.height[after] >= h {
		w.pair()
	}
	for side := range w.level {
		if w.height[side] < h {
			continue
		}
		level := w.level[side]
		w.level[side] = nil
		for _, r := range level {
			if err := w.expand(side, h, r); err != nil {
				return err
			}
		}
	}
	return nil
}

// expand replaces a page by its children.
func (w *walk) expand(side, h int, r route) error {
	p, err := w.page(side, r.page)
	if err != nil {
		return err
	}
	if p.Leaf || p.Table == w.tables[side].WithoutRowid {
		return corrupt(side, "page %d is out of place in table %q", r.page, w.tables[side].Name)
	}
	if err := w.note(side, r.page); err != nil {
		return err
	}
	if !p.Table {
		own, err := w.isOwn(r)
		if err != nil {
			return err
		}
		if own {
			w.trail.interior[side] = append(w.trail.interior[side], uint32(r.page))
		}
	}
	if h > 1 {
		children, err := w.children(side, p, r)
		w.level[side] = append(w.level[side], children...)
		return err
	}
	for i := range p.Cells + 1 {
		child, err := p.Child(i)
		if err != nil {
			return ofSide(side, err)
		}
		if r.shared && !w.differs.Has(child) && w.suspect == nil {
			continue // both sides have it
		}
		w.trail.leaves[side] = append(w.trail.leaves[side], uint32(child))
		if err := w.note(side, child); err != nil {
			return err
		}
	}
	return nil
}

// isOwn reports whether the rows of a page of a table WITHOUT ROWID are to be compared.
func (w *walk) isOwn(r route) (bool, error) {
	if !r.shared {
		return true, nil
	}
	if w.suspect == nil {
		return false, nil
	}
	return w.suspect(r.page)
}

// note takes notice of a page. A walk that comes to more pages than there are comes to
// the same ones again.
func (w *walk) note(side, page int) error {
	if w.visited[side]++; w.visited[side] > w.files[side].PageCount {
		return corrupt(side, "table %q has pages more than once", w.tables[side].Name)
	}
	if side == w.by && w.differs.Has(page) {
		w.owned.Add(page)
	}
	return nil
}

// children returns the children of a page with the keys that lead to each.
func (w *walk) children(side int, p *btree.Page, from route) ([]route, error) {
	routes := make([]route, 0, p.Cells+1)
	keys := from.keys
	for i := range p.Cells + 1 {
		child, err := p.Child(i)
		if err != nil {
			return nil, ofSide(side, err)
		}
		r := route{page: child, keys: keys}
		if i < p.Cells && len(keys) > 0 {
			largest, err := w.order.key(p, i)
			if err != nil {
				return nil, ofSide(side, err)
			}
			n, _ := slices.BinarySearchFunc(keys, largest, func(k, largest key) int {
				if w.order.compare(k, largest) <= 0 {
					return -1
				}
				return 1
			})
			r.keys, keys = keys[:n], keys[n:]
		}
		routes = append(routes, r)
	}
	return routes, nil
}

// leaves ends the walk: it leaves out the leaves that are the same on both sides.
func (w *walk) leaves() error {
	for side := range w.level { // what has no height
		if w.height[side] > 0 {
			continue
		}
		for _, r := range w.level[side] {
			w.trail.leaves[side] = append(w.trail.leaves[side], uint32(r.page))
			if err := w.note(side, r.page); err != nil {
				return err
			}
		}
	}
	common := w.common(w.trail.leaves[before], w.trail.leaves[after])
	if w.suspect != nil {
		var same []uint32
		for _, page := range common {
			mayDiffer, err := w.suspect(int(page))
			if err != nil {
				return err
			}
			if !mayDiffer {
				same = append(same, page)
			}
		}
		common = same
	}
	for side, leaves := range w.trail.leaves {
		w.trail.leaves[side] = slices.DeleteFunc(leaves, func(page uint32) bool { return contains(common, int(page)) })
	}
	return nil
}

// A SideError is an error about one side.
type SideError struct {
	After bool // of the two sides
	Err   error
}

func (e *SideError) Error() string { return e.Err.Error() }
func (e *SideError) Unwrap() error { return e.Err }

func ofSide(side int, err error) error {
	var known *SideError
	if err == nil || errors.As(err, &known) {
		return err
	}
	return &SideError{side == after, err}
}
