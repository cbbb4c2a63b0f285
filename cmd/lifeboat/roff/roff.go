// Package roff writes manual pages in the man macros, as groff_man(7) documents
// them.
package roff

import (
	"fmt"
	"strings"
)

// A Page is a manual page that is being written.
type Page struct{ text strings.Builder }

// New returns a page with its name and its section, such as 1 for commands. The
// foot of the page has the source. It has no date, so that the same version has the
// same page.
func New(name, section, source string) *Page {
	p := &Page{}
	fmt.Fprintf(&p.text, ".TH \"%s\" \"%s\" \"\" \"%s\"\n.nh\n.ad l\n", escaped(strings.ToUpper(name)), section, escaped(source))
	return p
}

// Section begins a section.
func (p *Page) Section(title string) {
	fmt.Fprintf(&p.text, ".SH \"%s\"\n", escaped(strings.ToUpper(title)))
}

// Subsection begins a part of a section.
func (p *Page) Subsection(title string) {
	fmt.Fprintf(&p.text, ".SS \"%s\"\n", escaped(title))
}

// Text adds a paragraph.
func (p *Page) Text(text string) { p.text.WriteString(".PP\n" + line(text) + "\n") }

// Line adds a line to a section, before any paragraph.
func (p *Page) Line(text string) { p.text.WriteString(line(text) + "\n") }

// Item adds a name in bold with its explanation.
func (p *Page) Item(name, explanation string) {
	p.text.WriteString(".TP\n\\fB" + escaped(name) + "\\fR\n" + line(explanation) + "\n")
}

// Verbatim adds lines as they are, such as those of a terminal. They begin at the
// edge, so that those of a help, which fit a terminal, fit one here, too.
func (p *Page) Verbatim(text string) {
	p.text.WriteString(".PP\n.nf\n.in 0\n")
	for l := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
		p.text.WriteString(line(l) + "\n")
	}
	p.text.WriteString(".in\n.fi\n")
}

// String returns the page.
func (p *Page) String() string { return p.text.String() }

// line returns a line of text that is no request, as one that begins with a dot is.
func line(text string) string {
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		return `\&` + escaped(text)
	}
	return escaped(text)
}

// escaped returns a text whose characters roff prints as they are: it would make a
// hyphen of a minus, and a typographer's quote of an ASCII one.
func escaped(text string) string {
	return strings.NewReplacer(`\`, `\e`, `-`, `\-`, `'`, `\(aq`, "`", `\(ga`, `^`, `\(ha`, `~`, `\(ti`, `"`, `\(dq`).Replace(text)
}
