package main

import (
	"context"
	"errors"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/reports"
	"github.com/lifeboat-sqlite/lifeboat/lifecycle"
	"github.com/lifeboat-sqlite/lifeboat/upload"
)

type releaseCmd struct {
	seriesFlags
	configFlags
	holdFlag
	All bool `help:"Look at every snapshot, not only back to where the last run ended."`
	shrinkFlag
	reportFlags
	JSON bool `name:"json" help:"Print one JSON document."`
}

// releaseDocument is what lifecycle release --json prints.
type releaseDocument struct {
	URL      string             `json:"url"`
	Released []retainedDocument `json:"released"`
	Guarded  []retainedDocument `json:"guarded"` // due, but the newest is suspiciously small
	Held     []retainedDocument `json:"held"`    // the newest and what it stands on, held again because what superseded it is gone
}

// reportsOfRun implements reporting.
func (r *releaseCmd) reportsOfRun() (string, reportFlags, configFlags) {
	return "release", r.ofRun(), r.configFlags
}

// Run implements the command.
func (r *releaseCmd) Run(ctx context.Context, c *console) (err error) {
	report, c, err := r.start(ctx, c, reports.Run{Verb: "release", URL: r.URL.String()})
	if err != nil {
		return err
	}
	defer func() { err = report.End(ctx, err) }()
	defer recovered(&err)
	b, err := r.open(ctx, c, upload.Options{})
	if err != nil {
		return err
	}
	release := lifecycle.Release
	if r.All {
		release = lifecycle.ReleaseAll
	}
	result, err := release(ctx, b, lifecycle.Options{Terms: lifecycle.Terms{Hold: r.holdOf(), IgnoreShrink: r.IgnoreShrink}, Log: c.log})
	if err != nil {
		return err
	}
	report.Succeeded = true
	d := releaseDocument{r.URL.String(), describeDecisions(result.Released), describeDecisions(result.Guarded), describeDecisions(result.Held)}
	text := releasedCount(result.Released)
	if text == "" && c.kept == nil { // of several databases the last line counts those
		text = "nothing to release\n"
	}
	report.Did = text
	return errors.Join(c.result(r.JSON, d, c.unlessQuiet(text)), result.Damaged)
}
