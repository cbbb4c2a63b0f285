package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
	"github.com/lifeboat-sqlite/lifeboat/lifecycle"
	"github.com/lifeboat-sqlite/lifeboat/lifecycle/rules"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// snapshotDocument is one snapshot as the bucket lists it.
type snapshotDocument struct {
	ID       string    `json:"id"`
	Taken    time.Time `json:"taken"`    // the time in the ID, UTC
	Uploaded time.Time `json:"uploaded"` // by the store's clock, UTC
	Object   string    `json:"object"`   // its name below the bucket URL
	Stored   int64     `json:"stored"`   // size of the object, bytes
	chainDocument
	Encrypted   bool   `json:"encrypted"`         // by age, before it left the machine
	Implausible bool   `json:"implausible"`       // its times cannot be right, so it is never the latest
	Broken      bool   `json:"broken"`            // it cannot be restored, or may lose its base, so it is never the latest
	Why         string `json:"why_not,omitempty"` // why it is implausible or broken
}

// chainDocument is a snapshot's class, and what it stands on.
type chainDocument struct {
	Class        string `json:"class"`          // how long it is to be kept: recent, hourly, daily, weekly, monthly or yearly
	Kind         string `json:"kind"`           // full or differential
	Base         string `json:"base,omitempty"` // ID of the snapshot that a differential stands on
	ChainObjects int    `json:"chain_objects"`  // that a restore fetches: its own, and those that it stands on; 0 if the base is not there or not looked for
	ChainBytes   int64  `json:"chain_bytes"`    // their sizes together
	Weight       int64  `json:"weight"`         // size of the full one that it stands on, or its own; 0 if it does not count
}

func describeChain(s series.Snapshot) chainDocument {
	d := chainDocument{Class: string(s.Class), Kind: "full", Base: string(s.Base), Weight: s.Weight()}
	if !s.Full() {
		d.Kind = "differential"
	}
	chain := s.Chain()
	if !s.Full() && len(chain) == 1 {
		return d
	}
	for _, part := range chain {
		d.ChainObjects++
		d.ChainBytes += part.Object.Size
	}
	return d
}

// kind returns in words what the snapshot stands on.
func (d chainDocument) kind() string {
	switch {
	case d.Base == "":
		return "full"
	case d.ChainObjects == 0:
		return "a differential on " + d.Base
	}
	return fmt.Sprintf("a differential on %s: %d objects, %s", d.Base, d.ChainObjects, terminal.Size(d.ChainBytes))
}

func describeSnapshot(s series.Snapshot) snapshotDocument {
	return snapshotDocument{
		ID: string(s.ID), Taken: s.ID.Time(), Uploaded: s.Object.Modified.UTC(), chainDocument: describeChain(s),
		Object: s.Object.Name, Stored: s.Object.Size, Encrypted: s.Encrypted, Implausible: s.Implausible, Broken: s.Broken, Why: s.Why(),
	}
}

// warning returns in a line why the snapshot does not count, "" if it does.
func (d snapshotDocument) warning() string {
	switch {
	case d.Implausible:
		return terminal.Sprintf("implausible: %s, so never the latest\n", d.Why)
	case d.Broken:
		return terminal.Sprintf("broken: %s, so never the latest\n", d.Why)
	}
	return ""
}

// retainedDocument is a snapshot with its retention.
type retainedDocument struct {
	snapshotDocument
	Retention string     `json:"retention"`         // its tag: held-<class>, pinned, or the class it was released into
	Action    string     `json:"action"`            // what is due now: keep, release or expire
	Reason    string     `json:"reason"`            // why
	Due       *time.Time `json:"due,omitempty"`     // when it has been superseded for the hold
	Expires   *time.Time `json:"expires,omitempty"` // when it goes as things stand; none: never
	Unmatched bool       `json:"unmatched"`         // it has a class that no rule of the bucket takes, so it stays
	// When the bucket itself will remove it, and by which rule.
	StoreExpires *time.Time        `json:"store_expires,omitempty"`
	StoreRule    string            `json:"store_rule,omitempty"`
	Verified     *time.Time        `json:"verified,omitempty"` // when a drill that was recorded last succeeded
	Tags         map[string]string `json:"tags,omitempty"`     // all of them, as far as they were read
	Unknown      bool              `json:"unknown,omitempty"`  // list: this machine's cache knows older ones of the series, and not this one

	end end // where no time is known
}

