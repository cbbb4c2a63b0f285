package btree

import (
	"bytes"
	"io"
)

// A Payload is the record in a cell. What does not fit into the cell is in a chain of
// overflow pages, which is read as far as it is needed.
type Payload struct {
	Size     int64  // bytes
	Local    []byte // what is in the cell
	Overflow int    // the first overflow page, 0 if there is none

	file *File
}

// Chain calls each with the number and content of each overflow page, until that
// returns false. The content is valid until then.
func (p Payload) Chain(each func(number int, page []byte) bool) error {
	page := make([]byte, p.file.PageSize)
	next := p.Overflow
	for left := p.Size - int64(len(p.Local)); left > 0; left -= int64(p.file.usable - 4) {
		if err := p.file.Read(next, page); err != nil {
			return err
		}
		if !each(next, page) {
			return nil
		}
		next = Next(page)
	}
	return nil
}

// A reader reads a payload from its beginning.
type reader struct {
	p    Payload
	left int64  // bytes that have not been read
	part []byte // what is left of the cell or of an overflow page
	page []byte
	next int // overflow page
}

func (p Payload) reader() *reader {
	return &reader{p: p, left: p.Size, part: p.Local, next: p.Overflow}
}

// Read implements io.Reader.
func (r *reader) Read(b []byte) (n int, err error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	part, err := r.some()
	n = copy(b, part)
	r.advance(n)
	return n, err
}

// skip leaves n bytes out.
func (r *reader) skip(n int64) error {
	for n > 0 {
		if r.left == 0 {
			return io.ErrUnexpectedEOF
		}
		part, err := r.some()
		if err != nil {
			return err
		}
		step := int(min(n, int64(len(part))))
		r.advance(step)
		n -= int64(step)
	}
	return nil
}

func (r *reader) advance(n int) {
	r.part = r.part[n:]
	r.left -= int64(n)
}

// some returns what comes next, which is at least one byte of what is left.
func (r *reader) some() ([]byte, error) {
	if len(r.part) > 0 {
		return r.part, nil
	}
	if r.page == nil {
		r.page = make([]byte, r.p.file.PageSize)
	}
	if err := r.p.file.Read(r.next, r.page); err != nil {
		return nil, err
	}
	r.next = Next(r.page)
	content := r.page[4:r.p.file.usable]
	r.part = content[:min(int64(len(content)), r.left)]
	return r.part, nil
}

// equalBytes reports whether the next n bytes of both are the same.
func equalBytes(a, b *reader, n int64) (bool, error) {
	for n > 0 {
		if a.left == 0 || b.left == 0 {
			return false, io.ErrUnexpectedEOF
		}
		x, err := a.some()
		if err != nil {
			return false, err
		}
		y, err := b.some()
		if err != nil {
			return false, err
		}
		step := int(min(int64(len(x)), int64(len(y)), n))
		if !bytes.Equal(x[:step], y[:step]) {
			return false, nil
		}
		a.advance(step)
		b.advance(step)
		n -= int64(step)
	}
	return true, nil
}

// Equal reports whether two payloads, of one database or two, have the same bytes.
func (p Payload) Equal(other Payload) (bool, error) {
	if p.Size != other.Size {
		return false, nil
	}
	return equalBytes(p.reader(), other.reader(), p.Size)
}
