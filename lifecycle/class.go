package lifecycle

import (
	"fmt"
	"slices"
	"time"
)

// A Class is how long a released snapshot is to be kept. It is the value of the tag
// that lifecycle rules match.
type Class string

// The classes. A snapshot that is the last one of its hour is Hourly, of its
// day Daily, and so on; of several, the longest period counts. Periods are in
// UTC, weeks are those of ISO 8601.
const (
	Recent  Class = "recent"
	Hourly  Class = "hourly"
	Daily   Class = "daily"
	Weekly  Class = "weekly"
	Monthly Class = "monthly"
	Yearly  Class = "yearly"
)

// Classes returns all classes, from the shortest period to the longest.
func Classes() []Class {
	return []Class{Recent, Hourly, Daily, Weekly, Monthly, Yearly}
}

// parseClass returns the class that is written s, or an error.
func parseClass(s string) (Class, error) {
	if c := Class(s); slices.Contains(Classes(), c) {
		return c, nil
	}
	return "", fmt.Errorf("%q is not a retention class: want one of %v", s, Classes())
}

// classOf returns the class of a snapshot taken at one time whose successor
// was taken at another: the longest period that ended between the two. A
// period's first instant belongs to it. A successor that is not later ends
// nothing.
func classOf(taken, successor time.Time) Class {
	class := Recent
	for _, c := range Classes()[1:] {
		if start(c, successor).After(start(c, taken)) {
			class = c
		}
	}
	return class
}

// start returns the first instant of the class's period that t lies in.
func start(c Class, t time.Time) time.Time {
	t = t.UTC()
	year, month, day := t.Date()
	hour := 0
	switch c {
	case Hourly:
		hour = t.Hour()
	case Weekly:
		day -= (int(t.Weekday()) + 6) % 7 // ISO weeks begin on Monday
	case Monthly:
		day = 1
	case Yearly:
		month, day = time.January, 1
	}
	return time.Date(year, month, day, hour, 0, 0, 0, time.UTC)
}
