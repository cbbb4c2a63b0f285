package main

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// A screen is what a terminal of this width shows of the bytes that it got. It
// knows what progress bars need, and fails at all else: colours, say.
type screen struct {
	width   int
	lines   []string // of full width
	row     int
	column  int
	wrapped bool   // something was wider than the screen
	wrong   string // a sequence that is not known
	// changes, if any, is called before what is shown is moved or erased.
	changes func()
}

// sequence is a control sequence: a number and a letter.
var sequence = regexp.MustCompile(`^\x1b\[(\d*)([A-Za-z])`)

func (s *screen) write(data string) {
	for data != "" {
		if found := sequence.FindStringSubmatch(data); found != nil {
			if s.changes != nil {
				s.changes()
			}
			n, _ := strconv.Atoi(found[1])
			switch found[2] {
			case "A":
				s.row = max(s.row-n, 0)
			case "J":
				s.lines = s.lines[:min(len(s.lines), s.row)]
				if s.column > 0 {
					s.wrong = "erased from the middle of a line"
				}
			default:
				s.wrong = fmt.Sprintf("%q", found[0])
			}
			data = data[len(found[0]):]
			continue
		}
		s.put(data[0])
		data = data[1:]
	}
}

func (s *screen) put(c byte) {
	switch {
	case c == '\r':
		s.column = 0
		return
	case c == '\n':
		s.row++
		return
	case c < ' ' || c > '~':
		s.wrong = fmt.Sprintf("%q", c)
		return
	case s.column == s.width:
		s.wrapped = true
		s.row, s.column = s.row+1, 0
	}
	for len(s.lines) <= s.row {
		s.lines = append(s.lines, "")
	}
	line := []byte(s.lines[s.row])
	for len(line) <= s.column {
		line = append(line, ' ')
	}
	line[s.column] = c
	s.lines[s.row] = string(line)
	s.column++
}

func (s *screen) String() string {
	var b strings.Builder
	for _, line := range s.lines {
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return b.String()
}
