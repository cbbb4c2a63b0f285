package lifecycle

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// dangers is Configuration.Warnings.
func dangers(rules []s3Rule, prefix string) []string {
	var warnings []string
	for _, rule := range rules {
		if ours(rule, prefix) != "" && !astray(rule, prefix) || rule.Status != enabled {
			continue
		}
		name := value(rule.ID)
		if name == "" {
			name = "without a name"
		}
		match := matchOf(rule)
		if !match.meets(prefix + "/") {
			continue
		}
		switch {
		case match.catches(series.Held) && expires(rule):
			warnings = append(warnings, fmt.Sprintf("rule %s also takes held and pinned snapshots under %q: %s", name, prefix+"/", summary(rule)))
		case match.tags[series.TagRetention] != "" && match.prefix != prefix+"/":
			warnings = append(warnings, fmt.Sprintf("rule %s is for snapshots under %q, and one of the prefixes %q and %q lies inside the other: "+
				"the rules of one series take the other's snapshots too", name, match.prefix, match.prefix, prefix+"/"))
		case match.tags[series.TagRetention] != "" && expires(rule):
			warnings = append(warnings, fmt.Sprintf("rule %s also takes %s snapshots: %s; the shortest time counts",
				name, match.tags[series.TagRetention], summary(rule)))
		}
	}
	return warnings
}

// tooMany returns ErrTooManyRules if a bucket cannot hold the rules.
func tooMany(rules []s3Rule) error {
	if len(rules) > maxRules {
		return fmt.Errorf("%d rules would be in the bucket's lifecycle configuration: %w", len(rules), ErrTooManyRules)
	}
	return nil
}

// expires reports whether a rule takes objects or their old versions away.
func expires(r s3Rule) bool {
	return r.NoncurrentVersionExpiration != nil ||
		r.Expiration != nil && (r.Expiration.Days != nil || r.Expiration.Date != nil)
}

// A match is what a rule asks of an object. Sizes are only shown: whether a snapshot
// has them is not known beforehand.
type match struct {
	prefix      string
	tags        map[string]string
	over, under *int64
}

func matchOf(r s3Rule) match {
	m := match{prefix: value(r.Prefix), tags: map[string]string{}}
	f := r.Filter
	if f == nil {
		return m
	}
	m.prefix += value(f.Prefix)
	m.over, m.under = f.ObjectSizeGreaterThan, f.ObjectSizeLessThan
	var tags []s3Tag
	if f.Tag != nil {
		tags = []s3Tag{*f.Tag}
	}
	if f.And != nil {
		m.prefix += value(f.And.Prefix)
		m.over, m.under = f.And.ObjectSizeGreaterThan, f.And.ObjectSizeLessThan
		tags = append(tags, f.And.Tags...)
	}
	for _, tag := range tags {
		m.tags[value(tag.Key)] = value(tag.Value)
	}
	return m
}

// String returns which objects the rule takes, such as
// `"app/" with lifeboat-retention=daily`.
func (m match) String() string {
	text := fmt.Sprintf("%q", m.prefix)
	for i, key := range slices.Sorted(maps.Keys(m.tags)) {
		word := " and "
		if i == 0 {
			word = " with "
		}
		text += word + key + "=" + m.tags[key]
	}
	if m.over != nil {
		text += fmt.Sprintf(" over %d bytes", *m.over)
	}
	if m.under != nil {
		text += fmt.Sprintf(" under %d bytes", *m.under)
	}
	return text
}

// meets reports whether any key can have both prefixes.
func (m match) meets(prefix string) bool {
	return strings.HasPrefix(prefix, m.prefix) || strings.HasPrefix(m.prefix, prefix)
}

// catches reports whether the rule can match a snapshot with the given retention:
// it asks for no tag that snapshots do not have.
func (m match) catches(retention string) bool {
	for key, value := range m.tags {
		known := slices.Contains([]string{series.TagRetention, series.TagDigest, series.TagDatabase, series.TagCheck, series.TagIdentity, series.TagConfirmed, series.TagVerified}, key)
		if !known || key == series.TagRetention && value != retention {
			return false
		}
	}
	return true
}
