package evidence

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
)

// bytes returns a size such as 1.5 GiB.
func bytes(n int64) string { return humanize.IBytes(uint64(max(n, 0))) }

// counted returns a number of things, such as "5,000 snapshots".
func counted(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return humanize.Comma(int64(n)) + " " + what
}

// minute returns a time in UTC, to the minute.
func minute(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") }

// iso returns a time as machines read it.
func iso(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// day returns a day in UTC, and "never" for the zero time.
func day(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format(time.DateOnly)
}

// clock returns a duration in its two largest units, such as 3d 4h, 1h 05m or 1.5s.
func clock(d time.Duration) string {
	switch {
	case d < time.Second:
		return strconv.FormatInt(d.Milliseconds(), 10) + "ms"
	case d < time.Minute:
		return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + "s"
	case d < time.Hour:
		return units(d.Round(time.Second), time.Minute, "m", time.Second, "s")
	case d < 48*time.Hour:
		return units(d.Round(time.Minute), time.Hour, "h", time.Minute, "m")
	}
	return units(d.Round(time.Hour), 24*time.Hour, "d", time.Hour, "h")
}

func units(d, large time.Duration, l string, small time.Duration, s string) string {
	rest := int64(d % large / small)
	if rest == 0 {
		return fmt.Sprintf("%d%s", d/large, l)
	}
	return fmt.Sprintf("%d%s %d%s", d/large, l, rest, s)
}

// money returns an amount: small ones with as many digits as tell something.
func money(amount float64, currency string) string {
	digits := 2
	if amount > 0 && amount < 0.1 {
		digits = 4
	}
	return strings.TrimSpace(strconv.FormatFloat(amount, 'f', digits, 64) + " " + currency)
}

// number returns a float as machines read it.
func number(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }
