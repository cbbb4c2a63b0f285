package rules

import (
	"strings"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/lifecycle"
)

// Rules of a tree, of a series inside it and of one beside it are told apart by their IDs,
// also where the prefixes are too long for these.
func TestScopes(t *testing.T) {
	for _, prefix := range []string{"tenants", "a/b", strings.Repeat("very/long/", 30) + "prefix"} {
		tree, series, inner := treeScope(prefix), scope(prefix), scope(prefix+"/acme")
		var all []s3Rule
		for _, s := range []scope{tree, series, inner} {
			all = append(all, rulesFor(s, lifecycle.DefaultPolicy(), DefaultNoncurrent)...)
		}
		ids := map[string]bool{}
		for _, rule := range all {
			if ids[value(rule.ID)] || len(value(rule.ID)) > maxRuleID {
				t.Errorf("ID %q: a second time, or too long", value(rule.ID))
			}
			ids[value(rule.ID)] = true
		}
		for s, others := range map[scope]int{tree: 0, series: 6, inner: 6} {
			if mine, rest := split(all, s); len(mine) != 6 || len(rest) != 12 {
				t.Errorf("%s: %d rules of its own, %d others", s, len(mine), len(rest))
			}
			if got := len((Configuration{scope: s, rules: all}).Around()); got != others {
				t.Errorf("%s: %d rules of trees around it, want %d", s, got, others)
			}
			for _, rule := range rulesFor(s, lifecycle.DefaultPolicy(), DefaultNoncurrent) {
				if got := ownerOf(rule); got != s {
					t.Errorf("%s is of %q, want %q", value(rule.ID), got, s)
				}
			}
		}
	}
}

// A series in a tree has the tree's policy, or the shorter one of both, and is frozen with
// it.
func TestPolicyInATree(t *testing.T) {
	short := lifecycle.DefaultPolicy()
	short[lifecycle.Daily] = 10
	tree := rulesFor(treeScope("tenants"), lifecycle.DefaultPolicy(), DefaultNoncurrent)
	own := rulesFor("tenants/acme", short, DefaultNoncurrent)
	of := func(s scope, rules ...[]s3Rule) Configuration {
		var all []s3Rule
		for _, r := range rules {
			all = append(all, r...)
		}
		return Configuration{scope: s, rules: all}
	}
	for _, test := range []struct {
		what     string
		has      Configuration
		daily    lifecycle.Keep
		warnings string
	}{
		{"in a tree", of("tenants/acme", tree), 14, ""},
		{"deeper", of("tenants/a/b", tree), 14, ""},
		{"beside", of("tenants2/acme", tree), lifecycle.Forever, ""},
		{"the tree's own prefix", of("tenants", tree), 14, ""},
		{"with rules of its own", of("tenants/acme", tree, own), 10, "the rules of the tree tenants/ take snapshots of the series tenants/acme too: there the shorter time counts"},
		{"another series", of("tenants/beta", tree, own), 14, ""},
		{"the tree", of("tenants/", tree, own), 14, "the series tenants/acme, inside this tree, has rules of its own: there the shorter time counts"},
		{"a tree around", of("tenants/", tree, rulesFor(treeScope("tenants/eu"), short, DefaultNoncurrent)), 14, "the tree tenants/eu/, inside this tree, has rules of its own: there the shorter time counts"},
	} {
		if got := test.has.Policy().Keep(lifecycle.Daily); got != test.daily {
			t.Errorf("%s: daily is kept %v, want %v", test.what, got, test.daily)
		}
		if got := strings.Join(test.has.Warnings(), "\n"); got != test.warnings {
			t.Errorf("%s: warnings %q, want %q", test.what, got, test.warnings)
		}
	}
	frozen, _ := switched(tree, treeScope("tenants"), disabled)
	if has := of("tenants/acme", frozen); !has.Frozen() || has.Policy().Keep(lifecycle.Daily) != lifecycle.Forever {
		t.Error("a series in a frozen tree is not frozen")
	}
	if of("tenants/acme", frozen, own).Frozen() {
		t.Error("a series with rules of its own is frozen with its tree")
	}
	frozen, _ = switched(own, "tenants/acme", disabled)
	if has := of("tenants/acme", tree, frozen); has.Frozen() || len(has.Warnings()) != 1 {
		t.Errorf("a series that is frozen in a tree that is not: %v, %v", has.Frozen(), has.Warnings())
	}
}
