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
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// statusCmd gives up sooner than other commands: a probe has a deadline.
type statusCmd struct {
	URL      bucketURL `arg:"" optional:"" name:"bucket-url" help:"Where the snapshots are: s3://bucket/prefix or file:///dir."`
	RetryFor duration  `default:"15s" placeholder:"15s" group:"Store" help:"How long to retry a store that fails."`
	MaxAge   duration  `placeholder:"26h" help:"Exit with 9 if the newest snapshot was taken, or last confirmed, longer ago."`
	holdFlag
	configFlags
	reportFlags
	JSON bool `name:"json" help:"Print one JSON document."`
}

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

type sizeDocument struct {
	ID     string `json:"id"`
	Stored int64  `json:"stored"`
}

// status examines one series and reports the run. It returns the document also
// with an error, unless the state of the series is unknown; now is the present
// by the store's clock.
func (s *statusCmd) status(ctx context.Context, c *console) (d *healthDocument, now time.Time, err error) {
	report, c, err := s.start(ctx, c, reports.Run{Verb: "status", URL: s.URL.String()})
	if err != nil {
		return nil, now, err
	}
	defer func() { err = report.End(ctx, err) }()
	defer recovered(&err)
	b, err := seriesFlags{s.URL, s.RetryFor}.open(ctx, c, upload.Options{})
	if err != nil {
		return nil, now, err
	}
	found, now, err := s.look(ctx, b)
	if err != nil {
		return nil, now, err
	}
	report.Succeeded = true // whatever the state is
	report.Add(found.measures()...)
	return &found, now, found.verdict()
}

// look returns what there is, and the present by the store's clock.
func (s *statusCmd) look(ctx context.Context, b bucket.Bucket) (healthDocument, time.Time, error) {
	d := healthDocument{URL: s.URL.String(), MaxAge: time.Duration(s.MaxAge).Seconds(), Sizes: []sizeDocument{}, Warnings: []string{}}
	items, err := lifecycle.Survey(ctx, b, s.holdOf())
	readable := !errors.Is(err, bucket.ErrRefused)
	if !readable {
		// Perhaps only tags are refused.
		d.Warnings = append(d.Warnings, fmt.Sprintf("not known: retention, and when the newest was last confirmed: %v", err))
		items, err = untagged(ctx, b)
	}
	if errors.Is(err, bucket.ErrNotFound) { // a directory that nobody has made yet
		err = nil
	}
	if err != nil {
		return d, time.Time{}, err
	}
	terms, now := lifecycle.Terms{Hold: s.holdOf()}, series.Present(b)
	if terms.Policy, err = d.rules(ctx, b); err != nil {
		return d, now, err
	}
	d.describe(items, terms, now)
	if !readable {
		d.Held = nil
	}
	d.judge(time.Duration(s.MaxAge))
	return d, now, nil
}

// untagged returns the snapshots with what can be known of them without the
// right to read tags.
func untagged(ctx context.Context, b bucket.Bucket) ([]lifecycle.Item, error) {
	all, err := series.Snapshots(ctx, b, time.Time{})
	items := make([]lifecycle.Item, len(all))
	for i := range all {
		items[i].Snapshot = all[i]
	}
	return items, err
}

// rules notes what the bucket's rules do and what is wrong with them, and
// returns the policy that they carry out: nil if there is none, or if these
// credentials may not know.
func (d *healthDocument) rules(ctx context.Context, b bucket.Bucket) (lifecycle.Policy, error) {
	if bucket.TagsBeside(b) {
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

// ruleless returns the classes that are kept forever while a longer one is
// not: those have lost their rule.
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

// describe notes what is in the series.
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
		d.describeSizes(plausible)
		d.describeTwo(plausible)
	}
}

// describeImplausible notes the snapshot to look at first: the last one that
// lies in the future, or the last of all if its ID was ahead of its upload. One
// of those with a later plausible one behind it does no harm.
func (d *healthDocument) describeImplausible(items []lifecycle.Item) {
	for i, item := range items {
		if item.Future || item.Implausible && i == len(items)-1 {
			d.Implausible, d.wrong = string(item.ID), item.Snapshot
		}
	}
}

// describeNewest notes the newest, and its age. A time of confirmation that
// is still to come is a mistake or a lie, and makes nothing fresh.
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

const (
	sizesShown = 10
	week       = 7 * 24 * time.Hour
	// steadyWithin is the change of size, as a part, that is no trend.
	steadyWithin = 0.05
)

// describeSizes notes how the size of the objects develops: the newest against
// the one of a week ago, or the oldest of a younger series.
func (d *healthDocument) describeSizes(plausible []lifecycle.Decision) {
	size := func(of lifecycle.Decision) sizeDocument { return sizeDocument{string(of.ID), of.Object.Size} }
	for _, p := range plausible[max(0, len(plausible)-sizesShown):] {
		d.Sizes = append(d.Sizes, size(p))
	}
	if len(plausible) < 2 {
		return
	}
	newest, base := plausible[len(plausible)-1], plausible[0]
	for _, p := range plausible {
		if newest.ID.Time().Sub(p.ID.Time()) >= week {
			base = p
			d.WeekAgo = &sizeDocument{string(p.ID), p.Object.Size}
		}
	}
	switch change := changed(base.Object.Size, newest.Object.Size); {
	case change > steadyWithin:
		d.Trend = "growing"
	case change < -steadyWithin:
		d.Trend = "shrinking"
	default:
		d.Trend = "steady"
	}
}

// changed returns by what part of the old size the new one differs.
func changed(from, to int64) float64 { return float64(to-from) / float64(max(from, 1)) }

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

// seen is when the newest was taken or last confirmed.
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
		return &hinted{fmt.Errorf("%w: %s holds none", errNotFresh, d.URL), "is the bucket URL right, and has the backup job ever run?"}
	case stateTooOld:
		return &hinted{
			fmt.Errorf("%w: the newest in %s, %s, was taken or last confirmed %v ago", errNotFresh, d.URL, d.Newest.ID, d.age()),
			"has the backup job run? its log and its exit code tell what is wrong",
		}
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
