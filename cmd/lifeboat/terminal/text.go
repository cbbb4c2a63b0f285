package terminal

import (
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
)

// Sizes, times and names in words, for people.

// Size returns a number of bytes such as 1.5 GiB.
func Size(bytes int64) string { return humanize.IBytes(uint64(bytes)) }

// Ago returns how long before now t was, such as "3 hours ago".
func Ago(t, now time.Time) string {
	return humanize.RelTime(t, now, "ago", "from now")
}

// Age returns how long before now t was, in a word such as 3h or 12d: 0s for what is not
// over yet.
func Age(t, now time.Time) string {
	const day, year = 24 * time.Hour, 365 * 24 * time.Hour
	age := max(now.Sub(t), 0)
	switch {
	case age < time.Minute:
		return fmt.Sprintf("%ds", age/time.Second)
	case age < 2*time.Hour:
		return fmt.Sprintf("%dm", age/time.Minute)
	case age < 2*day:
		return fmt.Sprintf("%dh", age/time.Hour)
	case age < 2*year:
		return fmt.Sprintf("%dd", age/day)
	}
	return fmt.Sprintf("%dy", age/year)
}

// Moment returns a time in UTC as a table has it, such as "23 Nov 20:15", or with its year,
// "23 Nov 2025", if it is more than ten months before now.
func Moment(t, now time.Time) string {
	const tenMonths = 300 * 24 * time.Hour
	if age := now.Sub(t); age > tenMonths || age < -24*time.Hour {
		return t.UTC().Format("02 Jan 2006")
	}
	return t.UTC().Format("02 Jan 15:04")
}

// Minute returns a time in UTC, to the minute, such as "2026-11-23 20:15 UTC".
func Minute(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// Day returns the day, in UTC, on which something happens that stores do once a
// day, after midnight UTC: never for nil.
func Day(t *time.Time) string {
	if t == nil {
		return "never"
	}
	return t.UTC().Format("2006-01-02")
}

// Clock returns a duration in few words, such as 1.5s or 2h05m.
func Clock(d time.Duration) string {
	switch {
	case d < 10*time.Second && d >= 100*time.Millisecond:
		return d.Round(100 * time.Millisecond).String()
	case d < time.Hour:
		text := d.Round(time.Second).String()
		if strings.HasSuffix(text, "m0s") {
			return strings.TrimSuffix(text, "0s")
		}
		return text
	case d < 100*time.Hour:
		d = d.Round(time.Minute)
		return fmt.Sprintf("%dh%02dm", d/time.Hour, d%time.Hour/time.Minute)
	}
	return fmt.Sprintf("%dd", d/(24*time.Hour))
}

// OneLine returns the text of an error, which may have several causes, in one line.
func OneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

// SomeOf returns the first few of many names.
func SomeOf(names []string) string {
	const few = 10
	if more := len(names) - few; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:few], ", "), more)
	}
	return strings.Join(names, ", ")
}

// Quote returns an argument as a shell takes it: as bash, zsh and ksh do, if it
// is not printable.
func Quote(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:@%+=,", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	if Printable(s) != s {
		var b strings.Builder
		for _, c := range []byte(s) {
			if c >= ' ' && c <= '~' && c != '\'' && c != '\\' {
				b.WriteByte(c)
			} else {
				fmt.Fprintf(&b, `\x%02x`, c)
			}
		}
		return "$'" + b.String() + "'"
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
