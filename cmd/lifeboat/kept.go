package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
	"github.com/lifeboat-sqlite/lifeboat/lifecycle"
	"github.com/lifeboat-sqlite/lifeboat/lifecycle/rules"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// An end is what a snapshot without a date is kept until, as list prints it.
type end string

const (
	endSuperseded end = "superseded"
	endUnpinned   end = "pinned"
	endForever    end = "forever"
	endFrozen     end = "frozen"
	endNoRule     end = "no rule"
	endPruned     end = "pruned"
	endDeleted    end = "deleted"
	endUnknown    end = "unknown"
)

// endsInWords are the ends as show explains them.
var endsInWords = map[end]string{
	endSuperseded: "a newer one has superseded it for the hold",
	endUnpinned:   "it is unpinned",
	endForever:    "forever: its class is kept so",
	endFrozen:     "the rules, which are frozen, are thawed: lifeboat lifecycle thaw",
	endNoRule:     "the bucket has a rule that takes it: see lifeboat lifecycle apply",
	endPruned:     "lifeboat prune takes it",
	endDeleted:    "it is deleted: no rule and no prune takes it as it is",
	endUnknown:    "not known: these credentials may not read that",
}

// A retention is what carries out the retention of a series.
type retention struct {
	policy lifecycle.Policy // nil: nothing expires by itself, or it is not known when
	end    end              // of a released snapshot that no time is known of, "": by its class
	// matches: the bucket can have rules, and these credentials may read them.
	matches bool
}

// retentionOf returns what carries out retention in a bucket, as far as these
// credentials may know it.
func retentionOf(ctx context.Context, b bucket.Bucket) (retention, error) {
	if beside, _ := bucket.TagsBeside(b); beside {
		return retention{end: endPruned}, nil
	}
	if _, ok := bucket.As[bucket.Ruled](b); !ok {
		return retention{end: endPruned}, nil
	}
	has, err := rules.OfSeries(b).Read(ctx)
	switch {
	case errors.Is(err, bucket.ErrRefused):
		return retention{end: endUnknown}, nil
	case err != nil:
		return retention{}, err
	case len(has.Rules())+len(has.Around()) == 0:
		return retention{end: endNoRule, matches: true}, nil
	case has.Frozen():
		return retention{has.Policy(), endFrozen, true}, nil
	}
	return retention{policy: has.Policy(), matches: true}, nil
}

// endOf returns the end of a snapshot that goes on no date.
func (r retention) endOf(d lifecycle.Decision) end {
	tag := d.Tags[series.TagRetention]
	switch {
	case !d.TagsKnown:
		return endUnknown
	case tag == series.Pinned:
		return endUnpinned
	case d.Implausible, d.Damaged != nil, !d.Held() && d.Released() == "":
		return endDeleted
	case d.Held() && d.Due.IsZero():
		return endSuperseded
	}
	return r.endOfClass(d.Class)
}

// endOfClass returns the end of a released snapshot that goes on no date.
func (r retention) endOfClass(class lifecycle.Class) end {
	switch {
	case r.end != "":
		return r.end
	case slices.Contains(ruleless(r.policy), string(class)):
		return endNoRule
	}
	return endForever
}

// kept returns until when a snapshot is kept, in a word or as the first day on which it
// can go: by the bucket itself, if that gave one.
func (s retainedDocument) kept() string {
	switch {
	case s.Retention == series.Pinned:
		return string(endUnpinned)
	case s.StoreExpires != nil:
		return terminal.Day(s.StoreExpires)
	case s.Expires != nil:
		return terminal.Day(s.Expires)
	case s.end == "":
		return string(endUnknown)
	}
	return string(s.end)
}

// keptInWords is kept in a sentence.
func (s retainedDocument) keptInWords(now time.Time) string {
	day := s.Expires
	if s.StoreExpires != nil {
		day = s.StoreExpires
	}
	switch {
	case s.Retention == series.Pinned:
		return endsInWords[endUnpinned]
	case day == nil && s.end == "":
		return endsInWords[endUnknown]
	case day == nil:
		return endsInWords[s.end]
	}
	text := fmt.Sprintf("%s (%s)", terminal.Day(day), terminal.Ago(*day, now))
	switch {
	case s.StoreExpires != nil && s.StoreRule != "":
		return text + ", when the bucket's rule " + s.StoreRule + " takes it"
	case series.IsHeld(s.Retention):
		return text + " at the earliest, if it is released and the rules stay as they are"
	}
	return text + " at the earliest"
}
