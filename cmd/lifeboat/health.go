package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/reports"
	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
	"github.com/lifeboat-sqlite/lifeboat/lifecycle"
	"github.com/lifeboat-sqlite/lifeboat/lifecycle/rules"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// The states of a series. All but the first two exit with 9.
const (
	stateFresh       = "fresh"
	stateRetired     = "retired"
	stateGone        = "gone"        // with a configuration alone
	stateUnprotected = "unprotected" // retired, but its database is here: with a configuration alone
	stateTooOld      = "too old"
	stateNone        = "no snapshot"
	stateImplausible = "implausible"
	stateBroken      = "broken"
)

// healthDocument is what status --json prints, also where it then exits with 9.
type healthDocument struct {
	URL         string            `json:"url"`
	State       string            `json:"state"`                 // fresh, retired, gone, unprotected, too old, no snapshot, implausible or broken
	Newest      *newestDocument   `json:"newest,omitempty"`      // absent: there is none
	Implausible string            `json:"implausible,omitempty"` // ID of a snapshot whose time cannot be right: see describeImplausible
	Broken      []string          `json:"broken"`                // IDs of differentials that cannot be restored, or may lose their base
	Unknown     []string          `json:"unknown"`               // IDs of newer snapshots that this machine's cache does not know
	AgeSeconds  float64           `json:"age_seconds"`           // since the newest was taken or last confirmed
	MaxAge      float64           `json:"max_age_seconds,omitempty"`
	Snapshots   int               `json:"snapshots"`
	Held        *int              `json:"held,omitempty"` // absent: these credentials may not read tags
	Guarded     int               `json:"guarded"`        // due, but kept by the shrink guard alone
	Trend       string            `json:"trend,omitempty"`
	Sizes       []sizeDocument    `json:"sizes"`                   // of the last ten, the newest last
	WeekAgo     *sizeDocument     `json:"week_ago,omitempty"`      // the newest one that is a week older than the newest
	NextExpiry  *time.Time        `json:"next_expiry,omitempty"`   // by the bucket's rules
	NextToGo    string            `json:"next_to_go,omitempty"`    // the snapshot that then goes
	Retention   string            `json:"retention"`               // what carries it out: rules, prune, or unknown to these credentials
	Rules       map[string]string `json:"rules,omitempty"`         // how long each class is kept, such as 14d or forever
	Missing     *int              `json:"rules_missing,omitempty"` // classes without a rule that they need. Absent: not known, or prune does it
	Warnings    []string          `json:"warnings"`

	Copy *copyHealthDocument `json:"copy,omitempty"` // with --copy

	decisions []lifecycle.Decision // about all snapshots
	policy    lifecycle.Policy     // by which they are made

	now     time.Time       // the present by the store's clock
	retired bool            // the newest is
	gone    bool            // so is the database
	here    string          // or where it is, where that is known
	frozen  bool            // its rules are
	pinned  int             // as far as Survey sees it
	wrong   series.Snapshot // the implausible one
	broken  series.Snapshot // the last of those
}

// newestDocument is the newest snapshot.
type newestDocument struct {
	snapshotDocument
	Retention string     `json:"retention"`
	Confirmed *time.Time `json:"confirmed,omitempty"` // when it was last seen to be what the database holds
}

