package btree

import "encoding/binary"

// A Page is a page of a b-tree: of a table with rowids, or of an index. A table
// WITHOUT ROWID is an index too, which holds all of its rows.
type Page struct {
	Number int
	Leaf   bool
	Table  bool // of a table with rowids
	Cells  int

	file  *File
	data  []byte
	cells int // offset of the array of cell pointers
	right int // the last child
}

// The types of b-tree pages.
const (
	indexInterior = 2
	tableInterior = 5
	indexLeaf     = 10
	tableLeaf     = 13
)

// Page reads a page of a b-tree.
func (f *File) Page(number int) (*Page, error) {
	data := make([]byte, f.PageSize)
	if err := f.Read(number, data); err != nil {
		return nil, err
	}
	return f.Parse(number, data)
}

// Parse returns a page of a b-tree with that content.
func (f *File) Parse(number int, data []byte) (*Page, error) {
	p := &Page{Number: number, file: f, data: data[:f.usable]}
	start := 0
	if number == 1 {
		start = 100 // behind the database header
	}
	switch kind := data[start]; kind {
	case indexLeaf, tableLeaf:
		p.Leaf, p.Table, p.cells = true, kind == tableLeaf, start+8
	case indexInterior, tableInterior:
		p.Table, p.cells = kind == tableInterior, start+12
		p.right = int(binary.BigEndian.Uint32(data[start+8:]))
	default:
		return nil, corrupt("page %d is not of a b-tree", number)
	}
	p.Cells = int(binary.BigEndian.Uint16(data[start+3:]))
	if p.cells+2*p.Cells > len(p.data) {
		return nil, corrupt("page %d has %d cells", number, p.Cells)
	}
	return p, nil
}

// Child returns the number of a child page, from 0 to p.Cells.
func (p *Page) Child(i int) (int, error) {
	child := p.right
	if i < p.Cells {
		at, err := p.cell(i)
		if err != nil {
			return 0, err
		}
		if len(at) < 4 {
			return 0, corrupt("cell %d of page %d is cut short", i, p.Number)
		}
		child = int(binary.BigEndian.Uint32(at))
	}
	if child < 2 || child > p.file.PageCount {
		return 0, corrupt("page %d has page %d as its child", p.Number, child)
	}
	return child, nil
}

// cell returns a cell and what is behind it.
func (p *Page) cell(i int) ([]byte, error) {
	at := int(binary.BigEndian.Uint16(p.data[p.cells+2*i:]))
	if at < p.cells+2*p.Cells || at >= len(p.data) {
		return nil, corrupt("cell %d of page %d is out of place", i, p.Number)
	}
	return p.data[at:], nil
}

// A Cell is an entry of a b-tree page.
type Cell struct {
	Rowid   int64 // in a table with rowids
	Payload Payload
}

// Cell returns an entry. In an interior page of a table with rowids, that is only the
// largest rowid below the child with the same number.
func (p *Page) Cell(i int) (Cell, error) {
	rest, err := p.cell(i)
	if err != nil {
		return Cell{}, err
	}
	bad := corrupt("cell %d of page %d is not valid", i, p.Number)
	if !p.Leaf {
		if len(rest) < 4 {
			return Cell{}, bad
		}
		rest = rest[4:]
	}
	var c Cell
	var size uint64
	n := 0
	if p.Leaf || !p.Table {
		if size, n = varint(rest); n == 0 || size > maxPayload {
			return Cell{}, bad
		}
		rest = rest[n:]
	}
	if p.Table {
		rowid, n := varint(rest)
		if n == 0 {
			return Cell{}, bad
		}
		c.Rowid, rest = int64(rowid), rest[n:]
	}
	if p.Table && !p.Leaf {
		return c, nil
	}
	local := p.file.local(int(size), p.Table)
	c.Payload = Payload{Size: int64(size), file: p.file}
	if local < int(size) {
		if len(rest) < local+4 {
			return Cell{}, bad
		}
		c.Payload.Overflow = int(binary.BigEndian.Uint32(rest[local:]))
		if (size-uint64(local))/uint64(p.file.usable-4) > uint64(p.file.PageCount) {
			return Cell{}, bad
		}
	}
	if len(rest) < local {
		return Cell{}, bad
	}
	c.Payload.Local = rest[:local]
	return c, nil
}

// maxPayload is the size of the largest record that SQLite can be built for, in bytes.
const maxPayload = 1<<31 - 1

// local returns how many bytes of a payload are in its cell.
func (f *File) local(size int, table bool) int {
	most := f.usable - 35
	if !table {
		most = (f.usable-12)*64/255 - 23
	}
	if size <= most {
		return size
	}
	least := (f.usable-12)*32/255 - 23
	if k := least + (size-least)%(f.usable-4); k <= most {
		return k
	}
	return least
}

// varint returns a variable-length integer and its length, 0 if it is cut short.
func varint(b []byte) (v uint64, n int) {
	for i := range min(len(b), 9) {
		if i == 8 {
			return v<<8 | uint64(b[i]), 9
		}
		v = v<<7 | uint64(b[i]&0x7f)
		if b[i] < 0x80 {
			return v, i + 1
		}
	}
	return 0, 0
}
