package lifecycle

import (
	"context"
	"fmt"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

// A Rule is one lifecycle rule of a bucket, of a series or of another tool.
type Rule struct{ s3 s3Rule }

// ID returns the rule's name, "" if it has none. Those of a series are
// lifeboat/PREFIX/CLASS, with the SHA-256 of a prefix that is too long for it.
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
// its series.
type Configuration struct {
	prefix string
	rules  []s3Rule
	// minimumSize is bucket.Rules.MinimumSize.
	minimumSize string
	// lost is what the store sent and s3Rule does not have, so that writing the
	// rules would lose it.
	lost []string
}

// Read returns the lifecycle configuration of a series' bucket. None is no
// error; a store, or a directory, that can have none is bucket.ErrNoLifecycle.
// It needs the right s3:GetLifecycleConfiguration. Other errors are those of
// package bucket.
func Read(ctx context.Context, b bucket.Bucket) (Configuration, error) {
	ruled, err := ruledBy(b)
	if err != nil {
		return Configuration{}, err
	}
	return read(ctx, ruled)
}

// ruledBy returns the bucket as one that has lifecycle rules.
func ruledBy(b bucket.Bucket) (bucket.Ruled, error) {
	if ruled, ok := bucket.As[bucket.Ruled](b); ok {
		return ruled, nil
	}
	return nil, fmt.Errorf("%s: %w", b.URL(), bucket.ErrNoLifecycle)
}

func read(ctx context.Context, b bucket.Ruled) (Configuration, error) {
	c := Configuration{prefix: b.URL().Prefix}
	has, err := b.Rules(ctx)
	if err != nil || has.Document == nil {
		return c, err
	}
	c.minimumSize = has.MinimumSize
	c.rules, c.lost, err = fromXML(has.Document)
	return c, err
}

// Rules returns the rules of the series.
func (c Configuration) Rules() []Rule {
	mine, _ := split(c.rules, c.prefix)
	return wrap(mine)
}

// Others returns all rules of the bucket that are not of the series.
func (c Configuration) Others() []Rule {
	_, others := split(c.rules, c.prefix)
	return wrap(others)
}

// Frozen reports whether the series has rules and all of them are disabled.
func (c Configuration) Frozen() bool { return isFrozen(c.rules, c.prefix) }

// Policy returns the policy of the rules of the series. A class that none of them
// matches is kept forever.
func (c Configuration) Policy() Policy { return policyOf(c.rules, c.prefix) }

// Warnings returns what in the bucket's rules endangers the series: other rules,
// and the series' own with a changed filter, that take snapshots which the series
// keeps; and series whose prefixes lie inside one another.
func (c Configuration) Warnings() []string { return dangers(c.rules, c.prefix) }
