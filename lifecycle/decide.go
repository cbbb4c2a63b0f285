package lifecycle

import (
	"cmp"
	"fmt"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// An Action is what is to be done with a snapshot now.
type Action string

// The actions of a plan.
const (
	// ActKeep: nothing is to be done.
	ActKeep Action = "keep"
	// ActRelease: it is held and due; it is to get its class.
	ActRelease Action = "release"
	// ActExpire: its time is over (a held one is due as well). Bucket rules
	// take it when it has its class; prune deletes it.
	ActExpire Action = "expire"
)

// An Item is a snapshot with its tags. Nil tags are tags that nobody has
// read: it is taken for held, as every upload is.
type Item struct {
	series.Snapshot
	Tags bucket.Tags
	// Damaged says why the tags could not be read. They then count as none,
	// and are not nil.
	Damaged error
}

// Terms are what a plan is made under.
type Terms struct {
	// Policy says how long classes are kept. With a nil Policy nothing
	// expires; releasing needs none.
	Policy Policy
	// Hold is how long a successor must have been in the bucket. 0 means
	// DefaultHold.
	Hold time.Duration
	// Now is the present by the bucket's clock. What is given a bucket takes
	// zero for series.Present, asked after the listing.
	Now time.Time
	// IgnoreShrink overrides the shrink guard.
	IgnoreShrink bool
	// Settle is how long what is written to the bucket must last before it
	// counts, against other commands that write at the same time. 0 means
	// DefaultSettle.
	Settle time.Duration
}

// settle returns what Settle means.
func (t Terms) settle() time.Duration { return cmp.Or(t.Settle, DefaultSettle) }

// hold returns what Hold means.
func (t Terms) hold() time.Duration {
	if t.Hold == 0 {
		return DefaultHold
	}
	return t.Hold
}

// at returns the terms with the present. The bucket must have been listed.
func (t Terms) at(b bucket.Bucket) Terms {
	if t.Now.IsZero() {
		t.Now = series.Present(b)
	}
	return t
}

// A Decision is what a plan says about one snapshot.
type Decision struct {
	Item
	// Class is the class that it has, or gets at its release as things stand;
	// "" where it has none in sight.
	Class  Class
	Action Action
	// Reason says in words why.
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
	return i.Tags == nil || i.Tags[series.TagRetention] == series.Held
}

// Released returns the class that the snapshot was released into, or "".
func (i Item) Released() Class {
	class, err := parseClass(i.Tags[series.TagRetention])
	if err != nil {
		return ""
	}
	return class
}

// Plan decides for each of a series' snapshots, which are sorted by ID, what
// is to be done with it. It does not look at snapshots older than the one it
// decides on, so a series may be cut off at its old end.
//
// The newest is always kept. A held snapshot is released when it has been
// superseded for the hold: when it and its successor, the next one by ID, have
// both been in the bucket for as long. One whose ID is implausible is neither
// newest nor successor. The shrink guard: while the newest object is less than
// half the size of one that would go, that one and all after it stay.
func Plan(items []Item, t Terms) []Decision {
	decisions := make([]Decision, len(items))
	var newest, successor *Item
	for i := len(items) - 1; i >= 0; i-- {
		decisions[i] = decide(items[i], successor, t)
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

// decide is Plan for one snapshot, without the shrink guard.
func decide(item Item, successor *Item, t Terms) Decision {
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
		d.Expires = t.expires(item, d.Class)
		d.Reason = fmt.Sprintf("the newest, but released as %s: what came after it is gone, and a rule may take it", d.Class)
		return d
	}
	d.Due = latest(item.Object.Modified, successor.Object.Modified).Add(t.hold())
	switch {
	case item.Held():
		return t.held(d, successor)
	case item.Damaged != nil:
		d.Reason = "its tags are damaged, so nothing takes it"
	case d.Class == "" && tag == "":
		d.Reason = "it has no retention tag, so no rule takes it"
	case d.Class == "":
		d.Reason = fmt.Sprintf("its retention tag %q is not a class, so no rule takes it", tag)
	default:
		return t.released(d)
	}
	return d
}

// held decides on a held snapshot that has a successor.
func (t Terms) held(d Decision, successor *Item) Decision {
	d.Class = classOf(d.ID.Time(), successor.ID.Time())
	d.Expires = latest(d.Due, t.expires(d.Item, d.Class))
	if t.forever(d.Class) {
		d.Expires = time.Time{}
	}
	if t.Now.Before(d.Due) {
		d.Reason = fmt.Sprintf("%s, held until it has been superseded for %s", d.Class, words(t.hold()))
		return d
	}
	d.Action = ActRelease
	d.Reason = fmt.Sprintf("%s, superseded for %s", d.Class, words(t.Now.Sub(d.Due)+t.hold()))
	return t.over(d)
}

// released decides on a snapshot that has its class and a successor. The hold
// counts for it too: somebody may have released it by hand, or have deleted
// what superseded it.
func (t Terms) released(d Decision) Decision {
	d.Expires = t.expires(d.Item, d.Class)
	d.Reason = string(d.Class)
	if t.Now.Before(d.Due) {
		d.Reason = fmt.Sprintf("%s, but superseded for less than %s", d.Class, words(t.hold()))
		return d
	}
	return t.over(d)
}

// over turns the decision into an expiry if the policy's time has come.
func (t Terms) over(d Decision) Decision {
	switch {
	case t.Policy == nil:
	case t.forever(d.Class):
		d.Reason += ", kept forever"
	case t.Now.Before(d.Expires):
		d.Reason += fmt.Sprintf(", kept for %v", t.Policy.Keep(d.Class))
	default:
		d.Action = ActExpire
		d.Reason += fmt.Sprintf(", its %v are over", t.Policy.Keep(d.Class))
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

func (t Terms) forever(c Class) bool {
	return t.Policy == nil || t.Policy.Keep(c) == Forever
}

func (t Terms) expires(item Item, c Class) time.Time {
	if t.forever(c) {
		return time.Time{}
	}
	return t.Policy.Keep(c).expires(item.Object.Modified)
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
