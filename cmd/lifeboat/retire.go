package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/databases"
	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
	"github.com/lifeboat-sqlite/lifeboat/lifecycle"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

type retireCmd struct {
	seriesFlags
	onlyFlags
	Hold duration `default:"4d" placeholder:"4d" group:"Retention" help:"Only a series whose newest snapshot was taken or confirmed longer ago than this."`
	Yes  bool     `env:"-" help:"Retire. Without it, retire only shows what it would release."`
	cacheFlag
	JSON bool `name:"json" help:"Print one JSON document."`
}

// retireDocument is what lifecycle retire --json prints.
type retireDocument struct {
	URL       string             `json:"url"`
	Newest    string             `json:"newest"`    // ID of the newest snapshot
	Seen      time.Time          `json:"seen"`      // when that was taken or last confirmed
	Snapshots []retainedDocument `json:"snapshots"` // all; those with the action release get their class, or got it
	Released  int                `json:"released"`  // 0 without --yes
	Retired   bool               `json:"retired"`   // false without --yes

	now time.Time
}

// take implements configurable. It refuses a database that is on this machine: its series
// is in use.
func (r *retireCmd) take(d *databases.Database) error {
	if _, err := os.Stat(d.Path); d.Path != "" && !errors.Is(err, fs.ErrNotExist) {
		return &hinted{usage("retire %s: its database %s is here", d.BucketURL(), d.Path), "remove the database first, or name another one: --only BUCKET_URL"}
	}
	return r.seriesFlags.take(d)
}

// Run implements the command.
func (r *retireCmd) Run(ctx context.Context, c *console) error {
	b, err := r.open(ctx, c, upload.Options{})
	if err != nil {
		return err
	}
	by, err := retentionOf(ctx, b)
	if err != nil {
		return err
	}
	decisions, released, err := r.retire(ctx, c, b, lifecycle.Terms{Policy: by.policy, Hold: r.Hold.or(lifecycle.NoHold)})
	if err != nil && !errors.Is(err, bucket.ErrTagsDamaged) || len(decisions) == 0 {
		return err
	}
	d := retireDocument{URL: r.URL.String(), Snapshots: describeDecisions(decisions), Released: released, Retired: r.Yes, now: series.Present(b)}
	for i, decision := range decisions {
		d.Snapshots[i].end = by.endOf(decision)
		if decision.Action == lifecycle.ActRelease && d.Snapshots[i].end == endSuperseded {
			d.Snapshots[i].end = by.endOfClass(decision.Class)
		}
	}
	var health healthDocument
	health.describeNewest(*lifecycle.Newest(decisions), d.now)
	d.Newest, d.Seen = health.Newest.ID, health.Newest.seen()
	return errors.Join(c.result(r.JSON, d, c.unlessQuiet(d.text(c.page()))), err)
}

func (r *retireCmd) retire(ctx context.Context, c *console, b bucket.Bucket, t lifecycle.Terms) ([]lifecycle.Decision, int, error) {
	if !r.Yes {
		decisions, err := lifecycle.WouldRetire(ctx, b, t)
		return decisions, 0, err
	}
	decisions, released, err := lifecycle.Retire(ctx, b, lifecycle.Options{Terms: t, Log: c.log})
	if len(decisions) > 0 { // it may have been marked, whatever the error is
		r.forget(ctx, c, b, lifecycle.Newest(decisions).Item)
	}
	return decisions, released, err
}

// keptOnceReleased returns in words how long the snapshot is kept when it has its class.
func (s retainedDocument) keptOnceReleased() string {
	switch {
	case s.Expires != nil:
		return "kept until " + terminal.Day(s.Expires)
	case s.end == endForever:
		return "kept forever"
	}
	return "kept until " + endsInWords[s.end]
}

func (d retireDocument) text(on page) string {
	t := on.table(terminal.Column{}, terminal.Column{}, terminal.Column{Min: 20, Wrap: true})
	would, count := "would release", 0
	if d.Retired {
		would = "released"
	}
	for _, s := range d.Snapshots {
		verb, reason := "keep", s.Reason
		if s.Action == string(lifecycle.ActRelease) {
			verb, reason = would, s.Reason+", "+s.keptOnceReleased()
			count++
		}
		t.Row(verb, s.ID, reason)
	}
	text := t.Text(on.width) + terminal.Sprintf("the newest was taken or last confirmed %s; the next backup ends a retirement\n", terminal.Ago(d.Seen, d.now))
	text += terminal.Sprintf("%s %d of %d snapshots\n", would, count, len(d.Snapshots))
	if !d.Retired {
		text += "nothing was changed: add --yes\n"
	}
	return text
}
