// Package moments reads points in time as people type them.
package moments

import (
	"cmp"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // an image without a time zone database knows the zones, too
)

// form is a date and a time of day, or one of the two, and perhaps a zone.
var form = regexp.MustCompile(`^(?:(` + date + `)[Tt ](` + clock + `)|(` + date + `)|(` + clock + `)) ?(` + zone + `)?$`)

const (
	date  = `\d{4}-\d\d-\d\d`
	clock = `\d\d?:\d\d(?::\d\d(?:\.\d+)?)?`
	zone  = `[+-]\d\d(?::?\d\d)?|[A-Za-z][A-Za-z0-9_+/-]*`
)

// age is how long ago something was.
var age = regexp.MustCompile(`^(?:(\d{1,4})w)?(?:(\d{1,5})d)?((?:\d{1,9}[hms])*)(?: ago)?$`)

// Parse returns the point in time that text means. A date alone is its last second, a
// time of day alone is that of now's day; yesterday and today are dates (UTC), and 2h or
// "3d ago" is so long before now. Without a zone it is in UTC; a zone is an
// offset such as +01:00 or +0100, a name of the time zone database such as CET or
// Europe/Berlin, or "local".
func Parse(text string, now time.Time) (time.Time, error) { return parse(text, now, endOf) }

// ParseSince is Parse where a time begins something: a date alone is its first second.
func ParseSince(text string, now time.Time) (time.Time, error) { return parse(text, now, startOf) }

// parse is Parse with the meaning of a date alone.
func parse(text string, now time.Time, ofDay func(date string, zone *time.Location, text string) (time.Time, error)) (time.Time, error) {
	word := strings.TrimSpace(text)
	if before, ok := parseAge(word); ok {
		return now.Add(-before), nil
	}
	for i, name := range []string{"today", "yesterday"} {
		if strings.EqualFold(word, name) {
			word = now.UTC().AddDate(0, 0, -i).Format(time.DateOnly)
		}
	}
	part := form.FindStringSubmatch(word)
	if part == nil {
		return time.Time{}, wrong(text)
	}
	in, err := parseZone(part[5])
	if err != nil {
		return time.Time{}, fmt.Errorf("%q: %w", text, err)
	}
	if day := part[3]; day != "" {
		return ofDay(day, in, text)
	}
	day, clock := part[1], part[2]
	if day == "" {
		day, clock = now.In(in).Format(time.DateOnly), part[4]
	}
	layout := "2006-01-02 15:04:05"
	if strings.Count(clock, ":") == 1 {
		layout = "2006-01-02 15:04"
	}
	t, err := time.ParseInLocation(layout, day+" "+clock, in)
	if err != nil {
		return time.Time{}, wrong(text)
	}
	return t, nil
}

// parseAge returns how long ago the text says that something was.
func parseAge(text string) (time.Duration, bool) {
	part := age.FindStringSubmatch(text)
	if part == nil || part[1]+part[2]+part[3] == "" {
		return 0, false
	}
	weeks, _ := strconv.Atoi(cmp.Or(part[1], "0")) // the form has digits only
	days, _ := strconv.Atoi(cmp.Or(part[2], "0"))
	rest, err := time.ParseDuration(cmp.Or(part[3], "0s"))
	return time.Duration(weeks*7+days)*24*time.Hour + rest, err == nil
}

// endOf returns the last second of a day.
func endOf(date string, zone *time.Location, text string) (time.Time, error) {
	day, err := startOf(date, zone, text)
	if err != nil {
		return time.Time{}, err
	}
	return time.Date(day.Year(), day.Month(), day.Day()+1, 0, 0, -1, 0, zone), nil
}

// startOf returns the first second of a day.
func startOf(date string, zone *time.Location, text string) (time.Time, error) {
	day, err := time.ParseInLocation(time.DateOnly, date, zone)
	if err != nil {
		return time.Time{}, wrong(text)
	}
	return day, nil
}

// parseZone returns the zone of an offset or a name, UTC for "".
func parseZone(text string) (*time.Location, error) {
	switch strings.ToUpper(text) {
	case "", "Z", "UTC":
		return time.UTC, nil
	case "LOCAL":
		return time.Local, nil
	}
	if text[0] == '+' || text[0] == '-' {
		digits := strings.ReplaceAll(text[1:], ":", "")
		hours, _ := strconv.Atoi(digits[:2]) // the form has digits only
		minutes, _ := strconv.Atoi(digits[2:])
		if hours > 23 || minutes > 59 {
			return nil, fmt.Errorf("there is no offset %s", text)
		}
		seconds := (hours*60 + minutes) * 60
		if text[0] == '-' {
			seconds = -seconds
		}
		return time.FixedZone("", seconds), nil
	}
	for _, name := range []string{text, strings.ToUpper(text)} {
		if zone, err := time.LoadLocation(name); err == nil {
			return zone, nil
		}
	}
	return nil, fmt.Errorf("unknown time zone %q: write an offset such as +01:00, or a name such as CET or Europe/Berlin", text)
}

func wrong(text string) error {
	return fmt.Errorf(`%q is not a time such as "2026-11-20 17:00", 17:00 or 2026-11-20 (UTC), "2026-11-20 17:00 Europe/Berlin", yesterday or "2h ago"`, text)
}
