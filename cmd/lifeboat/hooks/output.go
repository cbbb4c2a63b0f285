package hooks

import (
	"bytes"
	"fmt"
	"strings"
)

const (
	maxLine  = 4 << 10 // bytes of a line; the rest is another one
	maxLines = 1000    // of a command's output
)

// An output hands on what a command prints, line by line.
type output struct {
	log   func(line string)
	rest  []byte // of a line that has not ended
	lines int
	last  string // line with something in it
}

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	o.rest = append(o.rest, p...)
	for {
		end := bytes.IndexByte(o.rest, '\n')
		switch {
		case end >= 0 && end <= maxLine:
			o.line(string(o.rest[:end]))
			o.rest = o.rest[end+1:]
		case len(o.rest) > maxLine:
			o.line(string(o.rest[:maxLine]))
			o.rest = o.rest[maxLine:]
		default:
			o.rest = bytes.Clone(o.rest)
			return len(p), nil
		}
	}
}

func (o *output) line(text string) {
	if text = strings.TrimSpace(strings.ToValidUTF8(text, "\uFFFD")); text == "" {
		return
	}
	if o.last = text; o.lines < maxLines {
		o.log(text)
	}
	o.lines++
}

// end hands on a last line without an end, and how many were left out.
func (o *output) end() {
	o.line(string(o.rest))
	if more := o.lines - maxLines; more > 0 {
		o.log(fmt.Sprintf("... and %d more lines", more))
	}
}
