package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
	"github.com/lifeboat-sqlite/lifeboat/lifecycle"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

// lifecycleCmd has the verbs about the bucket's own rules, and release.
type lifecycleCmd struct {
	Plan    lifecyclePlanCmd   `cmd:"" help:"Show what apply would change in the bucket's lifecycle rules."`
	Apply   lifecycleApplyCmd  `cmd:"" help:"Write the bucket's lifecycle rules for this series."`
	Show    lifecycleShowCmd   `cmd:"" help:"Show the bucket's lifecycle rules, and warn about dangerous ones."`
	Release releaseCmd         `cmd:"" help:"Release every snapshot that is due, so that the rules can take it."`
	Freeze  lifecycleFreezeCmd `cmd:"" help:"Disable the rules of this series: nothing expires until thaw."`
	Thaw    lifecycleThawCmd   `cmd:"" help:"Enable the rules of this series again."`
}

// rulesFlags are the rules that a series should have.
type rulesFlags struct {
	seriesFlags
	policyFlags
	Noncurrent keep `default:"30d" placeholder:"30d" help:"How long to keep overwritten and deleted versions, on a versioned bucket."`
	JSON       bool `name:"json" help:"Print one JSON document."`
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
	JSON bool `name:"json" help:"Print one JSON document."`
}

type lifecycleFreezeCmd struct{ freezeFlags }

type lifecycleThawCmd struct{ freezeFlags }

// freezeFlags are those of freeze and thaw.
type freezeFlags struct {
	seriesFlags
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
	Rules    []ruleDocument     `json:"rules"`             // of the series: plan and apply: as they should be; show: as they are
	Foreign  []ruleDocument     `json:"foreign,omitempty"` // show: all others in the bucket
	Frozen   bool               `json:"frozen"`            // show: the rules of the series are disabled
	Changes  []string           `json:"changes"`           // plan and apply: what is to be changed, or was
	Sooner   []retainedDocument `json:"sooner"`            // plan and apply: snapshots that expire sooner by the changes
	Warnings []string           `json:"warnings"`
	Applied  bool               `json:"applied"` // apply: the changes were written
}

// ruleDocument is one lifecycle rule.
type ruleDocument struct {
	ID      string `json:"id"`
	Does    string `json:"does"`
	Enabled bool   `json:"enabled"`
}

func describeRules(rules []lifecycle.Rule) []ruleDocument {
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
func (r *rulesFlags) propose(ctx context.Context, b bucket.Bucket) (*lifecycle.Proposal, rulesDocument, error) {
	p, err := lifecycle.Propose(ctx, b, r.terms(), r.Noncurrent.Keep)
	if err != nil {
		return nil, rulesDocument{}, err
	}
	d := rulesDocument{
		URL: r.URL.String(), Rules: describeRules(p.Rules), Changes: append([]string{}, p.Changes...),
		Sooner: describeDecisions(p.Sooner), Warnings: append([]string{}, p.Warnings...),
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
		text, err := lifecycle.Render(lifecycle.Rules(l.URL.Prefix, l.policy(), l.Noncurrent.Keep), l.Format)
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
	return c.result(l.JSON, d, d.text("would change"))
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
	if len(d.Changes) > 0 && len(d.Sooner) > 0 && !l.Yes {
		return &hinted{
			errors.Join(c.result(l.JSON, d, d.text("would change")), usage("existing snapshots would expire sooner (%d); nothing was written", len(d.Sooner))),
			"look at the list above, then add --yes",
		}
	}
	if len(d.Changes) > 0 {
		c.waits("the rules")
	}
	notes, err := p.Apply(ctx, b)
	if err != nil {
		return withRules(err)
	}
	d.Applied, d.Warnings = len(d.Changes) > 0, append(d.Warnings, notes...)
	return c.result(l.JSON, d, d.text("changed"))
}

// withRules adds to the error of rules that could not be written a hint with the
// rules themselves, for an operator to put in by hand. It returns other errors
// unchanged.
func withRules(err error) error {
	var lost *lifecycle.LostError
	if !errors.As(err, &lost) {
		return err
	}
	text, failed := lifecycle.Render(lost.Rules, "xml")
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
	has, err := lifecycle.Read(ctx, b)
	if err != nil {
		return err
	}
	d := rulesDocument{
		URL: l.URL.String(), Rules: describeRules(has.Rules()), Foreign: describeRules(has.Others()),
		Frozen: has.Frozen(), Changes: []string{}, Sooner: []retainedDocument{},
		Warnings: append([]string{}, has.Warnings()...),
	}
	if len(d.Rules) == 0 {
		d.Warnings = append(d.Warnings, "the bucket has no rules for this series, so nothing expires: see lifeboat lifecycle apply")
	}
	return c.result(l.JSON, d, d.text(""))
}

// Run implements the command.
func (l *lifecycleFreezeCmd) Run(ctx context.Context, c *console) error {
	return l.setAll(ctx, c, true, lifecycle.Freeze, "frozen: %d rules disabled, nothing of this series expires until lifeboat lifecycle thaw\n")
}

// Run implements the command.
func (l *lifecycleThawCmd) Run(ctx context.Context, c *console) error {
	return l.setAll(ctx, c, false, lifecycle.Thaw, "thawed: %d rules enabled\n")
}

func (s freezeFlags) setAll(ctx context.Context, c *console, frozen bool, set func(context.Context, bucket.Bucket, time.Duration) (int, error), text string) error {
	b, err := s.openRuled(ctx, c)
	if err != nil {
		return err
	}
	c.waits("the rules")
	n, err := set(ctx, b, settle)
	if err != nil {
		return withRules(err)
	}
	has, err := lifecycle.Read(ctx, b)
	if err != nil {
		return err
	}
	for _, warning := range has.Warnings() {
		c.log.Warn(warning)
	}
	return c.result(s.JSON, freezeDocument{s.URL.String(), frozen, n}, c.unlessQuiet(fmt.Sprintf(text, n)))
}

// text returns the document for people. verb is what happened to the changes: "would
// change", "changed", or "" for none.
func (d rulesDocument) text(verb string) string {
	var b strings.Builder
	if verb == "" {
		writeRules(&b, "rules of this series", d.Rules)
		writeRules(&b, "other rules in the bucket", d.Foreign)
	} else if len(d.Changes) == 0 {
		b.WriteString("nothing to change: the bucket has these rules\n")
	} else {
		terminal.Fprintf(&b, "%s:\n", verb)
		for _, change := range d.Changes {
			terminal.Fprintf(&b, "  %s\n", change)
		}
	}
	if len(d.Sooner) > 0 {
		terminal.Fprintf(&b, "existing snapshots expire sooner by this (%d):\n", len(d.Sooner))
		for _, s := range d.Sooner {
			terminal.Fprintf(&b, "  %s  %s, goes %s\n", s.ID, s.Class, terminal.Day(s.Expires))
		}
	}
	for _, warning := range d.Warnings {
		terminal.Fprintf(&b, "warning: %s\n", warning)
	}
	return b.String()
}

func writeRules(b *strings.Builder, title string, rules []ruleDocument) {
	if len(rules) == 0 {
		return
	}
	terminal.Fprintf(b, "%s:\n", title)
	for _, r := range rules {
		state := ""
		if !r.Enabled {
			state = " (disabled)"
		}
		terminal.Fprintf(b, "  %s: %s%s\n", r.ID, r.Does, state)
	}
}
