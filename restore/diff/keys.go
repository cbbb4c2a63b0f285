package diff

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"strings"

	"github.com/lifeboat-sqlite/lifeboat/restore/diff/btree"
)

// corrupt returns an error about the content of one side.
func corrupt(side int, format string, args ...any) error {
	return ofSide(side, fmt.Errorf("%w: %s", btree.ErrCorrupt, fmt.Sprintf(format, args...)))
}

// A key is where an entry stands in a b-tree: a rowid, or the first values of a record.
type key struct {
	rowid  int64
	values []btree.Value
}

// keyLength is how much of a value a key has, in bytes.
const keyLength = 1 << 10

// An order is that of a table's b-tree.
type order struct{ table *Table }

// known reports whether it is an order that this program knows: rowids, or values that
// SQLite's own collations compare.
func (o order) known(f *btree.File) bool {
	if !o.table.WithoutRowid {
		return true
	}
	for _, k := range o.table.Key {
		if collations[strings.ToUpper(k.Collation)] == nil {
			return false
		}
	}
	return f.Encoding == btree.UTF8 // SQLite compares other texts by their bytes
}

// key returns the key of an entry.
func (o order) key(p *btree.Page, i int) (key, error) {
	c, err := p.Cell(i)
	if err != nil || p.Table {
		return key{rowid: c.Rowid}, err
	}
	return keyOf(c.Payload, len(o.table.Key))
}

// keyOf returns up to so many values at the beginning of a record.
func keyOf(p btree.Payload, columns int) (k key, err error) {
	r, err := p.Record()
	if err != nil {
		return k, err
	}
	for i := range min(columns, r.Len()) {
		v, err := r.Value(i, keyLength)
		if err != nil {
			return k, err
		}
		k.values = append(k.values, v)
	}
	return k, nil
}

// compare compares two keys in the order of the b-tree.
func (o order) compare(a, b key) int {
	if !o.table.WithoutRowid {
		return cmp.Compare(a.rowid, b.rowid)
	}
	for i, k := range o.table.Key {
		if i >= len(a.values) || i >= len(b.values) {
			return cmp.Compare(len(a.values), len(b.values))
		}
		c := compareValues(a.values[i], b.values[i], k.Collation)
		if k.Descending {
			c = -c
		}
		if c != 0 {
			return c
		}
	}
	return 0
}

// compareValues compares as SQLite does. Source:
// https://www.sqlite.org/datatype3.html#comparisons
func compareValues(a, b btree.Value, collation string) int {
	if c := cmp.Compare(rank(a), rank(b)); c != 0 {
		return c
	}
	switch a.Kind {
	case btree.Null:
		return 0
	case btree.Text:
		return bytes.Compare(collate(a.Bytes, collation), collate(b.Bytes, collation))
	case btree.Blob:
		return bytes.Compare(a.Bytes, b.Bytes)
	}
	return compareNumbers(a, b)
}

// rank orders the storage classes. Numbers are one.
func rank(v btree.Value) btree.Kind {
	if v.Kind == btree.Integer {
		return btree.Real
	}
	return v.Kind
}

func compareNumbers(a, b btree.Value) int {
	switch {
	case a.Kind == btree.Integer && b.Kind == btree.Integer:
		return cmp.Compare(a.Int, b.Int)
	case a.Kind == btree.Real && b.Kind == btree.Real:
		return cmp.Compare(a.Float, b.Float)
	case a.Kind == btree.Real:
		return -compareNumbers(b, a)
	case b.Float >= 1<<63:
		return -1
	case b.Float < -1<<63:
		return 1
	}
	whole := math.Trunc(b.Float)
	if c := cmp.Compare(a.Int, int64(whole)); c != 0 {
		return c
	}
	return cmp.Compare(whole, b.Float)
}

// collations return a text so that bytes compare as the collation does. Source:
// https://www.sqlite.org/datatype3.html#collating_sequences
var collations = map[string]func([]byte) []byte{
	"BINARY": func(b []byte) []byte { return b },
	"NOCASE": lower,
	"RTRIM":  func(b []byte) []byte { return bytes.TrimRight(b, " ") },
}

func collate(b []byte, collation string) []byte {
	if f := collations[strings.ToUpper(collation)]; f != nil {
		return f(b)
	}
	return b
}

// lower returns a text with small letters for ASCII's capital ones.
func lower(b []byte) []byte {
	out := bytes.Clone(b)
	for i, c := range out {
		if c >= 'A' && c <= 'Z' {
			out[i] = c + 'a' - 'A'
		}
	}
	return out
}
