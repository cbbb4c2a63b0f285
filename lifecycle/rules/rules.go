package rules

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lifeboat-sqlite/lifeboat/lifecycle"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

const (
	// maxRules is what a bucket takes, and maxRuleID a rule's ID
	// (https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html).
	maxRules  = 1000
	maxRuleID = 255
	// tidyDays is how long an unfinished upload may take.
	tidyDays = 7
	// tidy names, in the place of a class, the rule that clears up what is
	// no snapshot.
	tidy = "tidy"
	// idPrefix begins the ID of every rule of every series.
	idPrefix = "lifeboat/"
)

// DefaultNoncurrent is how long a versioned bucket keeps what was overwritten or
// deleted.
const DefaultNoncurrent lifecycle.Keep = 30

func rulesFor(scope scope, p lifecycle.Policy, noncurrent lifecycle.Keep) []s3Rule {
	var rules []s3Rule
	for _, class := range lifecycle.Classes() {
		keep := p.Keep(class)
		if keep == lifecycle.Forever {
			continue
		}
		rule := s3Rule{
			ID:     new(ruleID(scope, string(class))),
			Status: enabled,
			Filter: &s3Filter{And: &s3And{
				Prefix: new(scope.keys()),
				Tags:   []s3Tag{{Key: new(series.TagRetention), Value: new(string(class))}},
			}},
			Expiration: &s3Expiration{Days: new(int32(keep))},
		}
		if noncurrent > 0 {
			rule.NoncurrentVersionExpiration = &s3NoncurrentExpiration{NoncurrentDays: new(int32(noncurrent))}
		}
		rules = append(rules, rule)
	}
	return append(rules, s3Rule{
		ID:                             new(ruleID(scope, tidy)),
		Status:                         enabled,
		Filter:                         &s3Filter{Prefix: new(scope.keys())},
		Expiration:                     &s3Expiration{ExpiredObjectDeleteMarker: new(true)},
		AbortIncompleteMultipartUpload: &s3Abort{DaysAfterInitiation: new(int32(tidyDays))},
	})
}

// ruleID returns the ID of a rule. A scope that is too long is hashed.
func ruleID(scope scope, class string) string {
	id := idPrefix + string(scope) + "/" + class
	if len(id) > maxRuleID {
		id = idPrefix + scope.hashed() + "/" + class
	}
	return id
}

// ours returns which of the scope's rules a rule is: a class or tidy, or "" for a
// rule of another scope or tool. The ID alone decides: merge puts right what else
// was changed by hand in the rule, and astray reports it.
func ours(rule s3Rule, scope scope) string {
	for _, class := range append(lifecycle.Classes(), tidy) {
		if value(rule.ID) == ruleID(scope, string(class)) {
			return string(class)
		}
	}
	return ""
}

// astray reports whether a rule with the ID of a scope's rule takes other snapshots
// than that rule does: its filter was changed by hand, or tidy expires something.
func astray(rule s3Rule, scope scope) bool {
	class, m := ours(rule, scope), matchOf(rule)
	if class == tidy {
		return expires(rule)
	}
	return m.prefix != scope.keys() || len(m.tags) != 1 || m.tags[series.TagRetention] != class
}

// split returns a bucket's rules in two parts: those of the scope, and all others.
func split(rules []s3Rule, scope scope) (mine, others []s3Rule) {
	for _, r := range rules {
		if ours(r, scope) != "" {
			mine = append(mine, r)
		} else {
			others = append(others, r)
		}
	}
	return mine, others
}

// scopes are those of several series or trees.
type scopes []scope

// split is split for all of them.
func (all scopes) split(rules []s3Rule) (mine, others []s3Rule) {
	others = rules
	for _, s := range all {
		var own []s3Rule
		own, others = split(others, s)
		mine = append(mine, own...)
	}
	return mine, others
}

// A change is one difference between the rules that a bucket has for a scope
// and those that it should have. Old is nil for a rule to add, new for one to
// remove.
type change struct {
	id       string
	old, new *s3Rule
}

// String returns a line such as
// "~ lifeboat/app/daily: 14d, noncurrent 30d -> 20d, noncurrent 30d". It names the
// objects that the rule takes where these change.
func (c change) String() string {
	switch {
	case c.old == nil:
		return fmt.Sprintf("+ %s: %s", c.id, summary(*c.new))
	case c.new == nil:
		return fmt.Sprintf("- %s: %s", c.id, summary(*c.old))
	}
	old, want := summary(*c.old), summary(*c.new)
	if a, b := matchOf(*c.old).String(), matchOf(*c.new).String(); a != b {
		old, want = old+" for "+a, want+" for "+b
	}
	return fmt.Sprintf("~ %s: %s -> %s", c.id, old, want)
}

