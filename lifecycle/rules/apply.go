package rules

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/lifecycle"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// A Proposal is what applying a policy to a bucket changes.
type Proposal struct {
	// Rules are those that the series or tree should have.
	Rules []Rule
	// Changes are what Apply changes for that, a line each, such as
	// "~ lifeboat/app/daily: 14d, noncurrent 30d -> 20d, noncurrent 30d". There
	// are none where the bucket has these rules.
	Changes []string
	// Warnings are what in the bucket's other rules and settings endangers the
	// series, and what the store cannot do.
	Warnings []string
	// Sooner are the existing snapshots of a series that would expire sooner than
	// under the bucket's present rules. Frozen rules count as thawed.
	Sooner []lifecycle.Decision
	// Below is how many folders with series a tree has.
	Below int
	// Shorter are the classes that a tree with series would keep for less time than
	// under the bucket's present rules, a line each, such as "daily: forever -> 14d".
	Shorter []string

	set    Set
	before Configuration
	settle time.Duration // see lifecycle.Options
}

// Propose returns what applying a policy to the set would change, and writes nothing.
// o.Policy must be valid under o.Hold; noncurrent is as in For. Propose needs
// the rights to read the lifecycle configuration and the versioning setting of the
// bucket, to list, and to read tags. A bucket that cannot have rules is
// bucket.ErrNoLifecycle; other errors are those of package bucket.
func (s Set) Propose(ctx context.Context, o lifecycle.Options, noncurrent lifecycle.Keep) (*Proposal, error) {
	if err := o.Terms.Validate(); err != nil {
		return nil, err
	}
	if noncurrent < lifecycle.None || noncurrent > lifecycle.MaxDays {
		return nil, fmt.Errorf("%d days for noncurrent versions is not possible: want 1d to %dd, or none", int(noncurrent), lifecycle.MaxDays)
	}
	ruled, err := ruledBy(s.bucket)
	if err != nil {
		return nil, err
	}
	before, err := read(ctx, ruled, s.scope)
	if err != nil {
		return nil, err
	}
	want := rulesFor(s.scope, o.Policy, noncurrent)
	p := &Proposal{set: s, before: before, settle: o.Settle, Rules: wrap(want)}
	after, changes := merge(before.rules, s.scope, want)
	for _, c := range changes {
		p.Changes = append(p.Changes, c.String())
	}
	p.Warnings = dangers(after, s.scope)
	present := before.rules
	if isFrozen(before.rules, s.scope) {
		present, _ = switched(before.rules, s.scope, enabled)
		p.Warnings = append(p.Warnings, "the rules are frozen and stay frozen: nothing expires until lifecycle thaw")
	}
	unversioned, err := versioningWarning(ctx, ruled)
	if err != nil {
		return nil, err
	}
	p.Warnings = append(p.Warnings, unversioned...)
	was := policyOf(present, s.scope)
	if s.scope.isTree() {
		return p, p.compareTree(ctx, ruled, was, o.Policy)
	}
	return p, p.compareSeries(ctx, ruled, was, o.Terms)
}

// compareSeries finds what changes for the snapshots of a series, and warns of other
// series under its prefix.
func (p *Proposal) compareSeries(ctx context.Context, b bucket.Ruled, was lifecycle.Policy, t lifecycle.Terms) error {
	for below, err := range b.Folders(ctx) {
		if err != nil {
			return err
		}
		p.Warnings = append(p.Warnings, fmt.Sprintf("there are objects under %q: the rules of this series take snapshots there too", p.set.scope.keys()+below+"/"))
	}
	items, err := lifecycle.Load(ctx, b, time.Time{})
	if err != nil {
		return err
	}
	p.Sooner = sooner(items, was, t, series.Present(b))
	return nil
}

// compareTree counts the series of a tree, and finds the classes that they would keep for
// less time. To read the tags of all their snapshots would take too long.
func (p *Proposal) compareTree(ctx context.Context, b bucket.Ruled, was, policy lifecycle.Policy) error {
	for _, err := range b.Folders(ctx) {
		if err != nil {
			return err
		}
		p.Below++
	}
	if p.Below == 0 {
		return nil
	}
	for _, class := range lifecycle.Classes() {
		old, keep := was.Keep(class), policy.Keep(class)
		if keep != lifecycle.Forever && (old == lifecycle.Forever || keep < old) {
			p.Shorter = append(p.Shorter, fmt.Sprintf("%s: %v -> %v", class, old, keep))
		}
	}
	return nil
}

// versioningWarning returns a warning where the bucket is not versioned.
func versioningWarning(ctx context.Context, b bucket.Ruled) ([]string, error) {
	versioned, ok := bucket.As[bucket.Versioned](b)
	if ok {
		var err error
		if ok, err = versioned.KeepsVersions(ctx); err != nil {
			return nil, err
		}
	}
	if ok {
		return nil, nil
	}
	return []string{"the bucket is not versioned: what is overwritten or deleted is lost, and there are no noncurrent versions to keep"}, nil
}

