package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
	"github.com/lifeboat-sqlite/lifeboat/lifecycle"
	"github.com/lifeboat-sqlite/lifeboat/lifecycle/rules"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

// lifecycleCmd has the verbs about the bucket's own rules, and release.
type lifecycleCmd struct {
	Plan    lifecyclePlanCmd   `cmd:"" help:"Show what apply would change in the bucket's lifecycle rules."`
	Apply   lifecycleApplyCmd  `cmd:"" help:"Write the bucket's lifecycle rules for this series."`
	Show    lifecycleShowCmd   `cmd:"" help:"Show the bucket's lifecycle rules, and warn about dangerous ones."`
	Release releaseCmd         `cmd:"" help:"Release every snapshot that is due, so that the rules can take it."`
	Retire  retireCmd          `cmd:"" help:"Release all of a series whose database is gone for good."`
	Freeze  lifecycleFreezeCmd `cmd:"" help:"Disable the rules of this series: nothing expires until thaw."`
	Thaw    lifecycleThawCmd   `cmd:"" help:"Enable the rules of this series again."`
}

// treeFlag is for the verbs about rules.
type treeFlag struct {
	Tree bool `env:"-" help:"The rules are for all series below the prefix, such as s3://bucket/tenants."`
}

// set returns the rules that the flag means.
func (t treeFlag) set(b bucket.Bucket) rules.Set {
	if t.Tree {
		return rules.OfTree(b)
	}
	return rules.OfSeries(b)
}

// together returns an error for several series, of which each has rules of its own.
func (t treeFlag) together() error {
	if t.Tree {
		return usage("--tree is for a prefix, and a configuration names series: lifeboat lifecycle apply s3://BUCKET/PREFIX --tree")
	}
	return nil
}

// scope returns what the rules are for, in a word.
func (t treeFlag) scope() string {
	if t.Tree {
		return "tree"
	}
	return "series"
}

// rulesFlags are the rules that a series or a tree should have.
type rulesFlags struct {
	seriesFlags
	configFlags
	treeFlag
	policyFlags
	Noncurrent keepFlag `default:"30d" placeholder:"30d" help:"How long a versioned bucket keeps old versions."`
	JSON       bool     `name:"json" help:"Print one JSON document."`
}

type lifecyclePlanCmd struct {
	rulesFlags
	Format string `enum:",xml,json,terraform" default:"" placeholder:"xml|json|terraform" help:"Print the rules themselves, for an operator to apply."`
}

type lifecycleApplyCmd struct {
	rulesFlags
	Yes bool `env:"-" help:"Go on although existing snapshots would expire sooner."`
}

type lifecycleShowCmd struct {
	seriesFlags
	configFlags
	treeFlag
	JSON bool `name:"json" help:"Print one JSON document."`
}

type lifecycleFreezeCmd struct{ freezeFlags }

type lifecycleThawCmd struct{ freezeFlags }

// freezeFlags are those of freeze and thaw.
type freezeFlags struct {
	seriesFlags
	configFlags
	treeFlag
	JSON bool `name:"json" help:"Print one JSON document."`
}

// freezeDocument is what lifecycle freeze and thaw print with --json.
type freezeDocument struct {
	URL     string `json:"url"`
	Frozen  bool   `json:"frozen"`
	Changed int    `json:"changed"` // rules that were disabled or enabled
}

// rulesDocument is what lifecycle plan, apply and show print with --json.
type rulesDocument struct {
	URL      string             `json:"url"`
	Scope    string             `json:"scope"`             // what the rules are for: series or tree
	Rules    []ruleDocument     `json:"rules"`             // of the series or tree: plan and apply: as they should be; show: as they are
	Around   []ruleDocument     `json:"around,omitempty"`  // show: of trees in which it lies
	Foreign  []ruleDocument     `json:"foreign,omitempty"` // show: all others in the bucket
	Frozen   bool               `json:"frozen"`            // show: its rules, and those around it, are disabled
	Changes  []string           `json:"changes"`           // plan and apply: what is to be changed, or was
	Sooner   []retainedDocument `json:"sooner"`            // plan and apply: snapshots of a series that expire sooner by the changes
	Below    int                `json:"below,omitempty"`   // plan and apply: folders with series in a tree
	Shorter  []string           `json:"shorter,omitempty"` // plan and apply: classes that a tree with series keeps for less time by the changes
	Warnings []string           `json:"warnings"`
	Applied  bool               `json:"applied"` // apply: the changes were written
}

