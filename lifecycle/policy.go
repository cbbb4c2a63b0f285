package lifecycle

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// DefaultHold is how long a snapshot's successor must have been in the bucket
// before the snapshot is released: a long weekend.
const DefaultHold = 4 * 24 * time.Hour

// NoHold is a hold of no time: what is superseded is due at once.
const NoHold time.Duration = -1

// holdOf returns the hold that is meant by a field Hold.
func holdOf(field time.Duration) time.Duration {
	switch field {
	case 0:
		return DefaultHold
	case NoHold:
		return 0
	}
	return field
}

const day = 24 * time.Hour

// maxDays is the longest time to keep, a hundred years: more is a mistake.
const maxDays = 36525

// A Keep is how long a class is kept after upload: None, Forever, or whole days,
// because the rules of a bucket count in whole days.
type Keep int

const (
	// None: the class is left out. Its snapshots are kept as long as those of
	// the next shorter class.
	None Keep = 0
	// Forever: no rule ever takes the class.
	Forever Keep = -1
)

// ParseKeep parses a duration such as 14d, or none, or forever.
func ParseKeep(s string) (Keep, error) {
	switch s {
	case "none":
		return None, nil
	case "forever":
		return Forever, nil
	}
	number, found := strings.CutSuffix(s, "d")
	days, err := strconv.Atoi(number)
	if !found || err != nil || strings.HasPrefix(number, "+") {
		return None, fmt.Errorf("%q is not a time to keep: want whole days such as 14d, or none, or forever", s)
	}
	if days < 1 || days > maxDays {
		return None, fmt.Errorf("%q is not a time to keep: want 1d to %dd, or none, or forever", s, maxDays)
	}
	return Keep(days), nil
}

// String returns the text that ParseKeep parses.
func (k Keep) String() string {
	switch k {
	case None:
		return "none"
	case Forever:
		return "forever"
	}
	return strconv.Itoa(int(k)) + "d"
}

// shorter reports whether k ends before other does. Neither may be None.
func (k Keep) shorter(other Keep) bool {
	return k != Forever && (other == Forever || k < other)
}

// expires returns when a bucket expires an object that was uploaded at t, the zero
// time for never. S3 adds the days and rounds up to the next midnight UTC
// (https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html);
// an upload at midnight waits for another midnight here, as on MinIO.
func (k Keep) expires(t time.Time) time.Time {
	if k == Forever {
		return time.Time{}
	}
	year, month, date := t.UTC().Date()
	return time.Date(year, month, date+int(k)+1, 0, 0, 0, 0, time.UTC)
}

// A Policy is how long each class is kept. A class that is not in it is left out
// (None). Under a nil Policy nothing expires.
type Policy map[Class]Keep

// DefaultPolicy returns the durations that the program uses where no flag sets
// another.
func DefaultPolicy() Policy {
	return Policy{Recent: 4, Hourly: 4, Daily: 14, Weekly: 60, Monthly: 400, Yearly: Forever}
}

// Keep returns how long snapshots of a class are kept: its own duration, or
// that of the next shorter class that is not left out. It is Forever where
// there is none, so that a policy that was never validated deletes nothing.
func (p Policy) Keep(class Class) Keep {
	keep := Forever
	for _, c := range Classes() {
		if p[c] != None {
			keep = p[c]
		}
		if c == class {
			return keep
		}
	}
	return Forever
}

// Validate returns an error for a policy that cannot be carried out under a hold.
// Wrong are an unknown class, no duration for the shortest class, and a duration
// that is negative or absurd, under the hold, or shorter than that of a shorter
// class.
func (p Policy) Validate(hold time.Duration) error {
	var errs []error
	if hold < 0 || hold > maxDays*day {
		errs = append(errs, fmt.Errorf("a hold of %v is not possible", hold))
	}
	for class, keep := range p {
		if _, err := parseClass(string(class)); err != nil {
			errs = append(errs, err)
		}
		if keep < Forever || keep > maxDays {
			errs = append(errs, fmt.Errorf("%d days for %s snapshots is not possible: want 1d to %dd", int(keep), class, maxDays))
		}
	}
	if p[Recent] == None {
		errs = append(errs, errors.New("recent snapshots cannot be left out: there is no shorter class whose time they could get"))
	}
	before := Recent
	for _, class := range Classes() {
		keep := p[class]
		if keep == None {
			continue
		}
		if keep > 0 && time.Duration(keep)*day < hold {
			errs = append(errs, fmt.Errorf("keeping %s snapshots for %v is under the hold of %s", class, keep, words(hold)))
		}
		if keep.shorter(p[before]) {
			errs = append(errs, fmt.Errorf("keeping %s snapshots for %v is shorter than %v for %s ones: times must not shrink from class to class",
				class, keep, p[before], before))
		}
		before = class
	}
	return errors.Join(errs...)
}
