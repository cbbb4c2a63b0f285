package answer

import (
	"bufio"
	"database/sql/driver"
	"io"
	"strings"
)

// A List writes a row a line, with its values between bars and without the names of
// columns, as the sqlite3 tool does where it is asked nothing else.
type List struct {
	w    *bufio.Writer
	text func(string) string
}

// NewList returns a List. text makes a text what is written, such as printable.
func NewList(w io.Writer, text func(string) string) *List { return &List{bufio.NewWriter(w), text} }

// Columns implements Writer.
func (l *List) Columns([]string) error { return nil }

// Row implements Writer.
func (l *List) Row(values []driver.Value) error {
	for i, v := range values {
		if i > 0 {
			l.w.WriteByte('|') // its error comes again below
		}
		l.w.WriteString(l.text(exact(v)))
	}
	return l.w.WriteByte('\n')
}

// End implements Writer.
func (l *List) End() error { return l.w.Flush() }

// A CSV writes answers as RFC 4180 has it, each with its header, and an empty line
// between two. NULL is empty, and an empty text is in quotes.
type CSV struct {
	w       *bufio.Writer
	text    func(string) string
	answers int
}

// NewCSV returns a CSV. text makes a text what is written, such as printable.
func NewCSV(w io.Writer, text func(string) string) *CSV {
	return &CSV{w: bufio.NewWriter(w), text: text}
}

// Columns implements Writer.
func (c *CSV) Columns(names []string) error {
	if c.answers++; c.answers > 1 {
		c.w.WriteString("\r\n") // its error comes again below
	}
	row := make([]driver.Value, len(names))
	for i, name := range names {
		row[i] = name
	}
	return c.Row(row)
}

// Row implements Writer.
func (c *CSV) Row(values []driver.Value) error {
	for i, v := range values {
		if i > 0 {
			c.w.WriteByte(',') // its error comes again below
		}
		field := c.text(exact(v))
		if text, isText := v.(string); isText && text == "" || strings.ContainsAny(field, "\",\r\n") {
			field = `"` + strings.ReplaceAll(field, `"`, `""`) + `"`
		}
		c.w.WriteString(field)
	}
	_, err := c.w.WriteString("\r\n")
	return err
}

// End implements Writer.
func (c *CSV) End() error { return c.w.Flush() }
