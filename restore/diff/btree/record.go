package btree

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"unicode/utf16"
)

// A Record is the header of a record: it has where each value is.
type Record struct {
	payload Payload
	columns []column
}

// A column is a value's place in a record.
type column struct {
	serial uint64
	offset int64
	length int64
}

// maxHeader is the largest header of a record that SQLite accepts, in bytes.
const maxHeader = 98307

// Record parses the header of a record.
func (p Payload) Record() (*Record, error) {
	r := p.reader()
	start := make([]byte, min(9, p.Size))
	if err := readFull(r, start); err != nil {
		return nil, err
	}
	size, n := varint(start)
	if n == 0 || size < uint64(n) || size > maxHeader || int64(size) > p.Size {
		return nil, corrupt("a record's header is not valid")
	}
	header := make([]byte, size)
	if err := readFull(p.reader(), header); err != nil {
		return nil, err
	}
	rec := &Record{payload: p}
	offset := int64(size)
	for rest := header[n:]; len(rest) > 0; {
		serial, n := varint(rest)
		if n == 0 {
			return nil, corrupt("a record's header is cut short")
		}
		rest = rest[n:]
		length, ok := lengthOf(serial)
		if !ok || length > p.Size-offset {
			return nil, corrupt("a record is cut short")
		}
		rec.columns = append(rec.columns, column{serial, offset, length})
		offset += length
	}
	return rec, nil
}

func readFull(r io.Reader, b []byte) error {
	_, err := io.ReadFull(r, b)
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return corrupt("a record is cut short")
	}
	return err
}

// lengthOf returns the bytes that a value takes, by its serial type.
func lengthOf(serial uint64) (length int64, ok bool) {
	switch {
	case serial <= 4:
		return int64(serial), true
	case serial == 5:
		return 6, true
	case serial <= 7:
		return 8, true
	case serial <= 9:
		return 0, true
	case serial <= 11 || serial > 2*maxPayload+13: // reserved
		return 0, false
	}
	return int64(serial-12) / 2, true
}

// Len returns how many values the record has.
func (r *Record) Len() int { return len(r.columns) }

// A Kind is the storage class of a value.
type Kind byte

// The storage classes.
const (
	Null Kind = iota
	Integer
	Real
	Text
	Blob
)

// Kind returns the storage class of a value.
func (r *Record) Kind(i int) Kind { return r.columns[i].kind() }

func (c column) kind() Kind {
	switch {
	case c.serial == 0:
		return Null
	case c.serial == 7:
		return Real
	case c.serial <= 9:
		return Integer
	case c.serial%2 == 0:
		return Blob
	}
	return Text
}

// A Value is a value of a row.
type Value struct {
	Kind   Kind
	Int    int64   // of an Integer
	Float  float64 // of a Real
	Bytes  []byte  // of a Text (in UTF-8) or a Blob, cut to the length that was asked for
	Length int64   // bytes of a Text or Blob as it is stored
	Cut    bool    // Bytes are only its beginning
}

// Value returns a value, and of a text or a blob at most the first bytes.
func (r *Record) Value(i int, most int) (Value, error) {
	c := r.columns[i]
	v := Value{Kind: c.kind()}
	in := r.payload.reader()
	if err := in.skip(c.offset); err != nil {
		return v, err
	}
	if v.Kind == Text || v.Kind == Blob {
		length := min(c.length, int64(most))
		if r.payload.file.Encoding != UTF8 && v.Kind == Text {
			length = min(c.length, int64(2*most))
		}
		v.Length, v.Cut, v.Bytes = c.length, length < c.length, make([]byte, length)
		err := readFull(in, v.Bytes)
		if v.Kind == Text {
			v.Bytes = r.payload.file.Encoding.decode(v.Bytes)
		}
		return v, err
	}
	raw := make([]byte, c.length)
	if err := readFull(in, raw); err != nil {
		return v, err
	}
	v.number(c.serial, raw)
	return v, nil
}

// number decodes what is neither a text nor a blob.
func (v *Value) number(serial uint64, raw []byte) {
	switch {
	case serial == 9:
		v.Int = 1
	case v.Kind == Integer && len(raw) > 0:
		v.Int = int64(int8(raw[0]))
		for _, b := range raw[1:] {
			v.Int = v.Int<<8 | int64(b)
		}
	case v.Kind == Real:
		v.Float = math.Float64frombits(binary.BigEndian.Uint64(raw))
	}
}

// decode returns a text in UTF-8.
func (e Encoding) decode(b []byte) []byte {
	var order binary.ByteOrder = binary.LittleEndian
	switch e {
	case UTF8:
		return b
	case UTF16BE:
		order = binary.BigEndian
	}
	units := make([]uint16, len(b)/2)
	for i := range units {
		units[i] = order.Uint16(b[2*i:])
	}
	return []byte(string(utf16.Decode(units)))
}

// EqualValues reports whether value i of a and value j of b are the same: the same
// number, or the same bytes of the same kind.
func EqualValues(a *Record, i int, b *Record, j int) (bool, error) {
	x, y := a.columns[i], b.columns[j]
	long := x.kind() == Text || x.kind() == Blob
	if long && (x.kind() == Blob || a.payload.file.Encoding == b.payload.file.Encoding) {
		if x.serial != y.serial {
			return false, nil
		}
		in, other := a.payload.reader(), b.payload.reader()
		if err := errors.Join(in.skip(x.offset), other.skip(y.offset)); err != nil {
			return false, err
		}
		return equalBytes(in, other, x.length)
	}
	v, err := a.Value(i, math.MaxInt32)
	if err != nil {
		return false, err
	}
	w, err := b.Value(j, math.MaxInt32)
	return err == nil && v.Equal(w), err
}

// Equal reports whether two values are the same: the same number, or the same bytes
// of the same kind.
func (v Value) Equal(w Value) bool {
	switch {
	case v.Kind == Integer && w.Kind == Real:
		return sameNumber(v.Int, w.Float)
	case v.Kind == Real && w.Kind == Integer:
		return sameNumber(w.Int, v.Float)
	case v.Kind != w.Kind:
		return false
	case v.Kind == Real:
		return math.Float64bits(v.Float) == math.Float64bits(w.Float) || v.Float == w.Float
	}
	return v.Int == w.Int && bytes.Equal(v.Bytes, w.Bytes)
}

// sameNumber compares exactly: an integer can have more digits than a float has.
func sameNumber(i int64, f float64) bool {
	return f >= -1<<63 && f < 1<<63 && f == math.Trunc(f) && int64(f) == i
}
