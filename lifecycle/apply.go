package lifecycle

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// A Proposal is what applying a policy to a bucket changes.
type Proposal struct {
	// Rules are those that the series should have.
	Rules []Rule
	// Changes are what Apply changes for that, a line each, such as
	// "~ lifeboat/app/daily: 14d, noncurrent 30d -> 20d, noncurrent 30d". There
	// are none where the bucket has these rules.
	Changes []string
	// Warnings are what in the bucket's other rules and settings endangers the
	// series, and what the store cannot do.
	Warnings []string
	// Sooner are the existing snapshots that would expire sooner than under
	// the bucket's present rules. Frozen rules count as thawed.
	Sooner []Decision

	before Configuration
	settle time.Duration
}

// Propose returns what applying a policy would change, and writes nothing.
// t.Policy must be valid under t.Hold; noncurrent is as in Rules. Propose needs
// the rights to read the lifecycle configuration and the versioning setting of the
// bucket, to list, and to read tags. A bucket that cannot have rules is
// bucket.ErrNoLifecycle; other errors are those of package bucket.
func Propose(ctx context.Context, b bucket.Bucket, t Terms, noncurrent Keep) (*Proposal, error) {
	if err := t.Policy.Validate(t.hold()); err != nil {
		return nil, err
	}
	if noncurrent < None || noncurrent > maxDays {
		return nil, fmt.Errorf("%d days for noncurrent versions is not possible: want 1d to %dd, or none", int(noncurrent), maxDays)
	}
	ruled, err := ruledBy(b)
	if err != nil {
		return nil, err
	}
	before, err := read(ctx, ruled)
	if err != nil {
		return nil, err
	}
	prefix := b.URL().Prefix
	want := rulesFor(prefix, t.Policy, noncurrent)
	p := &Proposal{before: before, settle: t.Settle, Rules: wrap(want)}
	_, changes := merge(before.rules, prefix, want)
	for _, c := range changes {
		p.Changes = append(p.Changes, c.String())
	}
	p.Warnings = dangers(before.rules, prefix)
	present := before.rules
	if isFrozen(before.rules, prefix) {
		present, _ = switched(before.rules, prefix, enabled)
		p.Warnings = append(p.Warnings, "the rules are frozen and stay frozen: nothing expires until lifecycle thaw")
	}
	more, err := bucketWarnings(ctx, ruled)
	if err != nil {
		return nil, err
	}
	p.Warnings = append(p.Warnings, more...)
	items, err := Load(ctx, b, time.Time{})
	if err != nil {
		return nil, err
	}
	p.Sooner = sooner(items, policyOf(present, prefix), t, series.Present(b))
	return p, nil
}

// bucketWarnings returns warnings about the bucket itself: series under the
// prefix, and missing versioning.
func bucketWarnings(ctx context.Context, b bucket.Ruled) ([]string, error) {
	var warnings []string
	for below, err := range b.Folders(ctx) {
		if err != nil {
			return nil, err
		}
		warnings = append(warnings, fmt.Sprintf("there are objects under %q: the rules of this series take snapshots there too", below))
	}
	versioned, ok := bucket.As[bucket.Versioned](b)
	if ok {
		var err error
		if ok, err = versioned.KeepsVersions(ctx); err != nil {
			return nil, err
		}
	}
	if !ok {
		warnings = append(warnings, "the bucket is not versioned: what is overwritten or deleted is lost, and there are no noncurrent versions to keep")
	}
	return warnings, nil
}

// sooner returns the snapshots that expire sooner under t than under the policy
// before, as far as their classes are known now.
func sooner(items []Item, before Policy, t Terms, now time.Time) []Decision {
	t.IgnoreShrink = true
	old := t
	old.Policy = before
	was := Decide(items, old, now)
	var sooner []Decision
	for i, d := range Decide(items, t, now) {
		if !d.Expires.IsZero() && (was[i].Expires.IsZero() || d.Expires.Before(was[i].Expires)) {
			sooner = append(sooner, d)
		}
	}
	return sooner
}

// Apply writes what was proposed, and every other rule as the bucket has it by
// then. It returns when the rules have lasted for Terms.Settle; if another command
// undoes them before, it writes them again. The notes are about what the store did
// not take.
//
// Apply writes nothing if there are no changes, or if the write would lose a part
// of the bucket's configuration (*LostError). If the rules of the series are no
// longer those that Propose saw, or not those that were written, the error wraps
// ErrChangedMeanwhile.
func (p *Proposal) Apply(ctx context.Context, b bucket.Bucket) ([]string, error) {
	if len(p.Changes) == 0 {
		return nil, nil
	}
	ruled, err := ruledBy(b)
	if err != nil {
		return nil, err
	}
	prefix := b.URL().Prefix
	seen, _ := split(p.before.rules, prefix)
	r := rewrite{bucket: ruled, settle: p.settle}
	r.edit = func(has []s3Rule) ([]s3Rule, int, error) {
		if mine, _ := split(has, prefix); r.written == nil && !sameRules(mine, seen) {
			return nil, 0, fmt.Errorf("apply to %s: %w; nothing was written", b.URL(), ErrChangedMeanwhile)
		}
		merged, changes := merge(has, prefix, unwrap(p.Rules))
		return merged, len(changes), nil
	}
	after, _, err := r.run(ctx)
	if err != nil {
		return nil, err
	}
	for _, rule := range after.rules {
		if ours(rule, prefix) == tidy && rule.AbortIncompleteMultipartUpload == nil {
			return []string{"the store does not end unfinished uploads by rule: set it up to end them by itself"}, nil
		}
	}
	return nil, nil
}

// Freeze disables the rules of the series, so that nothing expires until Thaw. It
// returns when they have stayed disabled for settle (0 for DefaultSettle), and how
// many it disabled: 0 if all were disabled before. A series without rules is
// ErrNoRules, a bucket that cannot have rules bucket.ErrNoLifecycle, a
// configuration of which the write would lose a part a *LostError, and rules that
// another command changes at the same time ErrChangedMeanwhile.
func Freeze(ctx context.Context, b bucket.Bucket, settle time.Duration) (int, error) {
	return switchRules(ctx, b, settle, disabled)
}

// Thaw enables the rules of the series, and returns how many it enabled. In all
// else it is like Freeze.
func Thaw(ctx context.Context, b bucket.Bucket, settle time.Duration) (int, error) {
	return switchRules(ctx, b, settle, enabled)
}

func switchRules(ctx context.Context, b bucket.Bucket, settle time.Duration, to string) (int, error) {
	ruled, err := ruledBy(b)
	if err != nil {
		return 0, err
	}
	r := rewrite{bucket: ruled, settle: settle}
	r.edit = func(has []s3Rule) ([]s3Rule, int, error) {
		if mine, _ := split(has, b.URL().Prefix); len(mine) == 0 {
			if r.written != nil {
				return nil, 0, r.wrong("they are gone")
			}
			return nil, 0, fmt.Errorf("%s: %w", b.URL(), ErrNoRules)
		}
		rules, changed := switched(has, b.URL().Prefix, to)
		return rules, changed, nil
	}
	_, changed, err := r.run(ctx)
	return changed, err
}

// sameRules reports whether two sets of rules mean the same, in any order.
func sameRules(a, b []s3Rule) bool {
	texts := func(rules []s3Rule) []string {
		var all []string
		for _, r := range rules {
			all = append(all, canonical(r))
		}
		slices.Sort(all)
		return all
	}
	return slices.Equal(texts(a), texts(b))
}
