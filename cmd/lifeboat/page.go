package main

import (
	"time"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
)

// A page is what a text for people is laid out for.
type page struct {
	width int       // columns of the terminal, 0: a pipe or a file, which take any line
	now   time.Time // ages are counted until then
	paint func(colour int, text string) string
}

// page returns the page that stdout is.
func (c *console) page() page {
	return page{terminal.Width(c.stdout), time.Now(), terminal.Painter(c.stdout)}
}

// noticePage returns the page of a notice.
func noticePage() page { return page{0, time.Now(), terminal.Plain} }

// table returns an empty table for the page.
func (p page) table(columns ...terminal.Column) *terminal.Table {
	return &terminal.Table{Columns: columns, Paint: p.paint}
}

// facts returns a table of names and what they are, which has no titles.
func (p page) facts() *terminal.Table {
	return p.table(terminal.Column{}, terminal.Column{Min: 20, Wrap: true})
}

// warning returns a line with a warning.
func (p page) warning(text string) string {
	return p.paint(terminal.Yellow, "warning:") + " " + terminal.Printable(text) + "\n"
}
