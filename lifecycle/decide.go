package lifecycle

import (
	"fmt"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// An Action is what is to be done with a snapshot now.
type Action string

// The actions.
const (
	// ActKeep: nothing is to be done.
	ActKeep Action = "keep"
	// ActRelease: it is held and due; it is to get its class.
	ActRelease Action = "release"
	// ActExpire: its time is over, and a held one is due as well. Bucket rules
	// take it when it has its class; Prune deletes it.
	ActExpire Action = "expire"
)

// An Item is a snapshot with its tags.
type Item struct {
	series.Snapshot
	Tags bucket.Tags
	// TagsKnown: the tags were read. A snapshot with unknown tags counts as held,
	// as every upload is.
	TagsKnown bool
	// Damaged is why the tags that were read are none: they are damaged.
	Damaged error
}

// Terms are what is decided under.
type Terms struct {
	// Policy is how long classes are kept. With a nil Policy nothing
	// expires; releasing needs none.
	Policy Policy
	// Hold is how long a successor must have been in the bucket: 0 for
	// DefaultHold, NoHold for no time at all.
	Hold time.Duration
	// IgnoreShrink overrides the shrink guard.
	IgnoreShrink bool
	// Settle is how long what is written to the bucket must last before it
	// counts, against other commands that write at the same time: 0 for
	// DefaultSettle. Below 0 is an error.
	Settle time.Duration
}

// hold returns what Hold means.
func (t Terms) hold() time.Duration { return holdOf(t.Hold) }

// A Decision is what is to be done with one snapshot, and when.
type Decision struct {
	Item
	// Class is the class that it has, or gets at its release as things stand;
	// "" where it has none in sight.
	Class  Class
	Action Action
	// Reason is why, in words.
	Reason string
	// Due is when it has been superseded for the hold, zero without successor.
	Due time.Time
	// Expires is when it goes, at the earliest, under the policy and as things
	// stand. Zero: it does not.
	Expires time.Time
	// Guarded: the shrink guard alone keeps it.
	Guarded bool
}

// Held reports whether the snapshot waits for its release.
func (i Item) Held() bool {
	return !i.TagsKnown || i.Tags[series.TagRetention] == series.Held
}

// Released returns the class that the snapshot was released into, or "".
func (i Item) Released() Class {
	class, err := parseClass(i.Tags[series.TagRetention])
	if err != nil {
		return ""
	}
	return class
}

// Decide returns, for each of a series' snapshots, what is to be done with it at
// now, the present by the bucket's clock: series.Present, asked after the listing.
// The items are sorted by ID. A decision depends on no older snapshot, so a series
// may be cut off at its old end.
//
// The newest is always kept. A held snapshot is released when it has been
// superseded for the hold: when it and its successor, the next one by ID, have
// both been in the bucket for as long. One whose ID is implausible is neither
// newest nor successor. The shrink guard: while the newest object is less than
// half the size of one that would go, that one and all after it stay.
func Decide(items []Item, t Terms, now time.Time) []Decision {
	j := judge{t, now}
	decisions := make([]Decision, len(items))
	var newest, successor *Item
	for i := len(items) - 1; i >= 0; i-- {
		decisions[i] = j.decide(items[i], successor)
		if !items[i].Implausible {
			successor = &items[i]
			if newest == nil {
				newest = successor
			}
		}
	}
	if newest != nil && !t.IgnoreShrink {
		guard(decisions, newest)
	}
	return decisions
}

// A judge decides under terms at one time.
type judge struct {
	Terms
	now time.Time // by the bucket's clock
}

// decide is Decide for one snapshot, without the shrink guard.
func (j judge) decide(item Item, successor *Item) Decision {
	d := Decision{Item: item, Action: ActKeep, Class: item.Released()}
	tag := item.Tags[series.TagRetention]
	switch {
	case item.Implausible:
		d.Reason = item.Why()
		return d
	case tag == series.Pinned:
		d.Reason = "pinned"
		return d
	case successor == nil && d.Class == "":
		d.Reason = "the newest"
		return d
	case successor == nil:
		d.Expires = j.expires(item, d.Class)
		d.Reason = fmt.Sprintf("the newest, but released as %s: what came after it is gone, and a rule may take it", d.Class)
		return d
	}
	d.Due = latest(item.Object.Modified, successor.Object.Modified).Add(j.hold())
	switch {
	case item.Held():
		return j.held(d, successor)
	case item.Damaged != nil:
		d.Reason = "its tags are damaged, so nothing takes it"
	case d.Class == "" && tag == "":
		d.Reason = "it has no retention tag, so no rule takes it"
	case d.Class == "":
		d.Reason = fmt.Sprintf("its retention tag %q is not a class, so no rule takes it", tag)
	default:
		return j.released(d)
	}
	return d
}

// held decides on a held snapshot that has a successor.
func (j judge) held(d Decision, successor *Item) Decision {
	d.Class = classOf(d.ID.Time(), successor.ID.Time())
	d.Expires = latest(d.Due, j.expires(d.Item, d.Class))
	if j.forever(d.Class) {
		d.Expires = time.Time{}
	}
	if j.now.Before(d.Due) {
		d.Reason = fmt.Sprintf("%s, held until it has been superseded for %s", d.Class, words(j.hold()))
		return d
	}
	d.Action = ActRelease
	d.Reason = fmt.Sprintf("%s, superseded for %s", d.Class, words(j.now.Sub(d.Due)+j.hold()))
	return j.over(d)
}

// released decides on a snapshot that has its class and a successor. The hold
// counts for it too: a hand may have released it early, or deleted what superseded
// it.
func (j judge) released(d Decision) Decision {
	d.Expires = j.expires(d.Item, d.Class)
	d.Reason = string(d.Class)
	if j.now.Before(d.Due) {
		d.Reason = fmt.Sprintf("%s, but superseded for less than %s", d.Class, words(j.hold()))
		return d
	}
	return j.over(d)
}

// over turns the decision into an expiry if the policy's time has come.
func (j judge) over(d Decision) Decision {
	switch {
	case j.Policy == nil:
	case j.forever(d.Class):
		d.Reason += ", kept forever"
	case j.now.Before(d.Expires):
		d.Reason += fmt.Sprintf(", kept for %v", j.Policy.Keep(d.Class))
	default:
		d.Action = ActExpire
		d.Reason += fmt.Sprintf(", its %v are over", j.Policy.Keep(d.Class))
	}
	return d
}

// guard applies the shrink guard to decisions in order of age.
func guard(decisions []Decision, newest *Item) {
	var stop *Decision
	for i := range decisions {
		d := &decisions[i]
		if d.Action == ActKeep {
			continue
		}
		if stop == nil && 2*newest.Object.Size < d.Object.Size {
			stop = d
		}
		if stop == nil {
			continue
		}
		d.Action, d.Guarded = ActKeep, true
		if d.Held() {
			d.Expires = time.Time{}
		}
		if d == stop {
			d.Reason += fmt.Sprintf("; stays because the newest, %s, has %d bytes and this one %d: less than half",
				newest.ID, newest.Object.Size, d.Object.Size)
		} else {
			d.Reason += fmt.Sprintf("; stays because the shrink guard stopped at %s", stop.ID)
		}
	}
}

func (j judge) forever(c Class) bool {
	return j.Policy == nil || j.Policy.Keep(c) == Forever
}

func (j judge) expires(item Item, c Class) time.Time {
	if j.forever(c) {
		return time.Time{}
	}
	return j.Policy.Keep(c).expires(item.Object.Modified)
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// words writes a duration in days and hours, or shorter than a day, as Go does.
func words(d time.Duration) string {
	days, rest := d/day, (d % day).Truncate(time.Hour)
	switch {
	case days == 0:
		return d.Truncate(time.Second).String()
	case rest == 0:
		return fmt.Sprintf("%dd", days)
	}
	return fmt.Sprintf("%dd%dh", days, rest/time.Hour)
}
