package main

import (
	"context"
	"errors"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/reports"
	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
	"github.com/lifeboat-sqlite/lifeboat/lifecycle"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

type pruneCmd struct {
	seriesFlags
	configFlags
	policyFlags
	Yes bool `env:"-" help:"Delete. Without it, prune only shows what would go."`
	shrinkFlag
	cacheFlag
	reportFlags
	Long bool `help:"Print what is kept too, and why."`
	JSON bool `name:"json" help:"Print one JSON document."`
}

// pruneDocument is what prune --json prints.
type pruneDocument struct {
	URL       string             `json:"url"`
	Snapshots []retainedDocument `json:"snapshots"` // all; those with the action expire go, or went
	Deleted   int                `json:"deleted"`   // 0 without --yes
}

// reportsOfRun implements reporting. Without --yes nothing is reported.
func (p *pruneCmd) reportsOfRun() (string, reportFlags, configFlags) {
	run := p.ofRun()
	if !p.Yes {
		run = reportFlags{}
	}
	return "prune", run, p.configFlags
}

// Run implements the command. Without --yes it reports nothing: its metrics would
// look like those of a run that deletes.
func (p *pruneCmd) Run(ctx context.Context, c *console) (err error) {
	to := p.reportFlags
	if !p.Yes {
		to = reportFlags{}
	}
	report, c, err := to.start(ctx, c, reports.Run{Verb: "prune", URL: p.URL.String()})
	if err != nil {
		return err
	}
	defer func() { err = report.End(ctx, err) }()
	defer recovered(&err)
	b, err := p.open(ctx, c, upload.Options{})
	if err != nil {
		return err
	}
	terms := p.terms()
	terms.IgnoreShrink = p.IgnoreShrink
	decisions, deleted, err := p.prune(ctx, c, b, terms)
	if err != nil && !errors.Is(err, bucket.ErrTagsDamaged) {
		return err
	}
	report.Succeeded = true
	d := pruneDocument{p.URL.String(), describeDecisions(decisions), deleted}
	report.Did = p.text(d, noticePage())
	return errors.Join(c.result(p.JSON, d, c.unlessQuiet(p.text(d, c.page()))), err)
}

func (p *pruneCmd) prune(ctx context.Context, c *console, b bucket.Bucket, t lifecycle.Terms) (decisions []lifecycle.Decision, deleted int, err error) {
	if !p.Yes {
		decisions, err = lifecycle.WouldPrune(ctx, b, t)
		return decisions, 0, err
	}
	decisions, deleted, err = lifecycle.Prune(ctx, b, lifecycle.Options{Terms: t, Log: c.log})
	var gone []lifecycle.Item
	for _, d := range decisions {
		if d.Action == lifecycle.ActExpire {
			gone = append(gone, d.Item)
		}
	}
	p.forget(ctx, c, b, gone...)
	return decisions, deleted, err
}

func (p *pruneCmd) text(d pruneDocument, on page) string {
	t := on.table(terminal.Column{}, terminal.Column{}, terminal.Column{Min: 20, Wrap: true})
	goes, kept, would := 0, 0, "would delete"
	if p.Yes {
		would = "deleted"
	}
	for _, s := range d.Snapshots {
		verb := would
		if s.Action == string(lifecycle.ActExpire) {
			goes++
		} else if verb = "keep"; !p.Long {
			kept++
			continue
		}
		t.Row(verb, s.ID, s.Reason)
	}
	text := t.Text(on.width) + terminal.Sprintf("%s %d of %d snapshots\n", would, goes, len(d.Snapshots))
	if kept > 0 {
		text += terminal.Sprintf("kept: %d; --long shows why\n", kept)
	}
	if !p.Yes && goes > 0 {
		text += "nothing was deleted: add --yes\n"
	}
	return text
}
