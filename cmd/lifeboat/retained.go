package main

import (
	"time"

	"github.com/lifeboat-sqlite/lifeboat/lifecycle"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// retainedDocument is a snapshot and what becomes of it.
type retainedDocument struct {
	snapshotDocument
	Retention string     `json:"retention"`         // its tag: held, pinned, or the class it was released into
	Class     string     `json:"class,omitempty"`   // the class it has, or will get as things stand
	Action    string     `json:"action"`            // what is due now: keep, release or expire
	Reason    string     `json:"reason"`            // why
	Due       *time.Time `json:"due,omitempty"`     // when it has been superseded for the hold
	Expires   *time.Time `json:"expires,omitempty"` // when it goes as things stand; none: never
	Unmatched bool       `json:"unmatched"`         // it has a class that no rule of the bucket takes, so it stays
	// What the bucket itself says about when it goes, and by which rule.
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
func encrypted(is bool) string {
	if is {
		return " encrypted"
	}
	return ""
}
