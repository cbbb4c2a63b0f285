package series

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Class is how long a snapshot is to be kept. It is fixed when the snapshot is
// taken and stands in the object's name; as the value of the retention tag it is what
// lifecycle rules match.
type Class string

// The classes, each longer than the one before it. The first snapshot of an hour is
// Hourly, that of a day Daily, and so on; of several, the longest counts. Periods
// are in UTC, weeks are those of ISO 8601.
const (
	Recent  Class = "recent"
	Hourly  Class = "hourly"
	Daily   Class = "daily"
	Weekly  Class = "weekly"
	Monthly Class = "monthly"
	Yearly  Class = "yearly"
)

var classes = []Class{Recent, Hourly, Daily, Weekly, Monthly, Yearly}

// Classes returns all classes, from the shortest to the longest.
func Classes() []Class { return slices.Clone(classes) }

// ParseClass returns the class that is written s, or an error.
func ParseClass(s string) (Class, error) {
	if c := Class(s); slices.Contains(classes, c) {
		return c, nil
	}
	var names []string
	for _, c := range classes {
		names = append(names, string(c))
	}
	return "", fmt.Errorf("%q is not a retention class: want one of %s", s, strings.Join(names, ", "))
}

// Longer reports whether c is longer than the other class. No class ("") is the
// shortest.
func (c Class) Longer(than Class) bool {
	return slices.Index(classes, c) > slices.Index(classes, than)
}

// Start returns the first instant of the class's period that t lies in. Recent
// ones have no period; for them it is that of the hour.
func (c Class) Start(t time.Time) time.Time {
	t = t.UTC()
	year, month, day := t.Date()
	hour := 0
	switch c {
	case Recent, Hourly:
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

// ClassAt returns the class of a snapshot that is taken at one time and follows on
// one that was taken at another: the longest period that began between the two. A
// period's first instant belongs to it. The first snapshot of a series, which
// follows on the zero time, is Monthly.
func ClassAt(previous, taken time.Time) Class {
	if previous.IsZero() {
		return Monthly
	}
	class := Recent
	for _, c := range classes[1:] {
		if c.Start(taken).After(c.Start(previous)) {
			class = c
		}
	}
	return class
}

// Stands returns for how long others may come to stand on a snapshot of the class: no
// longer than its period lasts.
func (c Class) Stands() time.Duration {
	switch c {
	case Recent:
		return 0
	case Hourly:
		return time.Hour
	case Daily:
		return 24 * time.Hour
	}
	return 7 * 24 * time.Hour
}

// samePeriod reports whether two times are near enough for one to be a base of the
// class's and the other what stands on it: the same hour for an hourly base, the
// same day for a daily one, the same week and month for a longer one.
func (c Class) samePeriod(a, b time.Time) bool {
	switch c {
	case Recent:
		return false
	case Hourly, Daily:
		return c.Start(a).Equal(c.Start(b))
	}
	return Weekly.Start(a).Equal(Weekly.Start(b)) && Monthly.Start(a).Equal(Monthly.Start(b))
}