func describeDecisions(decisions []lifecycle.Decision) []retainedDocument {
	described := []retainedDocument{}
	for _, d := range decisions {
		described = append(described, describeDecision(d))
	}
	return described
}

func describeDecision(d lifecycle.Decision) retainedDocument {
	verified, _ := time.Parse(time.RFC3339, d.Tags[series.TagVerified]) // zero for none, and for what we did not write
	return retainedDocument{
		snapshotDocument: describeSnapshot(d.Snapshot), Verified: unlessZero(verified), Retention: d.Tags[series.TagRetention],
		Action: string(d.Action), Reason: d.Reason, Due: unlessZero(d.Due), Expires: unlessZero(d.Expires), Tags: printableTags(d.Tags),
	}
}

// printableTags returns tags, which anybody with the keys can set, as JSON takes them.
func printableTags(tags bucket.Tags) map[string]string {
	printable := map[string]string{}
	for name, value := range tags {
		printable[terminal.ValidText(name)] = terminal.ValidText(value)
	}
	return printable
}

func unlessZero(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// encrypted returns what follows the size of an encrypted snapshot, "" for
// others.
func encryptedSuffix(is bool) string {
	if is {
		return " encrypted"
	}
	return ""
}

// explain returns the retention of some of the items, which follows from all.
func explain(ctx context.Context, b bucket.Bucket, items, which []lifecycle.Item, hold time.Duration) ([]retainedDocument, error) {
	now := series.Present(b)
	by, err := retentionOf(ctx, b)
	if err != nil {
		return nil, err
	}
	snapshots := []retainedDocument{}
	for _, d := range lifecycle.Decide(items, lifecycle.Terms{Hold: hold, Policy: by.policy}, now) {
		if !slices.ContainsFunc(which, func(i lifecycle.Item) bool { return i.ID == d.ID }) {
			continue
		}
		described := describeDecision(d)
		described.end = by.endOf(d)
		class := d.Released()
		described.Unmatched = by.matches && class != "" && (by.policy == nil || by.policy.Keep(class) == lifecycle.Forever)
		snapshots = append(snapshots, described)
	}
	if !by.matches {
		return snapshots, nil
	}
	return snapshots, askStore(ctx, b, which, snapshots)
}

// askStore adds when the bucket itself will remove released snapshots. No rule
// should match the others: backup warns if one does.
func askStore(ctx context.Context, b bucket.Bucket, items []lifecycle.Item, snapshots []retainedDocument) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(8)
	for i, item := range items {
		if item.Released() == "" {
			continue
		}
		group.Go(func() error {
			when, rule, err := rules.Expiration(ctx, b, item.Object)
			if errors.Is(err, bucket.ErrRefused) || errors.Is(err, bucket.ErrNotFound) {
				return nil // not for these credentials, or gone meanwhile
			}
			snapshots[i].StoreExpires, snapshots[i].StoreRule = unlessZero(when), rule
			return err
		})
	}
	return group.Wait()
}

// verified returns how long ago a drill of the snapshot last succeeded, or "-".
func (s retainedDocument) verified(now time.Time) string {
	if s.Verified == nil {
		return "-"
	}
	return terminal.Ago(*s.Verified, now)
}

// releasedCount returns a line that counts the released snapshots, "" for none.
func releasedCount(decisions []lifecycle.Decision) string {
	if len(decisions) == 0 {
		return ""
	}
	count := map[lifecycle.Class]int{}
	for _, d := range decisions {
		count[d.Class]++
	}
	var parts []string
	for _, class := range lifecycle.Classes() {
		if n := count[class]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, class))
		}
	}
	return "released: " + strings.Join(parts, ", ") + "\n"
}
