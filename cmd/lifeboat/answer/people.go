package answer

import (
	"database/sql/driver"
	"io"
	"slices"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
)

const (
	// batch is how many rows a table keeps to find the width of its columns, and
	// batchBytes how many bytes of texts and blobs.
	batch      = 1000
	batchBytes = 4 << 20
	// minWidth is how narrow a column of texts may get. Numbers are never cut.
	minWidth = 8
)

// A Table writes answers as tables that fit a terminal. What does not fit is written as
// Lines.
type Table struct {
	w     io.Writer
	width int
	paint func(colour int, text string) string
	lines *Lines
	names []string
	rows  [][]driver.Value
	bytes int // of texts and blobs in rows
}

// NewTable returns a Table for a terminal of that many columns. paint colours text.
func NewTable(w io.Writer, width int, paint func(colour int, text string) string) *Table {
	return &Table{w: w, width: width, paint: paint, lines: &Lines{w: w, show: func(v driver.Value) string { return abbreviated(v, width) }}}
}

// Columns implements Writer.
func (t *Table) Columns(names []string) error {
	t.names = names
	return t.lines.Columns(names)
}

// Row implements Writer.
func (t *Table) Row(values []driver.Value) error {
	t.rows = append(t.rows, slices.Clone(values))
	for _, v := range values {
		switch v := v.(type) {
		case string:
			t.bytes += len(v)
		case []byte:
			t.bytes += len(v)
		}
	}
	if len(t.rows) < batch && t.bytes < batchBytes {
		return nil
	}
	return t.End()
}

// End implements Writer.
func (t *Table) End() error {
	rows := t.rows
	t.rows, t.bytes = nil, 0
	table, fits := t.table(rows)
	if fits {
		_, err := io.WriteString(t.w, table.Text(t.width))
		return err
	}
	for _, row := range rows {
		if err := t.lines.Row(row); err != nil {
			return err
		}
	}
	return nil
}

// table returns rows as a table, and whether that fits the terminal.
func (t *Table) table(rows [][]driver.Value) (table *terminal.Table, fits bool) {
	table = &terminal.Table{Paint: t.paint}
	least := -2 // there is no gap before the first
	for i, name := range t.names {
		column := terminal.Column{Title: terminal.Shorten(terminal.Printable(name), t.width), Right: true}
		needs := 0
		for _, row := range rows {
			switch v := row[i].(type) {
			case string, []byte:
				column.Right, column.Min, needs = false, minWidth, max(needs, minWidth)
			default:
				needs = max(needs, len(shown(v)))
			}
		}
		if column.Right {
			column.Min = needs // but for its title
		}
		table.Columns = append(table.Columns, column)
		least += needs + 2
	}
	for _, row := range rows {
		cells := make([]string, len(row))
		for i, v := range row {
			cells[i] = abbreviated(v, t.width)
		}
		table.Row(cells...)
		for i, v := range row {
			if v == nil {
				table.Colour(i, terminal.Yellow)
			}
		}
	}
	return table, least <= t.width
}

// Lines writes each value in a line of its own, behind the name of its column, and an
// empty line between rows.
type Lines struct {
	w     io.Writer
	show  func(driver.Value) string
	names []string
	rows  int
}

// NewLines returns a Lines.
func NewLines(w io.Writer) *Lines { return &Lines{w: w, show: shown} }

// Columns implements Writer.
func (l *Lines) Columns(names []string) error {
	l.names = names
	return nil
}

// Row implements Writer.
func (l *Lines) Row(values []driver.Value) error {
	row := terminal.Table{Columns: []terminal.Column{{Right: true}, {}}}
	for i, v := range values {
		text := "="
		if value := l.show(v); value != "" {
			text += " " + value
		}
		row.Row(l.names[i], text)
	}
	lines := row.Text(0)
	if l.rows++; l.rows > 1 {
		lines = "\n" + lines
	}
	_, err := io.WriteString(l.w, lines)
	return err
}

// End implements Writer.
func (l *Lines) End() error { return nil }