// merge returns the rules that a bucket should have: those that it has, with the
// ones of the scope replaced by want. It also returns what
// changes. Rules that are frozen stay disabled, and new ones are disabled
// too; where only some are disabled, they are enabled again.
func merge(have []s3Rule, scope scope, want []s3Rule) ([]s3Rule, []change) {
	want = slices.Clone(want)
	if isFrozen(have, scope) {
		for i := range want {
			want[i].Status = disabled
		}
	}
	var merged []s3Rule
	var changes []change
	done := map[string]bool{}
	for _, old := range have {
		if ours(old, scope) == "" {
			merged = append(merged, old)
			continue
		}
		id := value(old.ID)
		i := slices.IndexFunc(want, func(r s3Rule) bool { return value(r.ID) == id })
		if i < 0 || done[id] {
			changes = append(changes, change{id: id, old: &old})
			continue
		}
		done[id] = true
		merged = append(merged, want[i])
		if !sameOurs(old, want[i]) {
			changes = append(changes, change{id: id, old: &old, new: &want[i]})
		}
	}
	for i := range want {
		if id := value(want[i].ID); !done[id] {
			merged = append(merged, want[i])
			changes = append(changes, change{id: id, new: &want[i]})
		}
	}
	return merged, changes
}

// sameOurs reports whether a store has a rule as it was written. A store
// that does not end uploads by rule drops that part of it (MinIO does).
func sameOurs(have, want s3Rule) bool {
	if have.AbortIncompleteMultipartUpload == nil && want.AbortIncompleteMultipartUpload != nil {
		want.AbortIncompleteMultipartUpload = nil
	}
	return canonical(have) == canonical(want)
}

// isFrozen reports whether the scope has rules and all of them are disabled.
func isFrozen(rules []s3Rule, scope scope) bool {
	mine, _ := split(rules, scope)
	return allDisabled(mine)
}

// allDisabled reports whether there are rules, and none of them is applied.
func allDisabled(rules []s3Rule) bool {
	return len(rules) > 0 && !slices.ContainsFunc(rules, func(r s3Rule) bool { return r.Status != disabled })
}

// switched returns the rules with those of the scope enabled or disabled, and how
// many of them that changes.
func switched(rules []s3Rule, scope scope, to string) ([]s3Rule, int) {
	rules = slices.Clone(rules)
	changed := 0
	for i := range rules {
		if ours(rules[i], scope) != "" && rules[i].Status != to {
			rules[i].Status = to
			changed++
		}
	}
	return rules, changed
}

// policyOf returns the policy of a scope that a bucket's rules carry out. A class
// that no enabled rule of it, or of a tree around it, matches is kept forever. Where
// several match, as a rule that has lost its tag does, the shortest time counts.
func policyOf(rules []s3Rule, scope scope) lifecycle.Policy {
	p := lifecycle.Policy{}
	for _, class := range lifecycle.Classes() {
		p[class] = lifecycle.Forever
	}
	for _, rule := range rules {
		m := matchOf(rule)
		if ours(rule, scope) == "" && !around(rule, scope) || rule.Status != enabled ||
			rule.Expiration == nil || rule.Expiration.Days == nil || !strings.HasPrefix(scope.keys(), m.prefix) {
			continue
		}
		for class, keep := range p {
			if days := lifecycle.Keep(*rule.Expiration.Days); m.catches(string(class)) && (keep == lifecycle.Forever || days < keep) {
				p[class] = days
			}
		}
	}
	return p
}

// summary returns what a rule does, such as "14d, noncurrent 30d".
func summary(r s3Rule) string {
	var parts []string
	if e := r.Expiration; e != nil {
		switch {
		case e.Days != nil:
			parts = append(parts, fmt.Sprintf("%dd", *e.Days))
		case e.Date != nil:
			parts = append(parts, "on "+e.Date.UTC().Format("2006-01-02"))
		case value(e.ExpiredObjectDeleteMarker):
			parts = append(parts, "lone delete markers at once")
		}
	}
	if n := r.NoncurrentVersionExpiration; n != nil {
		parts = append(parts, fmt.Sprintf("noncurrent %dd", value(n.NoncurrentDays)))
	}
	if a := r.AbortIncompleteMultipartUpload; a != nil {
		parts = append(parts, fmt.Sprintf("unfinished uploads %dd", value(a.DaysAfterInitiation)))
	}
	if r.Status != enabled {
		parts = append(parts, "disabled")
	}
	return strings.Join(parts, ", ")
}