// ruleDocument is one lifecycle rule.
type ruleDocument struct {
	ID      string `json:"id"`
	Does    string `json:"does"`
	Enabled bool   `json:"enabled"`
}

func describeRules(rules []rules.Rule) []ruleDocument {
	described := []ruleDocument{}
	for _, r := range rules {
		described = append(described, ruleDocument{ID: r.ID(), Does: r.String(), Enabled: r.Enabled()})
	}
	return described
}

// waits logs why a command is not done yet.
func (c *console) waits(what string) {
	c.log.Info("writing "+what+", then reading them again in case another command writes at the same time", "for", settle)
}

// openRuled returns the bucket of a series that has lifecycle rules.
func (s seriesFlags) openRuled(ctx context.Context, c *console) (bucket.Bucket, error) {
	b, err := s.open(ctx, c, upload.Options{})
	if err != nil {
		return nil, err
	}
	if _, ok := bucket.As[bucket.Ruled](b); !ok {
		return nil, s.noRules()
	}
	return b, nil
}

func (s seriesFlags) noRules() error {
	return &hinted{usage("%s is a directory, which has no lifecycle rules", s.URL), "lifeboat prune " + terminal.Quote(s.URL.String()) + " carries out retention there"}
}

// propose returns what the flags would change.
func (r *rulesFlags) propose(ctx context.Context, b bucket.Bucket) (*rules.Proposal, rulesDocument, error) {
	p, err := r.set(b).Propose(ctx, lifecycle.Options{Terms: r.terms(), Settle: settle}, r.Noncurrent.Keep)
	if err != nil {
		return nil, rulesDocument{}, err
	}
	d := rulesDocument{
		URL: r.URL.String(), Scope: r.scope(), Rules: describeRules(p.Rules), Changes: append([]string{}, p.Changes...),
		Sooner: describeDecisions(p.Sooner), Below: p.Below, Shorter: p.Shorter, Warnings: append([]string{}, p.Warnings...),
	}
	return p, d, nil
}

// Run implements the command.
func (l *lifecyclePlanCmd) Run(ctx context.Context, c *console) error {
	if l.Format != "" {
		if l.JSON {
			return usage("--json and --format exclude each other: --format json prints the rules")
		}
		if l.URL.Dir != "" {
			return l.noRules()
		}
		// The rules themselves depend on nothing that the bucket holds.
		rulesFor := rules.ForSeries
		if l.Tree {
			rulesFor = rules.ForTree
		}
		text, err := rules.Render(rulesFor(l.URL.Prefix, l.policy(), l.Noncurrent.Keep), l.Format)
		if err != nil {
			return err
		}
		return c.print(strings.TrimRight(text, "\n") + "\n") // for other tools
	}
	b, err := l.openRuled(ctx, c)
	if err != nil {
		return err
	}
	_, d, err := l.propose(ctx, b)
	if err != nil {
		return err
	}
	return c.result(l.JSON, d, d.text("would change", c.page()))
}

// Run implements the command.
func (l *lifecycleApplyCmd) Run(ctx context.Context, c *console) error {
	b, err := l.openRuled(ctx, c)
	if err != nil {
		return err
	}
	p, d, err := l.propose(ctx, b)
	if err != nil {
		return err
	}
	if refused := l.refusal(d); refused != nil {
		return errors.Join(c.result(l.JSON, d, d.text("would change", c.page())), refused)
	}
	if len(d.Changes) > 0 {
		c.waits("the rules")
	}
	notes, err := p.Apply(ctx)
	if err != nil {
		return withRules(err)
	}
	d.Applied, d.Warnings = len(d.Changes) > 0, append(d.Warnings, notes...)
	return c.result(l.JSON, d, d.text("changed", c.page()))
}

