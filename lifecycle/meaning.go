package lifecycle

import (
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// normal returns a rule in the one form, of several that mean the same, in which
// rules are compared. Stores give rules back in another form than they were
// written: Ceph a filter without And, others a prefix in its old place, an empty
// And, or false and zero where nothing was said.
func normal(r types.LifecycleRule) types.LifecycleRule {
	m := matchOf(r)
	and := &types.LifecycleRuleAndOperator{Prefix: &m.prefix, ObjectSizeGreaterThan: m.over, ObjectSizeLessThan: m.under}
	for key, value := range m.tags {
		and.Tags = append(and.Tags, types.Tag{Key: aws.String(key), Value: aws.String(value)})
	}
	slices.SortFunc(and.Tags, func(a, b types.Tag) int { return strings.Compare(*a.Key, *b.Key) })
	//lint:ignore SA1019 rules of others may still use it
	r.Prefix = nil
	r.Filter = &types.LifecycleRuleFilter{And: and}
	if e := r.Expiration; e != nil && e.ExpiredObjectDeleteMarker != nil && !*e.ExpiredObjectDeleteMarker {
		said := *e
		said.ExpiredObjectDeleteMarker = nil
		r.Expiration = &said
	}
	r.Transitions = slices.SortedStableFunc(slices.Values(r.Transitions), func(a, b types.Transition) int {
		return strings.Compare(string(a.StorageClass), string(b.StorageClass))
	})
	r.NoncurrentVersionTransitions = slices.SortedStableFunc(slices.Values(r.NoncurrentVersionTransitions), func(a, b types.NoncurrentVersionTransition) int {
		return strings.Compare(string(a.StorageClass), string(b.StorageClass))
	})
	return r
}