// rules notes the bucket's rules and what is wrong with them. It returns their
// policy, nil if there is none or these credentials may not read it.
func (d *healthDocument) rules(ctx context.Context, b bucket.Bucket) (lifecycle.Policy, error) {
	if beside, _ := bucket.TagsBeside(b); beside {
		d.Retention = "prune"
		return nil, nil
	}
	has, err := rules.OfSeries(b).Read(ctx)
	if errors.Is(err, bucket.ErrRefused) {
		d.Retention = "unknown"
		return nil, nil // right for a probe, whose credentials should not know more
	}
	if err != nil {
		return nil, err
	}
	d.Retention = "rules"
	d.Warnings = append(d.Warnings, has.Warnings()...)
	missing := 0
	d.Missing = &missing
	switch {
	case len(has.Rules())+len(has.Around()) == 0:
		missing = len(lifecycle.Classes())
		d.Warnings = append(d.Warnings, "the bucket has no rules for this series, so nothing expires: see lifeboat lifecycle apply")
		return nil, nil
	case has.Frozen():
		d.frozen = true
		d.Warnings = append(d.Warnings, "the rules of this series are frozen: nothing expires until lifeboat lifecycle thaw")
		return nil, nil
	}
	policy := has.Policy()
	d.Rules = map[string]string{}
	for _, class := range lifecycle.Classes() {
		d.Rules[string(class)] = policy.Keep(class).String()
	}
	if without := ruleless(policy); len(without) > 0 {
		missing = len(without)
		d.Warnings = append(d.Warnings, fmt.Sprintf("there is no rule for %s snapshots, which stay forever, although longer classes go: see lifeboat lifecycle apply", strings.Join(without, ", ")))
	}
	return policy, nil
}

// ruleless returns the classes that have lost their rule: they are kept forever
// although a longer one is not.
func ruleless(p lifecycle.Policy) []string {
	var missing []string
	finite := false
	for _, class := range slices.Backward(lifecycle.Classes()) {
		if p.Keep(class) != lifecycle.Forever {
			finite = true
		} else if finite {
			missing = append([]string{string(class)}, missing...)
		}
	}
	return missing
}

// describe notes the snapshots of the series.
func (d *healthDocument) describe(items []lifecycle.Item, t lifecycle.Terms, now time.Time) {
	held := 0
	d.Snapshots, d.Held = len(items), &held
	var counting []lifecycle.Decision
	d.decisions, d.policy = lifecycle.Decide(items, t, now), t.Policy
	for _, decision := range d.decisions {
		if decision.Held() {
			held++
		}
		if decision.Tags[series.TagRetention] == series.Pinned {
			d.pinned++
		}
		if decision.Guarded {
			d.Guarded++
		}
		if e := decision.Expires; !e.IsZero() && (d.NextExpiry == nil || e.Before(*d.NextExpiry)) {
			d.NextExpiry, d.NextToGo = unlessZero(e), string(decision.ID)
		}
		if decision.Counts() {
			counting = append(counting, decision)
		}
		d.describeBroken(decision, now)
	}
	d.describeImplausible(items)
	if damaged := lifecycle.Damaged(items); damaged != nil {
		d.Warnings = append(d.Warnings, fmt.Sprintf("%v; %s", damaged, hintForTags(damaged)))
	}
	if d.Guarded > 0 {
		d.Warnings = append(d.Warnings, fmt.Sprintf("the shrink guard keeps %d snapshots: the newest weighs less than half of one that is due. "+
			"If the small one is right: lifeboat lifecycle release --ignore-shrink", d.Guarded))
	}
	if len(counting) > 0 {
		d.describeNewest(counting[len(counting)-1], now)
		d.describeReleased(counting[len(counting)-1], items)
		d.Sizes, d.WeekAgo, d.Trend = trendOf(counting)
		if mixed(counting) {
			d.Warnings = append(d.Warnings, "the newest snapshots go back and forth between two contents, as if two databases had this bucket URL: "+
				"give each a prefix of its own, and look at lifeboat show for each")
		}
	}
}

// describeBroken notes a snapshot that is broken. One that was released and whose own
// time is over may lose its base hours before it goes itself: that is no reason for an
// alarm.
func (d *healthDocument) describeBroken(decision lifecycle.Decision, now time.Time) {
	if !decision.Broken || isOver(decision, now) {
		return
	}
	d.Broken, d.broken = append(d.Broken, string(decision.ID)), decision.Snapshot
}

// isOver reports whether the snapshot was released and its own time is over, so that it
// goes any day. Where the policy is not known, no time is.
func isOver(d lifecycle.Decision, now time.Time) bool {
	return d.Released() != "" && !d.Expires.IsZero() && !now.Before(d.Expires)
}

// isBroken reports whether a broken snapshot is newer than the newest that counts.
func (d *healthDocument) isBroken() bool {
	return len(d.Broken) > 0 && (d.Newest == nil || d.Newest.Taken.Before(d.broken.ID.Time()))
}

