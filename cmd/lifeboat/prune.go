package main

import (
	"context"
	"errors"
	"strings"
	"text/tabwriter"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/reports"
	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
	"github.com/lifeboat-sqlite/lifeboat/lifecycle"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

type pruneCmd struct {
	seriesFlags
	policyFlags
	Yes bool `env:"-" help:"Delete. Without it, prune only shows what it would delete."`
	shrinkFlag
	reportFlags
	JSON bool `name:"json" help:"Print one JSON document."`
}

// pruneDocument is what prune --json prints.
type pruneDocument struct {
	URL       string             `json:"url"`
	Snapshots []retainedDocument `json:"snapshots"` // all; those with the action expire go, or went
	Deleted   int                `json:"deleted"`   // 0 without --yes
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
	return errors.Join(c.result(p.JSON, d, c.unlessQuiet(p.text(d))), err)
}

func (p *pruneCmd) prune(ctx context.Context, c *console, b bucket.Bucket, t lifecycle.Terms) (decisions []lifecycle.Decision, deleted int, err error) {
	if !p.Yes {
		decisions, err = lifecycle.WouldPrune(ctx, b, t)
		return decisions, 0, err
	}
	return lifecycle.Prune(ctx, b, t, c.log)
}

func (p *pruneCmd) text(d pruneDocument) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	goes, would := 0, "would delete"
	if p.Yes {
		would = "deleted"
	}
	for _, s := range d.Snapshots {
		verb := "keep"
		if s.Action == string(lifecycle.ActExpire) {
			verb = would
			goes++
		}
		terminal.Fprintf(w, "%s\t%s\t%s\n", verb, s.ID, s.Reason)
	}
	w.Flush() // a strings.Builder does not fail
	terminal.Fprintf(&b, "%s %d of %d snapshots\n", would, goes, len(d.Snapshots))
	if !p.Yes && goes > 0 {
		b.WriteString("nothing was deleted: add --yes\n")
	}
	return b.String()
}
