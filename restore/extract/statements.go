package extract

import (
	"regexp"
	"strings"
)

// A statement is one of a script.
type statement struct {
	sql  string
	line int // where it begins, from 1
}

// statements splits a script as the sqlite3 tool does: at each semicolon that is not in
// a text, a name, a comment or the body of a trigger. Source:
// https://www.sqlite.org/c3ref/complete.html
func statements(script string) (found []statement) {
	script = strings.TrimPrefix(script, "\ufeff")
	at, line := 0, 1
	for at < len(script) {
		blank := blankAt(script[at:])
		line += strings.Count(script[at:at+blank], "\n")
		at += blank
		length, _ := statementLength(script[at:])
		end := at + length
		if sql := script[at:end]; strings.Trim(sql, "; \t\r\n") != "" {
			found = append(found, statement{sql, line})
		}
		line += strings.Count(script[at:end], "\n")
		at = end
	}
	return found
}

// blankAt returns the length of the white space and comments at the beginning of text.
func blankAt(text string) (n int) {
	for n < len(text) {
		length, kind := token(text[n:])
		if kind != blank {
			return n
		}
		n += length
	}
	return n
}

var triggerHead = regexp.MustCompile(`(?i)^CREATE (TEMP |TEMPORARY )?TRIGGER$`)

// statementLength returns the length of the first statement of text, its semicolon
// included, and whether it has one.
func statementLength(text string) (n int, ended bool) {
	var words []string // the first three, which show that it is a trigger
	var last [2]string // the tokens before this one
	trigger := false
	for n < len(text) {
		length, kind := token(text[n:])
		part := text[n : n+length]
		n += length
		if kind == blank {
			continue
		}
		if len(words) < 3 && !trigger {
			words = append(words, part)
			trigger = triggerHead.MatchString(strings.Join(words, " "))
		}
		if part == ";" && (!trigger || last[0] == ";" && strings.EqualFold(last[1], "END")) {
			return n, true
		}
		last = [2]string{last[1], part}
	}
	return n, false
}

// What a token is.
const (
	other = iota
	blank // white space or a comment
)

// token returns the length of the first token of text, which is not empty.
func token(text string) (length, kind int) {
	upTo := func(end string, from int) int {
		if i := strings.Index(text[from:], end); i >= 0 {
			return from + i + len(end)
		}
		return len(text)
	}
	switch c := text[0]; {
	case strings.HasPrefix(text, "--"):
		return upTo("\n", 2), blank
	case strings.HasPrefix(text, "/*"):
		return upTo("*/", 2), blank
	case isSpace(c):
		return 1, blank
	case c == '\'', c == '"', c == '`': // a doubled quote begins a second token
		return upTo(string(c), 1), other
	case c == '[':
		return upTo("]", 1), other
	case isWord(c):
		for length < len(text) && isWord(text[length]) {
			length++
		}
		return length, other
	}
	return 1, other
}

func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

func isWord(c byte) bool {
	return c == '_' || c == '$' || c >= 0x80 || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}
