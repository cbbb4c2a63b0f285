package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/lifeboat-sqlite/lifeboat/lifecycle"
	"github.com/lifeboat-sqlite/lifeboat/restore"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// pinFlags are those of pin and unpin.
type pinFlags struct {
	seriesFlags
	holdFlag
	Snapshot choice `required:"" placeholder:"ID" help:"latest, an ID, or the beginning of one."`
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
	b, s, t, err := p.find(ctx, c)
	if err != nil {
		return err
	}
	if _, err := lifecycle.Pin(ctx, b, s.ID, t, c.log); err != nil {
		return err
	}
	return p.print(c, s, series.Pinned, "pinned: %s stays until it is unpinned\n")
}

// Run implements the command.
func (p *unpinCmd) Run(ctx context.Context, c *console) error {
	b, s, t, err := p.find(ctx, c)
	if err != nil {
		return err
	}
	d, err := lifecycle.Unpin(ctx, b, s.ID, t, c.log)
	if err != nil {
		return err
	}
	retention := series.Held
	if d.Action != lifecycle.ActKeep {
		retention = string(d.Class)
	}
	return p.print(c, s, retention, "unpinned: %s is "+retention+"\n")
}

// find returns the snapshot, and the terms under which the bucket's own rules
// would take it.
func (p *pinFlags) find(ctx context.Context, c *console) (b bucket.Bucket, s series.Snapshot, t lifecycle.Terms, err error) {
	if b, err = p.open(ctx, c, upload.Options{}); err != nil {
		return b, s, t, err
	}
	if s, err = restore.Select(ctx, b, restore.Selector{Which: string(p.Snapshot), Log: c.log}); err != nil {
		return b, s, t, p.lookedUp(err)
	}
	t = lifecycle.Terms{Hold: p.holdOf(), Settle: settle}
	t.Policy, err = bucketPolicy(ctx, b)
	if errors.Is(err, bucket.ErrRefused) { // the warning of a near end is all that is lost
		err = nil
	}
	return b, s, t, err
}

func (p *pinFlags) print(c *console, s series.Snapshot, retention, text string) error {
	return c.result(p.JSON, pinDocument{p.URL.String(), string(s.ID), retention}, c.unlessQuiet(fmt.Sprintf(text, s.ID)))
}
