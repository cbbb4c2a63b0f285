package main

import (
	"fmt"
	"io"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Names, tags, manifests and answers of stores come from outside, and an
// attacker may choose them. What a terminal would act on, what reorders or hides
// text, and what breaks a line or a table is printed as strconv.Quote writes it.

// printable returns text as part of a line.
func printable(text string) string {
	return escaped(text, func(string) int { return 0 })
}

// ownColour is a colour that painter sets, or its end.
var ownColour = regexp.MustCompile(`^\x1b\[(0|31|32|33)m`)

// printableLines returns text whose lines and colours are this program's own.
// What stands in it from outside has gone through printable already.
func printableLines(text string) string {
	return escaped(text, func(rest string) int {
		if rest[0] == '\n' {
			return 1
		}
		return len(ownColour.FindString(rest))
	})
}

// escaped escapes what is not printable, but for as many bytes as spare says of
// what is left.
func escaped(text string, spare func(rest string) int) string {
	var b strings.Builder
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, text[i])
		case strconv.IsPrint(r):
			b.WriteString(text[i : i+size])
		default:
			if n := spare(text[i:]); n > 0 {
				b.WriteString(text[i : i+n])
				size = n
				break
			}
			quoted := strconv.QuoteRune(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		}
		i += size
	}
	return b.String()
}

// validText returns text as a JSON string or a label can hold it. Bytes that
// are not UTF-8 stay apart, as \xNN.
func validText(text string) string {
	var b strings.Builder
	for i, r := range text {
		if _, size := utf8.DecodeRuneInString(text[i:]); r == utf8.RuneError && size == 1 {
			fmt.Fprintf(&b, `\x%02x`, text[i])
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func validTexts(texts []string) []string {
	var valid []string
	for _, text := range texts {
		valid = append(valid, validText(text))
	}
	return valid
}

// printableJSON returns the same document with \u escapes for what is not
// printable, which can only stand in its strings.
func printableJSON(document string) string {
	var b strings.Builder
	for _, r := range document {
		switch {
		case r == '\n' || strconv.IsPrint(r):
			b.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// A jsonLog makes the lines of a JSON log printable.
type jsonLog struct{ io.Writer }

// Write implements io.Writer. slog writes whole lines.
func (l jsonLog) Write(p []byte) (int, error) {
	if _, err := io.WriteString(l.Writer, printableJSON(string(p))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// sprintf is fmt.Sprintf with printable arguments.
func sprintf(format string, arguments ...any) string {
	for i, a := range arguments {
		switch a := a.(type) {
		case error:
			arguments[i] = printable(a.Error())
		case fmt.Stringer:
			arguments[i] = printable(a.String())
		default:
			if v := reflect.ValueOf(a); v.Kind() == reflect.String {
				arguments[i] = printable(v.String())
			}
		}
	}
	return fmt.Sprintf(format, arguments...)
}

// fprintf writes to memory what sprintf returns.
func fprintf(w io.Writer, format string, arguments ...any) {
	io.WriteString(w, sprintf(format, arguments...))
}
