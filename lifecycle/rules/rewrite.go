package rules

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/pause"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// rewrites is how often lost rules are written. Each repetition waits for another
// random time, so that two commands do not undo each other for ever.
const rewrites = 8

// errSlow ends a write that took so long that what it was made from may no
// longer be true.
var errSlow = errors.New("too long after the read")

// A rewrite changes the rules of one or more series or trees. A bucket's lifecycle
// configuration can only be written as a whole, and no store takes a condition
// on that: of two commands that read, change and write at the same time, the
// later one undoes the earlier one, even for another series. So a rewrite
// writes soon after it reads, looks again when every other command that had
// read before its write has written too, and repeats what is gone by then.
type rewrite struct {
	bucket bucket.Ruled
	scopes scopes
	settle time.Duration // see series.SettleTime
	// edit returns what the bucket should have, and in how many rules that
	// differs from what it has.
	edit func(has []s3Rule) ([]s3Rule, int, error)

	// before and written are the rules of the series around the last write.
	before, written []s3Rule
	// meanwhile are the IDs of rules of other series that changed around it.
	meanwhile []string
}

// run returns what the bucket has in the end, and how many rules differed at
// first. Where the rules are right already, it only reads and waits.
func (r *rewrite) run(ctx context.Context) (after Configuration, changed int, err error) {
	if r.settle, err = series.SettleTime(r.settle); err != nil {
		return Configuration{}, 0, err
	}
	window := r.settle
	for attempt := range rewrites + 1 {
		began := time.Now()
		has, err := read(ctx, r.bucket, r.scopes[0])
		if err != nil {
			return has, 0, r.unsure(err)
		}
		rules, differ, err := r.edit(has.rules)
		if err == nil && r.written != nil && differ > 0 {
			err = r.contested(has)
		}
		if err != nil {
			return has, 0, err
		}
		switch {
		case attempt == 0:
			changed = differ
		case differ == 0:
			return has, changed, nil
		}
		if attempt == rewrites {
			break
		}
		if differ > 0 {
			err = r.write(ctx, has, rules, began.Add(window))
			if errors.Is(err, errSlow) {
				window *= 2 // better a small risk than no rules on a slow store
			} else if err != nil {
				return has, 0, err
			}
		}
		if err := r.wait(ctx); err != nil {
			return has, 0, r.unsure(err)
		}
	}
	return Configuration{}, 0, fmt.Errorf("%s: %w: written %d times, and each time undone%s", r.bucket.URL(), ErrChangedMeanwhile, rewrites, r.by())
}

// write replaces the bucket's rules, and reads them back at once to see what the
// store has kept.
func (r *rewrite) write(ctx context.Context, before Configuration, rules []s3Rule, until time.Time) error {
	mine, others := r.scopes.split(rules)
	if len(before.lost) > 0 {
		return &LostError{Lost: before.lost, Rules: wrap(mine)}
	}
	if err := tooMany(rules); err != nil {
		return err
	}
	r.written = mine
	r.before, _ = r.scopes.split(before.rules)
	if err := r.put(ctx, before, rules, until); err != nil {
		return err
	}
	after, err := read(ctx, r.bucket, r.scopes[0])
	if err != nil {
		return r.unsure(err)
	}
	_, have := r.scopes.split(after.rules)
	r.meanwhile = differing(others, have)
	if wrong := notKept(after, before, others); wrong != "" {
		return r.wrong(wrong)
	}
	if has, _ := r.scopes.split(after.rules); !sameMine(has, mine) {
		return r.contested(after)
	}
	return nil
}

// notKept returns what a bucket has not kept of what was written beside the rules of
// the series, or "". The rules of other series are left to their own commands.
func notKept(after, before Configuration, others []s3Rule) string {
	foreign := func(rules []s3Rule) []s3Rule {
		return slices.DeleteFunc(slices.Clone(rules), isLifeboats)
	}
	switch {
	case !sameRules(foreign(after.rules), foreign(others)):
		return "other rules in the bucket are not what they were"
	case after.minimumSize != before.minimumSize && before.minimumSize != "":
		return "the minimum size for transitions is not what it was"
	}
	return ""
}

// put sends the rules, and gives up when until has come.
func (r *rewrite) put(ctx context.Context, before Configuration, rules []s3Rule, until time.Time) error {
	sending, cancel := context.WithDeadlineCause(ctx, until, errSlow)
	defer cancel()
	document, err := toXML(rules)
	if err != nil {
		return err
	}
	return r.bucket.PutRules(sending, bucket.Rules{Document: document, MinimumSize: before.minimumSize})
}

// contested returns an error for rules that another command has written for the same
// series on purpose: to write over them would only be a fight. It returns nil where
// the rules are as they were before the write, which is then only undone.
func (r *rewrite) contested(has Configuration) error {
	mine, _ := r.scopes.split(has.rules)
	if sameMine(mine, r.before) || sameMine(mine, r.written) {
		return nil
	}
	return r.wrong("the rules of this series are neither those that were written nor those from before: " + strings.Join(differing(r.written, mine), ", "))
}

// wait waits for the time after which a write counts.
func (r *rewrite) wait(ctx context.Context) error {
	return pause.For(ctx, r.settle+rand.N(r.settle))
}

func (r *rewrite) wrong(what string) error {
	return fmt.Errorf("%s: the rules were written, but %s: %w", r.bucket.URL(), what, ErrChangedMeanwhile)
}

// unsure adds to an error after a write that there was one.
func (r *rewrite) unsure(err error) error {
	if r.written == nil {
		return err
	}
	return fmt.Errorf("the rules were written, but not checked afterwards: %w", err)
}

// by returns the names of the rules that other commands changed at the same time.
func (r *rewrite) by() string {
	if len(r.meanwhile) == 0 {
		return ""
	}
	return " by a command that changed " + strings.Join(r.meanwhile, ", ")
}

// isLifeboats reports whether a rule is one of any series.
func isLifeboats(rule s3Rule) bool {
	return strings.HasPrefix(value(rule.ID), idPrefix)
}

// sameMine reports whether a store has a series' rules as they were written.
func sameMine(have, want []s3Rule) bool {
	return slices.EqualFunc(sorted(have), sorted(want), sameOurs)
}

// differing returns the IDs of the rules that are in one set alone, or mean another
// thing in each.
func differing(a, b []s3Rule) []string {
	count := map[string]int{}
	for _, rules := range [][]s3Rule{a, b} {
		for _, rule := range rules {
			count[value(rule.ID)+"\x00"+canonical(rule)]++
		}
	}
	var ids []string
	for key, n := range count {
		if id, _, _ := strings.Cut(key, "\x00"); n%2 != 0 {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

func sorted(rules []s3Rule) []s3Rule {
	return slices.SortedFunc(slices.Values(rules), func(a, b s3Rule) int {
		return strings.Compare(value(a.ID), value(b.ID))
	})
}
