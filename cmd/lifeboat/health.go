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
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// The states of a series. All but the first exit with 9.
const (
	stateFresh       = "fresh"
	stateTooOld      = "too old"
	stateNone        = "no snapshot"
	stateImplausible = "implausible"
)

// healthDocument is what status --json prints, also where it then exits with 9.
type healthDocument struct {
	URL         string            `json:"url"`
	State       string            `json:"state"`                 // fresh, too old, no snapshot or implausible
	Newest      *newestDocument   `json:"newest,omitempty"`      // absent: there is none
	Implausible string            `json:"implausible,omitempty"` // ID of a snapshot whose time cannot be right: see describeImplausible
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

	pinned int             // as far as Survey sees it
	wrong  series.Snapshot // the implausible one
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
	has, err := lifecycle.Read(ctx, b)
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
	case len(has.Rules()) == 0:
		missing = len(lifecycle.Classes())
		d.Warnings = append(d.Warnings, "the bucket has no rules for this series, so nothing expires: see lifeboat lifecycle apply")
		return nil, nil
	case has.Frozen():
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
	var plausible []lifecycle.Decision
	for _, decision := range lifecycle.Decide(items, t, now) {
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
		if !decision.Implausible {
			plausible = append(plausible, decision)
		}
	}
	d.describeImplausible(items)
	if damaged := lifecycle.Damaged(items); damaged != nil {
		d.Warnings = append(d.Warnings, fmt.Sprintf("%v; lifeboat pin and unpin write them anew", damaged))
	}
	if d.Guarded > 0 {
		d.Warnings = append(d.Warnings, fmt.Sprintf("the shrink guard keeps %d snapshots: the newest is less than half as large as one that is due. "+
			"If the small one is right: lifeboat lifecycle release --ignore-shrink", d.Guarded))
	}
	if len(plausible) > 0 {
		d.describeNewest(plausible[len(plausible)-1], now)
		d.Sizes, d.WeekAgo, d.Trend = trendOf(plausible)
		if mixed(plausible) {
			d.Warnings = append(d.Warnings, "the newest snapshots go back and forth between two contents, as if two databases had this bucket URL: "+
				"give each a prefix of its own, and look at lifeboat show for each")
		}
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

func (d *healthDocument) judge(maxAge time.Duration) {
	switch {
	case d.Implausible != "":
		d.State = stateImplausible
	case d.Newest == nil:
		d.State = stateNone
	case maxAge > 0 && d.AgeSeconds > maxAge.Seconds():
		d.State = stateTooOld
	default:
		d.State = stateFresh
	}
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
	switch d.State {
	case stateNone:
		return fmt.Errorf("%w in %s", errNone, d.URL)
	case stateTooOld:
		return fmt.Errorf("%w: %s in %s was taken or last confirmed %v ago", errTooOld, d.Newest.ID, d.URL, d.age())
	case stateImplausible:
		hint := "a wrong clock has named it; a backup with a right one is newer, and ends this"
		if d.wrong.Future {
			hint = fmt.Sprintf("if this machine's clock is behind, set it. Else a wrong clock has named it: back up, look at it with lifeboat show %s --snapshot %s, then delete %s",
				terminal.Quote(d.URL), d.wrong.ID, d.wrong.Object.Name)
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
	if d.Held == nil {
		return all // tags are not known: neither is what follows from them
	}
	all = append(all,
		reports.Measure{Name: "snapshots_held", Help: "Snapshots that no rule takes yet.", Value: float64(*d.Held)},
		reports.Measure{Name: "snapshots_pinned", Help: "Snapshots that no rule takes, of those whose tags status reads.", Value: float64(d.pinned)},
		reports.Measure{Name: "snapshots_guarded", Help: "Snapshots that are due, but kept by the shrink guard.", Value: float64(d.Guarded)})
	if d.Newest != nil {
		all = append(all, reports.Measure{Name: "status_newest_timestamp_seconds", Help: "When the newest snapshot was taken or last confirmed.", Value: float64(d.Newest.seen().Unix())})
	}
	return all
}