// describeStrangers notes snapshots that this machine's cache does not know.
func (d *healthDocument) describeStrangers(strangers []series.Snapshot) {
	for _, s := range strangers {
		d.Unknown = append(d.Unknown, string(s.ID))
	}
	if len(d.Unknown) > 0 {
		d.Warnings = append(d.Warnings, fmt.Sprintf("the cache of this machine does not know %s: another machine backs up into this series, or somebody else writes there",
			terminal.SomeOf(d.Unknown)))
	}
}

// describeImplausible notes the last snapshot from the future, or the last of all
// if its ID was ahead of its upload. An older one of the latter kind does no harm.
func (d *healthDocument) describeImplausible(items []lifecycle.Item) {
	for i, item := range items {
		if item.Future || item.Implausible && i == len(items)-1 {
			d.Implausible, d.wrong = string(item.ID), item.Snapshot
		}
	}
}

// describeNewest notes the newest snapshot and its age. A confirmation in the
// future is a mistake or a forgery, and does not count.
func (d *healthDocument) describeNewest(newest lifecycle.Decision, now time.Time) {
	d.Newest = &newestDocument{snapshotDocument: describeSnapshot(newest.Snapshot), Retention: newest.Tags[series.TagRetention]}
	_, d.retired = newest.Retired()
	seen := newest.ID.Time()
	if text := newest.Tags[series.TagConfirmed]; text != "" {
		confirmed, err := time.Parse(time.RFC3339, text)
		switch {
		case err != nil || confirmed.After(now.Add(5*time.Minute)):
			d.Warnings = append(d.Warnings, fmt.Sprintf("the newest snapshot's tag %s is implausible and does not count: %q", series.TagConfirmed, text))
		case confirmed.After(seen):
			seen, d.Newest.Confirmed = confirmed, unlessZero(confirmed)
		}
	}
	d.AgeSeconds = max(now.Sub(seen).Seconds(), 0)
}

// describeReleased warns if the newest snapshot, or what it stands on, has been released.
// Of a retired series all of it has, on purpose, and the warning is of what has not.
func (d *healthDocument) describeReleased(newest lifecycle.Decision, items []lifecycle.Item) {
	if d.retired {
		if left := lifecycle.Unretired(items); left > 0 {
			d.Warnings = append(d.Warnings, fmt.Sprintf("retired, but %d snapshots are still held: lifeboat lifecycle retire %s --yes does the rest", left, terminal.Quote(d.URL)))
		}
		return
	}
	needed := newest.Chain()
	var released []string
	for _, item := range items {
		isNeeded := slices.ContainsFunc(needed, func(part series.Snapshot) bool { return part.ID == item.ID })
		if isNeeded && item.Released() != "" {
			released = append(released, string(item.ID))
		}
	}
	if len(released) > 0 {
		d.Warnings = append(d.Warnings, fmt.Sprintf("the newest snapshot needs %s, which was released, so retention may take it: run lifeboat lifecycle release %s, with keys that may hold it again",
			terminal.SomeOf(released), terminal.Quote(d.URL)))
	}
}

func (d *healthDocument) judge(maxAge time.Duration) {
	switch {
	case d.Implausible != "":
		d.State = stateImplausible
	case d.isBroken():
		d.State = stateBroken
	case d.Newest == nil:
		d.State = stateNone
	case d.retired && d.here != "":
		d.State = stateUnprotected
	case d.retired:
		d.State = stateRetired
	case d.gone:
		d.State = stateGone
	case maxAge > 0 && d.AgeSeconds > maxAge.Seconds():
		d.State = stateTooOld
	default:
		d.State = stateFresh
	}
	if len(d.Broken) > 0 && d.State != stateBroken {
		d.Warnings = append(d.Warnings, fmt.Sprintf("%d snapshots are broken, the last of them %s: %s", len(d.Broken), d.broken.ID, d.broken.Why()))
	}
}

// isWell reports whether the state of the series is none to act on.
func (d *healthDocument) isWell() bool {
	return (d.State == stateFresh || d.State == stateRetired) && (d.Copy == nil || d.Copy.err == nil)
}