// sooner returns the snapshots that expire sooner under t than under the policy
// before, as far as their classes are known now.
func sooner(items []lifecycle.Item, before lifecycle.Policy, t lifecycle.Terms, now time.Time) []lifecycle.Decision {
	t.IgnoreShrink = true
	old := t
	old.Policy = before
	was := lifecycle.Decide(items, old, now)
	var sooner []lifecycle.Decision
	for i, d := range lifecycle.Decide(items, t, now) {
		if !d.Expires.IsZero() && (was[i].Expires.IsZero() || d.Expires.Before(was[i].Expires)) {
			sooner = append(sooner, d)
		}
	}
	return sooner
}

// Apply writes what was proposed, and every other rule as the bucket has it by
// then. It returns when the rules have lasted for Options.Settle; if another command
// undoes them before, it writes them again. The notes are about what the store did
// not take.
//
// Apply writes nothing if there are no changes, or if the write would lose a part
// of the bucket's configuration (*LostError). If the rules of the series are no
// longer those that Propose saw, or not those that were written, the error wraps
// ErrChangedMeanwhile.
func (p *Proposal) Apply(ctx context.Context) ([]string, error) {
	return ApplyAll(ctx, []*Proposal{p})
}

// ApplyAll is Apply for several proposals, each of another series or tree of the same
// bucket: what they change is written at once. It writes all of it or nothing.
func ApplyAll(ctx context.Context, all []*Proposal) ([]string, error) {
	all = slices.DeleteFunc(slices.Clone(all), func(p *Proposal) bool { return len(p.Changes) == 0 })
	if len(all) == 0 {
		return nil, nil
	}
	ruled, err := ruledBy(all[0].set.bucket)
	if err != nil {
		return nil, err
	}
	r := rewrite{bucket: ruled, settle: all[0].settle}
	for _, p := range all {
		if other := p.set.bucket.URL(); other.Bucket != ruled.URL().Bucket {
			return nil, fmt.Errorf("apply rules to %s and %s at once: these are two buckets", ruled.URL(), other)
		}
		r.scopes = append(r.scopes, p.set.scope)
	}
	r.edit = func(has []s3Rule) (merged []s3Rule, differ int, err error) {
		merged = has
		for _, p := range all {
			seen, _ := split(p.before.rules, p.set.scope)
			if mine, _ := split(has, p.set.scope); r.written == nil && !sameRules(mine, seen) {
				return nil, 0, fmt.Errorf("apply to %s: %w; nothing was written", p.set.bucket.URL(), ErrChangedMeanwhile)
			}
			var changes []change
			merged, changes = merge(merged, p.set.scope, unwrap(p.Rules))
			differ += len(changes)
		}
		return merged, differ, nil
	}
	after, _, err := r.run(ctx)
	if err != nil {
		return nil, err
	}
	mine, _ := r.scopes.split(after.rules)
	for _, rule := range mine {
		if strings.HasSuffix(value(rule.ID), "/"+tidy) && rule.AbortIncompleteMultipartUpload == nil {
			return []string{"the store does not end unfinished uploads by rule: set it up to end them by itself"}, nil
		}
	}
	return nil, nil
}

// Freeze disables the rules of the series, so that nothing expires until Thaw. It
// returns when they have stayed disabled for o.Settle, and how many it disabled: 0 if
// all were disabled before. A series without rules is
// ErrNoRules, a bucket that cannot have rules bucket.ErrNoLifecycle, a
// configuration of which the write would lose a part a *LostError, and rules that
// another command changes at the same time ErrChangedMeanwhile.
func (s Set) Freeze(ctx context.Context, o lifecycle.Options) (int, error) {
	return FreezeAll(ctx, []Set{s}, o)
}

// Thaw enables the rules of the series, and returns how many it enabled. In all
// else it is like Freeze.
func (s Set) Thaw(ctx context.Context, o lifecycle.Options) (int, error) {
	return ThawAll(ctx, []Set{s}, o)
}

// FreezeAll is Freeze for several series or trees of one bucket, in one write. If one of
// them has no rules, it changes nothing.
func FreezeAll(ctx context.Context, sets []Set, o lifecycle.Options) (int, error) {
	return switchRules(ctx, sets, o.Settle, disabled)
}

// ThawAll is Thaw for several series or trees of one bucket, in one write. If one of them
// has no rules, it changes nothing.
func ThawAll(ctx context.Context, sets []Set, o lifecycle.Options) (int, error) {
	return switchRules(ctx, sets, o.Settle, enabled)
}

func switchRules(ctx context.Context, sets []Set, settle time.Duration, to string) (int, error) {
	ruled, err := ruledBy(sets[0].bucket)
	if err != nil {
		return 0, err
	}
	r := rewrite{bucket: ruled, settle: settle}
	for _, s := range sets {
		r.scopes = append(r.scopes, s.scope)
	}
	r.edit = func(rules []s3Rule) ([]s3Rule, int, error) {
		differ := 0
		for _, s := range sets {
			if mine, _ := split(rules, s.scope); len(mine) == 0 {
				if r.written != nil {
					return nil, 0, r.wrong("they are gone")
				}
				return nil, 0, s.noneOf(rules)
			}
			var changed int
			rules, changed = switched(rules, s.scope, to)
			differ += changed
		}
		return rules, differ, nil
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
