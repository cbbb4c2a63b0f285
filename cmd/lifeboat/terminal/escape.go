package terminal

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

// Printable returns text as part of a line.
func Printable(text string) string {
	return escaped(text, func(string) int { return 0 })
}

// ownColour is a colour that Painter sets, or its end.
var (
	ownColour = regexp.MustCompile(`^\x1b\[(0|31|32|33)m`)
	anyColour = regexp.MustCompile(`\x1b\[(0|31|32|33)m`)
)

// PrintableLines returns text whose line ends and colours are this program's own:
// Printable has already escaped what came from outside.
func PrintableLines(text string) string {
	return escaped(text, func(rest string) int {
		if rest[0] == '\n' {
			return 1
		}
		return len(ownColour.FindString(rest))
	})
}

// escaped escapes what is not printable. spare returns how many bytes at the
// beginning of the rest are left as they are.
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

// ValidText returns text as valid UTF-8, for a JSON string or a label. Two names
// that differ stay different: other bytes are written as \xNN.
func ValidText(text string) string {
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

// ValidTexts returns ValidText of each text.
func ValidTexts(texts []string) []string {
	var valid []string
	for _, text := range texts {
		valid = append(valid, ValidText(text))
	}
	return valid
}

// PrintableJSON returns the same document with \u escapes for what is not
// printable, which can only stand in its strings.
func PrintableJSON(document string) string {
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

// A JSONLog makes the lines of a JSON log printable.
type JSONLog struct{ io.Writer }

// Write implements io.Writer. slog writes whole lines.
func (l JSONLog) Write(p []byte) (int, error) {
	if _, err := io.WriteString(l.Writer, PrintableJSON(string(p))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Sprintf is fmt.Sprintf with printable arguments.
func Sprintf(format string, arguments ...any) string {
	for i, a := range arguments {
		switch a := a.(type) {
		case error:
			arguments[i] = Printable(a.Error())
		case fmt.Stringer:
			arguments[i] = Printable(a.String())
		default:
			if v := reflect.ValueOf(a); v.Kind() == reflect.String {
				arguments[i] = Printable(v.String())
			}
		}
	}
	return fmt.Sprintf(format, arguments...)
}

// Fprintf writes to memory what sprintf returns.
func Fprintf(w io.Writer, format string, arguments ...any) {
	io.WriteString(w, Sprintf(format, arguments...))
}
