package lifecycle

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// DefaultHold is how long a snapshot's successor must have been in the bucket
// before the snapshot is released: a long weekend.
const DefaultHold = 4 * 24 * time.Hour

// NoHold is a hold of no time: what is superseded is due at once.
const NoHold time.Duration = -1

const day = 24 * time.Hour

// MaxDays is the longest Keep in days, a hundred years: more is a mistake.
const MaxDays = 36525

// A Keep is how long a class is kept after upload: None, Forever, or whole days,
// because the rules of a bucket count in whole days.
type Keep int

const (
	// None: the class is left out. Its snapshots are kept for the least time that
	// the policy allows for them: see Policy.
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
	if days < 1 || days > MaxDays {
		return None, fmt.Errorf("%q is not a time to keep: want 1d to %dd, or none, or forever", s, MaxDays)
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
//
// Each class is kept longer than the shorter ones, so that a snapshot outlives what
// stands on it, whenever either was released: hourly ones 2 days longer than recent
// ones, daily ones 3 days longer than hourly ones, and weekly ones 9 days longer than
// daily ones. That is the period in which something can come to stand on them, a day
// for an upload that is slow, and a day for a store that is late.
// Monthly and yearly ones are kept no shorter than weekly ones.
type Policy map[Class]Keep

// ladder has how many days longer a class is kept than the next shorter one, at
// least.
var ladder = map[Class]Keep{Hourly: 2, Daily: 3, Weekly: 9}

// DefaultPolicy returns the durations that the program uses where no flag sets
// another.
func DefaultPolicy() Policy {
	return Policy{Recent: 4, Hourly: 6, Daily: 14, Weekly: 60, Monthly: 400, Yearly: Forever}
}

// Keep returns how long snapshots of a class are kept: its own duration, or if it is
// left out the least that there is for it. It is Forever without one for a shorter
// class, so that a policy that was never validated deletes nothing.
func (p Policy) Keep(class Class) Keep {
	if p[class] != None {
		return p[class]
	}
	return p.least(class)
}

// least returns the least time for a class, by those of the shorter ones: None for
// the shortest.
func (p Policy) least(class Class) Keep {
	least := Forever
	if p[Recent] != None {
		least = None
	}
	for _, c := range Classes() {
		if least != Forever {
			least += ladder[c]
		}
		if c == class {
			return least
		}
		if p[c] != None {
			least = p[c]
		}
	}
	return Forever
}

// Validate returns an error for a policy that cannot be carried out under a hold.
// Wrong are an unknown class, no duration for the shortest class, and a duration
// that is negative or absurd, under the hold, or too short beside that of a shorter
// class. The error has the duration that would do.
func (p Policy) Validate(hold time.Duration) error {
	var errs []error
	if hold < 0 || hold > MaxDays*day {
		errs = append(errs, fmt.Errorf("a hold of %v is not possible", hold))
	}
	for class, keep := range p {
		if _, err := series.ParseClass(string(class)); err != nil {
			errs = append(errs, err)
		}
		if keep < Forever || keep > MaxDays {
			errs = append(errs, fmt.Errorf("%d days for %s snapshots is not possible: want 1d to %dd", int(keep), class, MaxDays))
		}
	}
	if p[Recent] == None {
		errs = append(errs, errors.New("recent snapshots cannot be left out: there is no shorter class by which their time could go"))
	}
	for i, class := range Classes() {
		keep := p[class]
		if keep == None {
			continue
		}
		if keep > 0 && time.Duration(keep)*day < hold {
			errs = append(errs, fmt.Errorf("keeping %s snapshots for %v is under the hold of %s", class, keep, words(hold)))
		}
		if i == 0 {
			continue
		}
		if least, before := p.least(class), Classes()[i-1]; keep.shorter(least) {
			errs = append(errs, fmt.Errorf("keeping %s snapshots for %v is too short beside %v for %s ones: want at least %v", class, keep, p.Keep(before), before, least))
		}
	}
	return errors.Join(errs...)
}
