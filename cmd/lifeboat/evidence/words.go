package evidence

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
	"github.com/lifeboat-sqlite/lifeboat/snapshot"
)

// printable returns the input with what comes from outside as it can be shown: characters
// that reorder or hide text are escaped, as on a terminal.
func (in Input) printable() Input {
	for _, text := range []*string{&in.Name, &in.URL, &in.Err, &in.State, &in.Verdict, &in.Retention, &in.NoDrills} {
		*text = terminal.Printable(*text)
	}
	in.Warnings, in.Drills, in.Copies, in.Decisions = slices.Clone(in.Warnings), slices.Clone(in.Drills), slices.Clone(in.Copies), slices.Clone(in.Decisions)
	for i := range in.Warnings {
		in.Warnings[i] = terminal.Printable(in.Warnings[i])
	}
	for i := range in.Drills {
		r := &in.Drills[i].Record
		r.Host, r.Tool, r.Reason = terminal.Printable(r.Host), terminal.Printable(r.Tool), terminal.Printable(r.Reason)
		r.Check = snapshot.CheckLevel(terminal.Printable(string(r.Check)))
	}
	for i := range in.Copies {
		in.Copies[i].URL, in.Copies[i].Err = terminal.Printable(in.Copies[i].URL), terminal.Printable(in.Copies[i].Err)
	}
	for i := range in.Decisions {
		in.Decisions[i].Reason = terminal.Printable(in.Decisions[i].Reason)
	}
	return in
}

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
	const least = 0.0001
	digits := 2
	switch {
	case amount > 0 && amount < least:
		return strings.TrimSpace("less than " + number(least) + " " + currency)
	case amount > 0 && amount < 0.1:
		digits = 4
	}
	return strings.TrimSpace(strconv.FormatFloat(amount, 'f', digits, 64) + " " + currency)
}

// number returns a float as machines read it.
func number(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }
