package rules

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/lifeboat-sqlite/lifeboat/lifecycle"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// dangers is Configuration.Warnings.
func dangers(rules []s3Rule, scope scope) []string {
	warnings := overlaps(rules, scope)
	var nested neighbours
	for _, rule := range rules {
		if ours(rule, scope) != "" && !astray(rule, scope) || rule.Status != enabled || inTree(rule, scope) {
			continue
		}
		name := value(rule.ID)
		if name == "" {
			name = "without a name"
		}
		match := matchOf(rule)
		if !match.meets(scope.keys()) {
			continue
		}
		switch {
		case catchesHeld(match) && expires(rule):
			warnings = append(warnings, fmt.Sprintf("rule %s also takes held and pinned snapshots under %q: %s", name, scope.keys(), summary(rule)))
		case match.tags[series.TagRetention] != "" && match.prefix != scope.keys():
			nested.add(match.prefix, name)
		case match.tags[series.TagRetention] != "" && expires(rule):
			warnings = append(warnings, fmt.Sprintf("rule %s also takes %s snapshots: %s; the shortest time counts",
				name, match.tags[series.TagRetention], summary(rule)))
		}
	}
	return append(warnings, nested.warnings(scope)...)
}

// neighbours are the rules for snapshots under other prefixes, by prefix.
type neighbours struct {
	prefixes []string
	names    map[string][]string
}

func (f *neighbours) add(prefix, name string) {
	if f.names == nil {
		f.names = map[string][]string{}
	}
	if !slices.Contains(f.prefixes, prefix) {
		f.prefixes = append(f.prefixes, prefix)
	}
	f.names[prefix] = append(f.names[prefix], name)
}

// warnings returns one warning for each prefix.
func (f *neighbours) warnings(scope scope) (warnings []string) {
	for _, prefix := range f.prefixes {
		names := f.names[prefix]
		which := fmt.Sprintf("rule %s is", names[0])
		if len(names) > 1 {
			which = fmt.Sprintf("%d rules, such as %s, are", len(names), names[0])
		}
		warnings = append(warnings, fmt.Sprintf("%s for snapshots under %q, and one of the prefixes %q and %q lies inside the other: "+
			"the rules of one series take the other's snapshots too", which, prefix, prefix, scope.keys()))
	}
	return warnings
}

// overlaps returns a warning for each other scope of which the rules take the same
// snapshots, where one of the two is a tree. That is no mistake as long as only one of
// them has rules, so a series without rules of its own has no warning.
func overlaps(rules []s3Rule, scope scope) []string {
	mine, _ := split(rules, scope)
	if len(mine) == 0 {
		return nil
	}
	var warnings []string
	for _, rule := range rules {
		other := ownerOf(rule)
		if rule.Status != enabled || other == scope || !inTree(rule, scope) {
			continue
		}
		warning := fmt.Sprintf("the rules of %s take snapshots of %s too: there the shorter time counts", other, scope)
		if scope.isTree() {
			warning = fmt.Sprintf("%s, inside this tree, has rules of its own: there the shorter time counts", other)
		}
		if !slices.Contains(warnings, warning) {
			warnings = append(warnings, warning)
		}
	}
	return warnings
}

// inTree reports whether a rule is of a tree around the scope, or of a scope inside this
// tree, and takes nothing else.
func inTree(rule s3Rule, scope scope) bool {
	owner := ownerOf(rule)
	return owner != "" && !astray(rule, owner) && (around(rule, scope) || scope.isTree() && strings.HasPrefix(owner.keys(), scope.keys()))
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
		known := slices.Contains([]string{series.TagRetention, series.TagDigest, series.TagDatabase, series.TagCheck, series.TagIdentity, series.TagOrigin, series.TagConfirmed, series.TagVerified, series.TagRetired}, key)
		if !known || key == series.TagRetention && value != retention {
			return false
		}
	}
	return true
}

// catchesHeld reports whether a rule that matches so takes what is held or pinned.
func catchesHeld(m match) bool {
	return m.catches(series.Pinned) || slices.ContainsFunc(lifecycle.Classes(), func(c lifecycle.Class) bool { return m.catches(series.Held(c)) })
}
