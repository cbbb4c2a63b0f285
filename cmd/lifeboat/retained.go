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
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// snapshotDocument is one snapshot as the bucket lists it.
type snapshotDocument struct {
	ID          string    `json:"id"`
	Taken       time.Time `json:"taken"`       // the time in the ID, UTC
	Uploaded    time.Time `json:"uploaded"`    // by the store's clock, UTC
	Stored      int64     `json:"stored"`      // size of the object, bytes
	Encrypted   bool      `json:"encrypted"`   // by age, before it left the machine
	Implausible bool      `json:"implausible"` // its times cannot be right, so it is never the latest
	Why         string    `json:"implausible_why,omitempty"`
}

func describeSnapshot(s series.Snapshot) snapshotDocument {
	return snapshotDocument{
		ID: string(s.ID), Taken: s.ID.Time(), Uploaded: s.Object.Modified.UTC(),
		Stored: s.Object.Size, Encrypted: s.Encrypted, Implausible: s.Implausible, Why: s.Why(),
	}
}

// retainedDocument is a snapshot with its retention.
type retainedDocument struct {
	snapshotDocument
	Retention string     `json:"retention"`         // its tag: held, pinned, or the class it was released into
	Class     string     `json:"class,omitempty"`   // the class it has, or will get as things stand
	Action    string     `json:"action"`            // what is due now: keep, release or expire
	Reason    string     `json:"reason"`            // why
	Due       *time.Time `json:"due,omitempty"`     // when it has been superseded for the hold
	Expires   *time.Time `json:"expires,omitempty"` // when it goes as things stand; none: never
	Unmatched bool       `json:"unmatched"`         // it has a class that no rule of the bucket takes, so it stays
	// When the bucket itself will remove it, and by which rule.
	StoreExpires *time.Time `json:"store_expires,omitempty"`
	StoreRule    string     `json:"store_rule,omitempty"`
	Verified     *time.Time `json:"verified,omitempty"` // when a drill that was recorded last succeeded
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
		Class: string(d.Class), Action: string(d.Action), Reason: d.Reason, Due: unlessZero(d.Due), Expires: unlessZero(d.Expires),
	}
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
func explain(ctx context.Context, c *console, b bucket.Bucket, items, which []lifecycle.Item, hold time.Duration) ([]retainedDocument, error) {
	t, now := lifecycle.Terms{Hold: hold}, series.Present(b)
	var err error
	t.Policy, err = bucketPolicy(ctx, b)
	unknown := errors.Is(err, bucket.ErrRefused)
	if unknown {
		c.log.Debug("when snapshots go is not shown", "cause", err)
	} else if err != nil {
		return nil, err
	}
	snapshots := []retainedDocument{}
	for _, d := range lifecycle.Decide(items, t, now) {
		if slices.ContainsFunc(which, func(i lifecycle.Item) bool { return i.ID == d.ID }) {
			snapshots = append(snapshots, describeDecision(d))
		}
	}
	if _, ok := bucket.As[bucket.Ruled](b); !ok || unknown {
		return snapshots, nil
	}
	for i, item := range which {
		class := item.Released()
		snapshots[i].Unmatched = class != "" && (t.Policy == nil || t.Policy.Keep(class) == lifecycle.Forever)
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
			when, rule, err := lifecycle.Expiration(ctx, b, item.Object)
			if errors.Is(err, bucket.ErrRefused) || errors.Is(err, bucket.ErrNotFound) {
				return nil // not for these credentials, or gone meanwhile
			}
			snapshots[i].StoreExpires, snapshots[i].StoreRule = unlessZero(when), rule
			return err
		})
	}
	return group.Wait()
}

// goes returns the day on which a snapshot goes, by the bucket itself if it gave
// one.
func (s retainedDocument) goes() string {
	switch {
	case s.StoreExpires != nil:
		return terminal.Day(s.StoreExpires)
	case s.Unmatched:
		return "no rule"
	case s.Expires != nil && s.Retention == series.Held:
		return terminal.Day(s.Expires) + "?" // if it is released and the rules stay as they are
	case s.Expires != nil:
		return terminal.Day(s.Expires)
	}
	return "-"
}

// verified returns how long ago a drill of the snapshot last succeeded, or "-".
func (s retainedDocument) verified(now time.Time) string {
	if s.Verified == nil {
		return "-"
	}
	return terminal.Ago(*s.Verified, now)
}

// released returns a line that counts the released snapshots, "" for none.
func released(decisions []lifecycle.Decision) string {
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
