package rules

import (
	"slices"
	"strings"
	"time"
)

// normal returns a rule in the one form, of several that mean the same, in which
// rules are compared. Stores give rules back in another form than they were
// written: Ceph a filter without And, others a prefix in its old place, an empty
// And, or false and zero for what was left out.
func normal(r s3Rule) s3Rule {
	m := matchOf(r)
	and := &s3And{Prefix: &m.prefix, ObjectSizeGreaterThan: m.over, ObjectSizeLessThan: m.under}
	for key, value := range m.tags {
		and.Tags = append(and.Tags, s3Tag{Key: new(key), Value: new(value)})
	}
	slices.SortFunc(and.Tags, func(a, b s3Tag) int { return strings.Compare(*a.Key, *b.Key) })
	r.Prefix = nil
	r.Filter = &s3Filter{And: and}
	if r.Expiration != nil {
		e := *r.Expiration
		e.Date = second(e.Date)
		if !value(e.ExpiredObjectDeleteMarker) {
			e.ExpiredObjectDeleteMarker = nil
		}
		r.Expiration = &e
	}
	r.Transitions = slices.SortedStableFunc(slices.Values(r.Transitions), func(a, b s3Transition) int {
		return strings.Compare(a.StorageClass, b.StorageClass)
	})
	for i := range r.Transitions {
		r.Transitions[i].Date = second(r.Transitions[i].Date)
	}
	r.NoncurrentVersionTransitions = slices.SortedStableFunc(slices.Values(r.NoncurrentVersionTransitions), func(a, b s3NoncurrentTransition) int {
		return strings.Compare(a.StorageClass, b.StorageClass)
	})
	return r
}

// second returns a time in the form in which times are compared: in UTC, to the
// second.
func second(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	return new(t.UTC().Truncate(time.Second))
}
