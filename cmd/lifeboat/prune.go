package main

import (
	"context"
	"errors"
	"strings"
	"text/tabwriter"

	"github.com/lifeboat-sqlite/lifeboat/lifecycle"
	"github.com/lifeboat-sqlite/lifeboat/upload"
)

type pruneCmd struct {
	series
	policyFlags
	Confirm bool `help:"Delete, and not only say what would be deleted."`
	Yes     bool `help:"Go on while the newest snapshot is less than half the size of one that would go."`
	reporting
	JSON bool `name:"json" help:"Print one JSON document."`
}

// pruneDocument is what prune --json prints.
type pruneDocument struct {
	URL       string             `json:"url"`
	Snapshots []retainedDocument `json:"snapshots"` // all; those with the action expire go, or went
	Deleted   int                `json:"deleted"`   // 0 without --confirm
}

// Run implements the command. Nobody is told of a run that only looks: it would
// pass for one that deletes.
func (p *pruneCmd) Run(ctx context.Context, c *console) error {
	report := runReport{verb: "prune", url: p.URL.String()}
	if !p.Confirm {
		return p.run(ctx, c, &report)
	}
	return p.around(ctx, c, report, p.run)
}

func (p *pruneCmd) run(ctx context.Context, c *console, report *runReport) error {
	b, err := p.open(ctx, c, upload.Options{})
	if err != nil {
		return err
	}
	decisions, deleted, err := lifecycle.Prune(ctx, b, p.terms(p.Yes), p.Confirm, c.log)
	if err != nil && !errors.Is(err, upload.ErrTagsDamaged) {
		return err
	}
	report.succeeded = true
	d := pruneDocument{p.URL.String(), describeDecisions(decisions), deleted}
	return errors.Join(c.result(p.JSON, d, c.unlessQuiet(p.text(d))), err)
}

func (p *pruneCmd) text(d pruneDocument) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	goes, would := 0, "would delete"
	if p.Confirm {
		would = "deleted"
	}
	for _, s := range d.Snapshots {
		verb := "keep"
		if s.Action == string(lifecycle.ActExpire) {
			verb = would
			goes++
		}
		fprintf(w, "%s\t%s\t%s\n", verb, s.ID, s.Reason)
	}
	w.Flush() // a strings.Builder does not fail
	fprintf(&b, "%s %d of %d snapshots\n", would, goes, len(d.Snapshots))
	if !p.Confirm && goes > 0 {
		b.WriteString("nothing was deleted: add --confirm\n")
	}
	return b.String()
}
