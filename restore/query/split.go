package query

import (
	"slices"
	"strings"
)

// A Statement is one statement of a text.
type Statement struct {
	SQL string
	// Parameters are the names in it, each once, with what marks them, such as :id.
	Parameters []string
}

// Split returns the statements of a text, without those that are only space and
// comments. Its words are those of https://www.sqlite.org/lang_expr.html and, of
// parameters, https://www.sqlite.org/c3ref/bind_blob.html.
func Split(text string) []Statement {
	var all []Statement
	var s Statement
	begin, empty := 0, true
	end := func(at int) {
		if s.SQL = strings.TrimSpace(text[begin:at]); !empty {
			all = append(all, s)
		}
		s, begin, empty = Statement{}, at+1, true
	}
	for at := 0; at < len(text); {
		size, kind := token(text[at:])
		switch kind {
		case semicolon:
			end(at)
		case parameter:
			if name := text[at : at+size]; !slices.Contains(s.Parameters, name) {
				s.Parameters = append(s.Parameters, name)
			}
			empty = false
		case word:
			empty = false
		}
		at += size
	}
	end(len(text))
	return all
}

// Complete reports whether a text ends with a semicolon, outside of quotes and
// comments.
func Complete(text string) bool {
	last := space
	for at := 0; at < len(text); {
		size, kind := token(text[at:])
		if kind != space {
			last = kind
		}
		at += size
	}
	return last == semicolon
}

// A kind is what a token is.
type kind int

const (
	space kind = iota // or a comment
	word              // or a string, a number, an operator
	parameter
	semicolon
)

// token returns the size and the kind of the first token of a text that is not empty.
func token(text string) (int, kind) {
	switch c := text[0]; {
	case strings.IndexByte(" \t\r\n\f", c) >= 0:
		return 1, space
	case c == ';':
		return 1, semicolon
	case strings.HasPrefix(text, "--"):
		return through(text, 2, "\n"), space
	case strings.HasPrefix(text, "/*"):
		return through(text, 2, "*/"), space
	case c == '[':
		return through(text, 1, "]"), word
	case c == '\'', c == '"', c == '`':
		return quoted(text), word
	case c == '?', strings.IndexByte(":@$", c) >= 0 && len(text) > 1 && isName(text[1]):
		return 1 + nameSize(text[1:]), parameter
	case isName(c):
		return nameSize(text), word
	}
	return 1, word
}

// through returns the size of a text up to the first end behind the first from bytes.
func through(text string, from int, end string) int {
	if at := strings.Index(text[from:], end); at >= 0 {
		return from + at + len(end)
	}
	return len(text)
}

// quoted returns the size of what stands in quotes, which are doubled within.
func quoted(text string) int {
	quote := text[:1]
	size := through(text, 1, quote)
	for size < len(text) && text[size:size+1] == quote {
		size = through(text, size+1, quote)
	}
	return size
}

func nameSize(text string) int {
	for i := range len(text) {
		if !isName(text[i]) {
			return i
		}
	}
	return len(text)
}

// isName reports whether SQLite takes the byte for a part of a name.
func isName(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '$' || c >= 0x80
}
