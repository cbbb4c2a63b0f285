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

	gone    bool // when its tags were to be read
	assumed bool // its tags were not read
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
}

// hold returns what Hold means.
func (t Terms) hold() time.Duration {
	switch t.Hold {
	case 0:
		return DefaultHold
	case NoHold:
		return 0
	}
	return t.Hold
}

// Validate returns an error for a policy that cannot be carried out under the hold: see
// Policy.Validate. A nil one cannot.
func (t Terms) Validate() error { return t.Policy.Validate(t.hold()) }

// A Decision is what is to be done with one snapshot, and when.
type Decision struct {
	Item
	Action Action
	// Reason is why, in words.
	Reason string
	// Due is when it has been superseded for the hold, and all that stands on it
	// has. Zero: as things stand, never.
	Due time.Time
	// Expires is when it goes, at the earliest, under the policy and as things
	// stand. Zero: it does not.
	Expires time.Time
	// Guarded: the shrink guard alone keeps it.
	Guarded bool
}

// Held reports whether the snapshot waits for its release.
func (i Item) Held() bool {
	return !i.TagsKnown || series.IsHeld(i.Tags[series.TagRetention])
}

// Released returns the class that the snapshot was released into, or "". It is the
// tag's, by which rules go; another one than the name's was set by hand.
func (i Item) Released() Class {
	class, err := series.ParseClass(i.Tags[series.TagRetention])
	if err != nil {
		return ""
	}
	return class
}

// unreleased reports whether the snapshot has not been released into its own class.
func (i Item) unreleased() bool { return i.Released() != i.Class }

// Decide returns, for each of a series' snapshots, what is to be done with it at
// now, the present by the bucket's clock: series.Present, asked after the listing.
// The items are sorted by ID. A decision depends on no older snapshot but through
// what its item knows of its own chain, so a series may be cut off at its old end.
//
// The newest that counts is always kept. A held snapshot is released when it has
// been superseded for the hold: when it and its successor, the next one by ID that
// counts, have both been in the bucket for as long, and when the same is true of all
// that stands on it. One that does not count, which is implausible or broken, is
// neither newest nor successor, and holds nothing back. The shrink guard: while the
// newest weighs less than half of one that would go, that one and all after it stay.
// A newest that is retired is due, and there is no guard: see Retire.
func Decide(items []Item, t Terms, now time.Time) []Decision {
	j := judge{t, now}
	decisions := make([]Decision, len(items))
	var newest *Decision
	for i, w := range waits(items, t.hold()) {
		decisions[i] = j.decide(items[i], w)
		if items[i].Counts() {
			newest = &decisions[i]
		}
	}
	keepBases(decisions)
	if newest != nil && !newest.isRetired() && !t.IgnoreShrink && guard(decisions, newest) {
		keepBases(decisions)
	}
	return decisions
}

// A judge decides under terms at one time.
type judge struct {
	Terms
	now time.Time // by the bucket's clock
}

// decide is Decide for one snapshot alone.
func (j judge) decide(item Item, w wait) Decision {
	d := Decision{Item: item, Action: ActKeep, Due: w.due}
	tag := item.Tags[series.TagRetention]
	switch {
	case item.Implausible:
		d.Due, d.Reason = time.Time{}, item.Why()
	case tag == series.Pinned:
		d.Reason = "pinned"
	case item.Counts() && d.Due.IsZero() && w.on == "" && item.Released() == "":
		d.Reason = "the newest" + d.otherTag()
	case item.Damaged != nil:
		d.Reason = "its tags are damaged, so nothing takes it"
	case item.Held():
		j.held(&d, w)
	case tag == "":
		d.Reason = "it has no retention tag, so no rule takes it"
	case item.Released() == "":
		d.Reason = fmt.Sprintf("its retention tag %q is not a class, so no rule takes it", tag)
	default:
		j.released(&d, w)
	}
	if item.Broken {
		d.Reason = fmt.Sprintf("broken: %s; %s", item.Why(), d.Reason)
	}
	return d
}

// held decides on a held snapshot.
func (j judge) held(d *Decision, w wait) {
	d.Reason = string(d.Class) + d.otherTag()
	if !d.Due.IsZero() && !j.forever(d.Class) {
		d.Expires = latest(d.Due, j.expires(d.Item, d.Class))
	}
	if !j.isDue(d.Due) {
		d.Reason = j.untilDue(d, w)
		return
	}
	d.Action = ActRelease
	if w.retired {
		d.Reason = d.retiredReason()
	} else {
		d.Reason += fmt.Sprintf(", superseded for %s", words(j.now.Sub(d.Due)+j.hold()))
	}
	j.over(d)
}

// released decides on a snapshot that has a class for a tag. The hold counts for it
// too: a hand may have released it early, or deleted what superseded it.
func (j judge) released(d *Decision, w wait) {
	class := d.Released()
	d.Expires = j.expires(d.Item, class)
	d.Reason = string(d.Class) + d.otherTag()
	switch {
	case d.Due.IsZero() && w.on != "":
		d.Reason += fmt.Sprintf(", released, but %s, which is not superseded, stands on it", w.on)
		return
	case w.retired:
		d.Reason = d.retiredReason()
	case d.Due.IsZero():
		d.Reason = fmt.Sprintf("the newest, but released as %s: what came after it is gone, and a rule may take it", class)
		return
	case !j.isDue(d.Due):
		d.Reason += fmt.Sprintf(", but superseded for less than %s", words(j.hold()))
		return
	case class != d.Class:
		d.Action = ActRelease
		d.Expires = j.expires(d.Item, d.Class)
	}
	j.over(d)
}

func (d *Decision) isRetired() bool {
	_, retired := d.Retired()
	return retired
}

func (d *Decision) retiredReason() string {
	return fmt.Sprintf("the newest, %s, retired at %s", d.Class, d.Tags[series.TagRetired])
}

// untilDue returns in words what a held snapshot waits for.
func (j judge) untilDue(d *Decision, w wait) string {
	switch {
	case d.Due.IsZero() && w.on == "":
		return "no newer one supersedes it"
	case w.on == "":
		return fmt.Sprintf("%s, held until it has been superseded for %s", d.Reason, words(j.hold()))
	}
	return fmt.Sprintf("%s, held until %s, which stands on it, has been superseded for %s", d.Reason, w.on, words(j.hold()))
}

// otherTag returns words on a tag that says another class than the name, or "".
func (d *Decision) otherTag() string {
	switch tag := d.Tags[series.TagRetention]; tag {
	case "", string(d.Class), series.Held(d.Class):
		return ""
	default:
		return fmt.Sprintf(" (though its tag says %s)", tag)
	}
}

func (j judge) isDue(due time.Time) bool { return !due.IsZero() && !j.now.Before(due) }

// over turns the decision into an expiry if the policy's time has come.
func (j judge) over(d *Decision) {
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
}

// guard applies the shrink guard to decisions, which are sorted by ID, and reports
// whether it keeps any.
func guard(decisions []Decision, newest *Decision) bool {
	var stop *Decision
	weight := newest.Weight()
	for i := range decisions {
		d := &decisions[i]
		if d.Action == ActKeep {
			continue
		}
		if stop == nil && 2*weight < d.Weight() {
			stop = d
		}
		if stop == nil {
			continue
		}
		d.Guarded = true
		if d == stop {
			d.keep(fmt.Sprintf("stays because the newest, %s, weighs %d bytes and this one %d: less than half", newest.ID, weight, d.Weight()))
		} else {
			d.keep(fmt.Sprintf("stays because the shrink guard stopped at %s", stop.ID))
		}
	}
	return stop != nil
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
