package terminal

import (
	"slices"
	"strings"
)

// A Table is text in columns. What is put into it may come from outside: Text escapes
// it.
type Table struct {
	Columns []Column
	// Paint colours cells, as Painter returns it; nil: none.
	Paint func(colour int, text string) string

	rows []row
}

// A Column is one column of a table, and how it gives way where the terminal is
// narrower than the table. First the widest of the columns with a Min are narrowed, then
// columns are left out by Drop.
type Column struct {
	Title string
	// Right aligns the cells right, as numbers are.
	Right bool
	// Min is the width in terminal columns down to which this one may be narrowed, 0: it
	// may not be. A cell that does not fit loses its middle, or, with Wrap, goes on in the
	// next line.
	Min  int
	Wrap bool
	// Drop is the order in which columns are left out, from 1; 0: this one never is.
	Drop int
}

type row struct {
	cells   []string
	colours map[int]int // by column
	notes   []string
}

const (
	// gap is between two columns.
	gap = "  "
	// noteIndent begins a line below a row.
	noteIndent = "    "
)

// Row adds a row. Cells that are missing at its end are empty.
func (t *Table) Row(cells ...string) {
	printable := make([]string, len(t.Columns))
	for i := range min(len(cells), len(printable)) {
		printable[i] = Printable(cells[i])
	}
	t.rows = append(t.rows, row{cells: printable, colours: map[int]int{}})
}

// Colour colours a cell of the last row.
func (t *Table) Colour(column, colour int) { t.rows[len(t.rows)-1].colours[column] = colour }

// Note adds a line below the last row.
func (t *Table) Note(text string) {
	last := &t.rows[len(t.rows)-1]
	last.notes = append(last.notes, Printable(text))
}

// Len returns the number of rows.
func (t *Table) Len() int { return len(t.rows) }

// Text returns the table in lines of at most width terminal columns, 0: as wide as its
// cells, for a pipe or a file. A table without rows is "". One that cannot be made as
// narrow is as narrow as it can be.
func (t *Table) Text(width int) string {
	if len(t.rows) == 0 {
		return ""
	}
	widths := t.fit(width)
	var b strings.Builder
	if slices.ContainsFunc(t.Columns, func(c Column) bool { return c.Title != "" }) {
		var titles []string
		for _, c := range t.Columns {
			titles = append(titles, c.Title)
		}
		t.write(&b, row{cells: titles}, widths)
	}
	for _, r := range t.rows {
		t.write(&b, r, widths)
		for _, note := range r.notes {
			b.WriteString(Fit(noteIndent+note+"\n", width))
		}
	}
	return b.String()
}

// fit returns the width of each column; that of one that is left out is negative.
func (t *Table) fit(width int) []int {
	widths := make([]int, len(t.Columns))
	for i, c := range t.Columns {
		widths[i] = cells(c.Title)
		for _, r := range t.rows {
			widths[i] = max(widths[i], cells(r.cells[i]))
		}
	}
	if width <= 0 {
		return widths
	}
	narrowed, fits := t.narrow(widths, width)
	for !fits {
		next := t.nextToDrop(widths)
		if next < 0 {
			break
		}
		widths[next] = -1
		narrowed, fits = t.narrow(widths, width)
	}
	return narrowed
}

// narrow returns the widths with the widest columns narrowed as far as they may be, and
// whether the table then fits.
func (t *Table) narrow(widths []int, width int) ([]int, bool) {
	widths = slices.Clone(widths)
	for over := total(widths) - width; over > 0; over-- {
		widest := -1
		for i, c := range t.Columns {
			if c.Min > 0 && widths[i] > c.Min && (widest < 0 || widths[i] > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			return widths, false
		}
		widths[widest]--
	}
	return widths, true
}

func (t *Table) nextToDrop(widths []int) int {
	next := -1
	for i, c := range t.Columns {
		if c.Drop > 0 && widths[i] >= 0 && (next < 0 || c.Drop < t.Columns[next].Drop) {
			next = i
		}
	}
	return next
}

// total returns the width of a line.
func total(widths []int) int {
	sum := -len(gap)
	for _, w := range widths {
		if w >= 0 {
			sum += w + len(gap)
		}
	}
	return sum
}

// write writes a row in as many lines as its longest cell needs.
func (t *Table) write(b *strings.Builder, r row, widths []int) {
	columns, lines := make([][]string, len(widths)), 1
	for i, w := range widths {
		if w < 0 {
			continue
		}
		columns[i] = []string{shorten(r.cells[i], w)}
		if t.Columns[i].Wrap {
			columns[i] = wrap(r.cells[i], w)
		}
		lines = max(lines, len(columns[i]))
	}
	for n := range lines {
		var line strings.Builder
		owed := 0 // spaces, written only if something follows
		for i, w := range widths {
			if w < 0 {
				continue
			}
			text := ""
			if n < len(columns[i]) {
				text = columns[i][n]
			}
			pad := w - cells(text)
			if t.Columns[i].Right {
				owed, pad = owed+pad, 0
			}
			if text != "" {
				line.WriteString(strings.Repeat(" ", owed) + t.paint(r.colours[i], text))
				owed = 0
			}
			owed += pad + len(gap)
		}
		b.WriteString(line.String() + "\n")
	}
}

func (t *Table) paint(colour int, text string) string {
	if t.Paint == nil || colour == 0 {
		return text
	}
	return t.Paint(colour, text)
}