// refusal returns why the changes need consent that is not given, nil if they need none.
func (l *lifecycleApplyCmd) refusal(d rulesDocument) error {
	if sooner := d.sooner(); len(d.Changes) > 0 && sooner != "" && !l.Yes {
		return &hinted{usage("%s; nothing was written", sooner), "look at the list above, then add --yes"}
	}
	return nil
}

// withRules adds to the error of rules that could not be written a hint with the
// rules themselves, for an operator to put in by hand. It returns other errors
// unchanged.
func withRules(err error) error {
	var lost *rules.LostError
	if !errors.As(err, &lost) {
		return err
	}
	text, failed := rules.Render(lost.Rules, "xml")
	if failed != nil {
		return errors.Join(err, failed)
	}
	return &hinted{err, "put in these rules by hand, or see lifeboat lifecycle plan --format json|terraform:\n" + text}
}

// Run implements the command.
func (l *lifecycleShowCmd) Run(ctx context.Context, c *console) error {
	b, err := l.openRuled(ctx, c)
	if err != nil {
		return err
	}
	has, err := l.set(b).Read(ctx)
	if err != nil {
		return err
	}
	d := rulesDocument{
		URL: l.URL.String(), Scope: l.scope(), Rules: describeRules(has.Rules()), Around: describeRules(has.Around()), Foreign: describeRules(has.Others()),
		Frozen: has.Frozen(), Changes: []string{}, Sooner: []retainedDocument{},
		Warnings: append([]string{}, has.Warnings()...),
	}
	if len(d.Rules)+len(d.Around) == 0 {
		d.Warnings = append(d.Warnings, fmt.Sprintf("the bucket has no rules for this %s, so nothing expires: see lifeboat lifecycle apply", d.Scope))
	}
	return c.result(l.JSON, d, d.text("", c.page()))
}

// Run implements the command.
func (l *lifecycleFreezeCmd) Run(ctx context.Context, c *console) error {
	return l.setAll(ctx, c, rules.Set.Freeze, l.text)
}

// text returns what to print of the rules that were disabled.
func (l *lifecycleFreezeCmd) text(changed int) string {
	until := "nothing of this " + l.scope() + " expires until lifeboat lifecycle thaw\n"
	if changed == 0 {
		return "already frozen: " + until
	}
	return fmt.Sprintf("frozen: %d rules disabled, %s", changed, until)
}

// Run implements the command.
func (l *lifecycleThawCmd) Run(ctx context.Context, c *console) error {
	return l.setAll(ctx, c, rules.Set.Thaw, l.text)
}

// text returns what to print of the rules that were enabled.
func (l *lifecycleThawCmd) text(changed int) string {
	if changed == 0 {
		return "not frozen: nothing to thaw\n"
	}
	return fmt.Sprintf("thawed: %d rules enabled\n", changed)
}

// setAll enables or disables the rules of the series or tree. text returns what to print by
// how many that changed.
func (s freezeFlags) setAll(ctx context.Context, c *console, set func(rules.Set, context.Context, lifecycle.Options) (int, error), text func(changed int) string) error {
	b, err := s.openRuled(ctx, c)
	if err != nil {
		return err
	}
	c.waits("the rules")
	n, err := set(s.set(b), ctx, lifecycle.Options{Settle: settle})
	if err != nil {
		return withRules(err)
	}
	has, err := s.set(b).Read(ctx)
	if err != nil {
		return err
	}
	for _, warning := range has.Warnings() {
		c.log.Warn(warning)
	}
	return c.result(s.JSON, freezeDocument{s.URL.String(), has.Frozen(), n}, c.unlessQuiet(text(n)))
}

// sooner returns in words that something expires sooner by the changes, or "".
func (d rulesDocument) sooner() string {
	switch {
	case len(d.Sooner) > 0:
		return fmt.Sprintf("existing snapshots would expire sooner (%d)", len(d.Sooner))
	case len(d.Shorter) > 0:
		return "the series of this tree would keep some classes for less time"
	}
	return ""
}
