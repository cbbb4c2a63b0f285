package rules

import (
	"context"
	"fmt"
	"slices"

	"github.com/lifeboat-sqlite/lifeboat/lifecycle"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

// A Rule is one lifecycle rule of a bucket, of a series, a tree, or another tool.
type Rule struct{ s3 s3Rule }

// ID returns the rule's name, "" if it has none. Those of a series are
// lifeboat/PREFIX/CLASS, those of a tree lifeboat/PREFIX//CLASS, with the SHA-256 of a
// prefix that is too long for it.
func (r Rule) ID() string { return value(r.s3.ID) }

// Enabled reports whether the store applies the rule.
func (r Rule) Enabled() bool { return r.s3.Status == enabled }

// String returns what the rule does, such as "14d, noncurrent 30d".
func (r Rule) String() string { return summary(r.s3) }

func wrap(rules []s3Rule) []Rule {
	wrapped := make([]Rule, len(rules))
	for i, r := range rules {
		wrapped[i] = Rule{r}
	}
	return wrapped
}

func unwrap(rules []Rule) []s3Rule {
	unwrapped := make([]s3Rule, len(rules))
	for i, r := range rules {
		unwrapped[i] = r.s3
	}
	return unwrapped
}

// A Configuration is a bucket's whole lifecycle configuration, seen by one of
// its series or trees.
type Configuration struct {
	scope scope
	rules []s3Rule
	// minimumSize is bucket.Rules.MinimumSize.
	minimumSize string
	// lost is what the store sent and s3Rule does not have, so that writing the
	// rules would lose it.
	lost []string
}

// Read returns the lifecycle configuration of the set's bucket. None is no
// error; a store, or a directory, that can have none is bucket.ErrNoLifecycle.
// It needs the right s3:GetLifecycleConfiguration. Other errors are those of
// package bucket.
func (s Set) Read(ctx context.Context) (Configuration, error) {
	ruled, err := ruledBy(s.bucket)
	if err != nil {
		return Configuration{}, err
	}
	return read(ctx, ruled, s.scope)
}

// ruledBy returns the bucket as one that has lifecycle rules.
func ruledBy(b bucket.Bucket) (bucket.Ruled, error) {
	if ruled, ok := bucket.As[bucket.Ruled](b); ok {
		return ruled, nil
	}
	return nil, fmt.Errorf("%s: %w", b.URL(), bucket.ErrNoLifecycle)
}

func read(ctx context.Context, b bucket.Ruled, s scope) (Configuration, error) {
	c := Configuration{scope: s}
	has, err := b.Rules(ctx)
	if err != nil || has.Document == nil {
		return c, err
	}
	c.minimumSize = has.MinimumSize
	c.rules, c.lost, err = fromXML(has.Document)
	return c, err
}

// Rules returns the rules of the series or tree.
func (c Configuration) Rules() []Rule {
	mine, _ := split(c.rules, c.scope)
	return wrap(mine)
}

// Missing returns ErrNoRules if the set, which the configuration was read for, has no rule
// in it.
func (c Configuration) Missing(s Set) error {
	if len(c.Rules()) > 0 {
		return nil
	}
	return s.noneOf(c.rules)
}

// Around returns the rules of the trees in which the series or tree lies. They take its
// snapshots, too.
func (c Configuration) Around() []Rule {
	var trees []s3Rule
	for _, rule := range c.rules {
		if around(rule, c.scope) {
			trees = append(trees, rule)
		}
	}
	return wrap(trees)
}

// Others returns all other rules of the bucket.
func (c Configuration) Others() []Rule {
	_, others := split(c.rules, c.scope)
	return wrap(slices.DeleteFunc(others, func(rule s3Rule) bool { return around(rule, c.scope) }))
}

// Frozen reports whether there are rules of the series or tree, or of one around it, and
// all of them are disabled.
func (c Configuration) Frozen() bool {
	return allDisabled(unwrap(slices.Concat(c.Rules(), c.Around())))
}

// Policy returns the policy of the rules of the series or tree, and of those around it. A
// class that none of them matches is kept forever.
func (c Configuration) Policy() lifecycle.Policy { return policyOf(c.rules, c.scope) }

// Warnings returns what in the bucket's rules endangers the series or tree: other rules,
// and its own with a changed filter, that take snapshots which it keeps; and series whose
// prefixes lie inside one another.
func (c Configuration) Warnings() []string { return dangers(c.rules, c.scope) }