func (d *healthDocument) age() time.Duration {
	return time.Duration(d.AgeSeconds * float64(time.Second)).Truncate(time.Second)
}

// seen returns when the newest snapshot was taken or last confirmed.
func (n *newestDocument) seen() time.Time {
	if n.Confirmed != nil {
		return *n.Confirmed
	}
	return n.Taken
}

// verdict returns the error that the exit code comes from.
func (d *healthDocument) verdict() error {
	if d.Copy != nil {
		return errors.Join(d.ownVerdict(), d.Copy.err)
	}
	return d.ownVerdict()
}

func (d *healthDocument) ownVerdict() error {
	switch d.State {
	case stateNone:
		return fmt.Errorf("%w in %s", errNone, d.URL)
	case stateTooOld:
		return fmt.Errorf("%w: %s in %s was taken or last confirmed %v ago", errTooOld, d.Newest.ID, d.URL, d.age())
	case stateGone:
		return &hinted{fmt.Errorf("%w: no database here has %s, whose newest snapshot is %s", errGone, d.URL, d.Newest.ID),
			"restore it, or if nobody needs it any more: lifeboat lifecycle retire " + terminal.Quote(d.URL) + " --yes"}
	case stateUnprotected:
		return &hinted{fmt.Errorf("%w: %s in %s, of %s", errUnprotected, d.Newest.ID, d.URL, d.here),
			"back it up, which ends the retirement, or remove it if it is not needed"}
	case stateBroken:
		return &hinted{fmt.Errorf("%w: %s in %s: %s", errBroken, d.broken.ID, d.URL, d.broken.Why()),
			"the next backup makes a full snapshot, which ends this; lifeboat list " + terminal.Quote(d.URL) + " shows which ones can be restored"}
	case stateImplausible:
		hint := "a wrong clock has named it; a backup with a right one is newer, and ends this"
		if d.wrong.Future {
			hint = fmt.Sprintf("if this machine's clock is behind, set it. Else a wrong clock has named it: back up, look at it with lifeboat show %[1]s --snapshot %[2]s, then lifeboat delete %[1]s --snapshot %[2]s --yes",
				terminal.Quote(d.URL), d.wrong.ID)
		}
		return &hinted{fmt.Errorf("%w: %s in %s: %s", errImplausible, d.Implausible, d.URL, d.wrong.Why()), hint}
	}
	return nil
}

// measures returns the metrics of a series. What status cannot know has none, so
// the stored ones stay.
func (d *healthDocument) measures() []reports.Measure {
	var all []reports.Measure
	if d.Missing != nil {
		all = append(all, reports.Measure{Name: "rules_missing", Help: "Retention classes that lack a rule which they need.", Value: float64(*d.Missing)})
	}
	if d.Copy != nil && d.Copy.Seen != nil {
		all = append(all, reports.Measure{Name: "copy_behind_seconds", Help: "How much older the newest copy is than the newest snapshot.", Value: d.Copy.BehindSeconds})
	}
	if d.Held == nil {
		return all // tags are not known: neither is what follows from them
	}
	all = append(all,
		reports.Measure{Name: "snapshots_held", Help: "Snapshots that no rule takes yet.", Value: float64(*d.Held)},
		reports.Measure{Name: "snapshots_pinned", Help: "Snapshots that no rule takes, of those whose tags status reads.", Value: float64(d.pinned)},
		reports.Measure{Name: "snapshots_broken", Help: "Differentials that cannot be restored, or may lose their base.", Value: float64(len(d.Broken))},
		reports.Measure{Name: "snapshots_unknown", Help: "Newer snapshots that the cache of this machine does not know.", Value: float64(len(d.Unknown))},
		reports.Measure{Name: "snapshots_guarded", Help: "Snapshots that are due, but kept by the shrink guard.", Value: float64(d.Guarded)})
	if d.Newest != nil {
		all = append(all, reports.Measure{Name: "status_newest_timestamp_seconds", Help: "When the newest snapshot was taken or last confirmed.", Value: float64(d.Newest.seen().Unix())})
	}
	return all
}
