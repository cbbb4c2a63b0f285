package main

import (
	"context"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
	"github.com/lifeboat-sqlite/lifeboat/lifecycle"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

type deleteCmd struct {
	snapshotFlags
	onlyFlags
	idArgument
	Snapshot choice `placeholder:"ID" help:"The same as an ID behind the bucket URL."`
	Yes      bool   `env:"-" help:"Delete. Without it, delete only shows what it would delete."`
	shrinkFlag
	holdFlag
	cacheFlag
	JSON bool `name:"json" help:"Print one JSON document."`
}

// deleteDocument is what delete --json prints.
type deleteDocument struct {
	URL      string           `json:"url"`
	Snapshot snapshotDocument `json:"snapshot"`
	Deleted  bool             `json:"deleted"` // false without --yes
}

// Run implements the command.
func (d *deleteCmd) Run(ctx context.Context, c *console) error {
	which, err := whichFlags{Snapshot: d.Snapshot}.with(d.URL.Named, d.ID)
	if err != nil {
		return err
	}
	if _, _, isDay := which.Snapshot.day(); isDay || which.Snapshot == latest {
		return usage("delete takes an ID, and no %s: lifeboat list shows which there are", which.Snapshot)
	}
	if which.Snapshot == "" {
		return withoutID("delete", d.URL.URL)
	}
	b, err := d.open(ctx, c, upload.Options{})
	if err != nil {
		return err
	}
	found, err := which.find(ctx, c, b)
	if err != nil {
		return d.lookedUp(err)
	}
	if err := d.delete(ctx, c, b, found); err != nil {
		return err
	}
	document := deleteDocument{d.URL.String(), describeSnapshot(found), d.Yes}
	return c.result(d.JSON, document, c.unlessQuiet(document.text(series.Present(b))))
}

func (d *deleteCmd) delete(ctx context.Context, c *console, b bucket.Bucket, s series.Snapshot) (err error) {
	o := lifecycle.Options{Terms: lifecycle.Terms{Hold: d.holdOf(), IgnoreShrink: d.IgnoreShrink}, Log: c.log}
	if d.Yes {
		var item lifecycle.Item
		if item, err = lifecycle.Delete(ctx, b, s.ID, o); err == nil {
			d.forget(ctx, c, b, item)
		}
	} else {
		_, err = lifecycle.WouldDelete(ctx, b, s.ID, o.Terms)
	}
	return err
}

func (d deleteDocument) text(now time.Time) string {
	verb := "would delete"
	if d.Deleted {
		verb = "deleted"
	}
	s := d.Snapshot
	text := terminal.Sprintf("%s: snapshot %s, taken %s, %s, %s\n", verb, s.ID, terminal.Ago(s.Taken, now), s.Class, terminal.Size(s.Stored))
	if s.Implausible && !d.Deleted {
		text += terminal.Sprintf("it counts as implausible because it is %s: if that is wrong, set the clock\n", utc(now))
	}
	if !d.Deleted {
		text += "nothing was deleted: add --yes\n"
	}
	return text
}
