package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
	"github.com/lifeboat-sqlite/lifeboat/lifecycle"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// pinFlags are those of pin and unpin.
type pinFlags struct {
	snapshotFlags
	onlyFlags
	idArgument
	holdFlag
	Snapshot choice `placeholder:"ID" help:"The same as an ID behind the bucket URL."`
	JSON     bool   `name:"json" help:"Print one JSON document."`
}

type pinCmd struct{ pinFlags }

type unpinCmd struct{ pinFlags }

// pinDocument is what pin and unpin print with --json.
type pinDocument struct {
	URL       string `json:"url"`
	Snapshot  string `json:"snapshot"`
	Retention string `json:"retention"` // the tag that it has now
}

// Run implements the command.
func (p *pinCmd) Run(ctx context.Context, c *console) error {
	b, s, o, err := p.find(ctx, c, "pin")
	if err != nil {
		return err
	}
	if _, err := lifecycle.Pin(ctx, b, s.ID, o); err != nil {
		return err
	}
	return p.print(c, s, series.Pinned, "pinned: %s stays until it is unpinned\n")
}

// Run implements the command.
func (p *unpinCmd) Run(ctx context.Context, c *console) error {
	b, s, o, err := p.find(ctx, c, "unpin")
	if err != nil {
		return err
	}
	d, err := lifecycle.Unpin(ctx, b, s.ID, o)
	if err != nil {
		return err
	}
	retention := series.Held(d.Class)
	return p.print(c, s, retention, "unpinned: %s is "+retention+"\n")
}

// withoutID returns the error of a command line that names no snapshot.
func withoutID(verb string, u bucket.URL) error {
	return &hinted{usage("ID is missing: lifeboat %s BUCKET_URL ID", verb), "lifeboat list " + terminal.Quote(u.String()) + " shows which there are"}
}

// find returns the snapshot, and options with the terms under which the bucket's own
// rules would take it.
func (p *pinFlags) find(ctx context.Context, c *console, verb string) (b bucket.Bucket, s series.Snapshot, o lifecycle.Options, err error) {
	which, err := whichFlags{Snapshot: p.Snapshot}.with(p.URL.Named, p.ID)
	if err == nil && which.Snapshot == "" {
		err = withoutID(verb, p.URL.URL)
	}
	if err != nil {
		return b, s, o, err
	}
	if b, err = p.open(ctx, c, upload.Options{}); err != nil {
		return b, s, o, err
	}
	if s, err = which.find(ctx, c, b); err != nil {
		return b, s, o, p.lookedUp(err)
	}
	o = lifecycle.Options{Terms: lifecycle.Terms{Hold: p.holdOf()}, Settle: settle, Log: c.log}
	o.Policy, err = bucketPolicy(ctx, b)
	if errors.Is(err, bucket.ErrRefused) { // the warning of a near end is all that is lost
		err = nil
	}
	return b, s, o, err
}

func (p *pinFlags) print(c *console, s series.Snapshot, retention, text string) error {
	return c.result(p.JSON, pinDocument{p.URL.String(), string(s.ID), retention}, c.unlessQuiet(fmt.Sprintf(text, s.ID)))
}
