package main

import (
	"context"
	"errors"

	"github.com/lifeboat-sqlite/lifeboat/lifecycle"
	"github.com/lifeboat-sqlite/lifeboat/lifecycle/rules"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

// A bucket's rules can only be written as a whole, so the rules of several series in one
// bucket are written together: first each series is looked at, then each bucket is
// written once.

// A rulesPart is what a command does to the rules of one series.
type rulesPart struct {
	set      rules.Set
	proposal *rules.Proposal
	document rulesDocument
	changed  int // rules that were switched
	err      error
}

// prepared are the parts of a command's databases, with the places of those that are to be
// written, by their buckets.
type prepared struct {
	parts    []rulesPart
	byBucket map[string][]int
}

// prepare looks at the series of every task.
func (s *schedule) prepare(ctx context.Context, c *console, look func(t *task, b bucket.Bucket) (rulesPart, error)) (prepared, error) {
	p := prepared{make([]rulesPart, len(s.tasks)), map[string][]int{}}
	err := s.each(c, func(c *console, i int, t *task) error {
		p.parts[i].err = t.Err
		if t.Err != nil || ctx.Err() != nil {
			return ctx.Err()
		}
		b, err := seriesFlags{bucketURL{t.URL}, duration(t.other.patience())}.openRuled(ctx, c)
		if err == nil {
			p.parts[i], err = look(t, b)
		}
		p.parts[i].err = err
		return nil
	})
	for i, part := range p.parts {
		if part.err == nil && err == nil {
			name := s.tasks[i].URL.Bucket
			p.byBucket[name] = append(p.byBucket[name], i)
		}
	}
	return p, err
}

// write calls do for every bucket, with the places of its parts. Its error is that of all
// of them.
func (p *prepared) write(do func(of []int) error) {
	for _, of := range p.byBucket {
		if err := do(of); err != nil {
			for _, i := range of {
				p.parts[i].err = err
			}
		}
	}
}

// runAll writes the rules of all series of a bucket at once.
func (l *lifecycleApplyCmd) runAll(ctx context.Context, c *console, s *schedule) error {
	p, err := s.prepare(ctx, c, func(t *task, b bucket.Bucket) (part rulesPart, err error) {
		own := t.other.(*lifecycleApplyCmd)
		if err := own.take(t.Database); err != nil {
			return part, err
		}
		part.proposal, part.document, err = own.propose(ctx, b)
		if err == nil {
			err = own.refusal(part.document)
		}
		return part, err
	})
	if err != nil {
		return err
	}
	c.waits("the rules")
	p.write(func(of []int) error {
		var proposals []*rules.Proposal
		for _, i := range of {
			proposals = append(proposals, p.parts[i].proposal)
		}
		notes, err := rules.ApplyAll(ctx, proposals)
		for _, i := range of {
			d := &p.parts[i].document
			d.Applied, d.Warnings = err == nil && len(d.Changes) > 0, append(d.Warnings, notes...)
		}
		return withRules(err)
	})
	j := l.newJoint(ctx, c, s, "done")
	printing := j.run(func(c *console, i int, _ *task) error {
		part := p.parts[i]
		switch {
		case part.proposal == nil:
			return part.err
		case part.err != nil:
			return errors.Join(c.result(l.JSON, part.document, part.document.text("would change", c.page())), part.err)
		}
		return c.result(l.JSON, part.document, part.document.text("changed", c.page()))
	})
	return errors.Join(j.end(), printing)
}

// runAll disables the rules of all series of a bucket at once.
func (l *lifecycleFreezeCmd) runAll(ctx context.Context, c *console, s *schedule) error {
	return l.switchAll(ctx, c, s, rules.FreezeAll, rules.Rule.Enabled, l.text)
}

// runAll enables the rules of all series of a bucket at once.
func (l *lifecycleThawCmd) runAll(ctx context.Context, c *console, s *schedule) error {
	return l.switchAll(ctx, c, s, rules.ThawAll, func(r rules.Rule) bool { return !r.Enabled() }, l.text)
}

// switchAll enables or disables the rules that are to be switched. text returns what to
// print of a series by how many these were.
func (f *freezeFlags) switchAll(ctx context.Context, c *console, s *schedule, set func(context.Context, []rules.Set, lifecycle.Options) (int, error), isToBe func(rules.Rule) bool, text func(changed int) string) error {
	p, err := s.prepare(ctx, c, func(_ *task, b bucket.Bucket) (part rulesPart, err error) {
		part.set = rules.OfSeries(b)
		has, err := part.set.Read(ctx)
		if err == nil {
			err = has.Missing(part.set)
		}
		for _, rule := range has.Rules() {
			if isToBe(rule) {
				part.changed++
			}
		}
		return part, err
	})
	if err != nil {
		return err
	}
	c.waits("the rules")
	p.write(func(of []int) error {
		var sets []rules.Set
		for _, i := range of {
			sets = append(sets, p.parts[i].set)
		}
		_, err := set(ctx, sets, lifecycle.Options{Settle: settle})
		return withRules(err)
	})
	j := f.newJoint(ctx, c, s, "done")
	printing := j.run(func(c *console, i int, t *task) error {
		part := p.parts[i]
		if part.err != nil {
			return part.err
		}
		has, err := part.set.Read(ctx)
		if err != nil {
			return err
		}
		for _, warning := range has.Warnings() {
			c.log.Warn(warning)
		}
		return c.result(f.JSON, freezeDocument{t.BucketURL(), has.Frozen(), part.changed}, c.unlessQuiet(text(part.changed)))
	})
	return errors.Join(j.end(), printing)
}
