package terminal

import (
	"os"
	"strings"

	"github.com/mattn/go-runewidth"
	"golang.org/x/term"
)

// Width returns the width of a terminal in columns, 0 for what is none or does not say.
func Width(f *os.File) int {
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return width
}

// Fit returns text with lines of at most width terminal columns, 0: with the lines that it
// has. A line that is too long goes on in the next one, indented like it and a little
// more; a command can still be pasted. Text is printable, as PrintableLines returns it.
func Fit(text string, width int) string {
	if width <= 0 {
		return text
	}
	var b strings.Builder
	for line := range strings.Lines(text) {
		bare, ended := strings.CutSuffix(line, "\n")
		b.WriteString(fitLine(bare, width))
		if ended {
			b.WriteString("\n")
		}
	}
	return b.String()
}

func fitLine(line string, width int) string {
	if cells(line) <= width {
		return line
	}
	if sentence, command, found := cutCommand(line); found {
		return fitCommand(sentence, command, width)
	}
	rest := strings.TrimLeft(line, " ")
	indent := line[:len(line)-len(rest)]
	const more = "  "
	if cells(indent)+len(more) >= width/2 {
		return line // nothing sensible can be done with it
	}
	parts := wrapAfter(rest, width-cells(indent), width-cells(indent)-len(more))
	return indent + strings.Join(parts, "\n"+indent+more)
}

// wrap returns text in parts of at most width columns, at least one.
func wrap(text string, width int) []string { return wrapAfter(text, width, width) }

// wrapAfter is wrap with another width for the first part. It breaks at spaces, and a
// word that is wider than a line where the line ends.
func wrapAfter(text string, first, width int) []string {
	var parts []string
	room, part := first, ""
	next := func() { parts, part, room = append(parts, part), "", width }
	for _, word := range strings.Split(text, " ") {
		if part != "" && cells(part)+1+cells(word) > room {
			next()
		} else if part != "" {
			part += " "
		}
		for part == "" && cells(word) > room {
			part = runewidth.Truncate(word, room, "")
			if part == "" { // not even one character fits
				break
			}
			word = word[len(part):]
			next()
		}
		part += word
	}
	return append(parts, part)
}

// Shorten returns text without its middle if it is wider than width terminal columns.
func Shorten(text string, width int) string {
	if width <= 0 {
		return text
	}
	return shorten(text, width)
}

func shorten(text string, width int) string {
	all := cells(text)
	if all <= width {
		return text
	}
	const gone = "..."
	if width <= len(gone) {
		return runewidth.Truncate(text, width, "")
	}
	left := (width - len(gone) + 1) / 2
	right := width - len(gone) - left
	return runewidth.Truncate(text, left, "") + gone + runewidth.TruncateLeft(text, all-right, "")
}

// cells returns how many columns of a terminal text takes. Colours take none.
func cells(text string) int {
	if strings.Contains(text, "\x1b[") {
		text = anyColour.ReplaceAllString(text, "")
	}
	return runewidth.StringWidth(text)
}
