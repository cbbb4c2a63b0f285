package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/reports"
	"github.com/lifeboat-sqlite/lifeboat/lifecycle"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// statusCmd gives up sooner than other commands: a probe has a deadline.
type statusCmd struct {
	URL      bucketURL `arg:"" optional:"" name:"bucket-url" help:"Where the snapshots are: s3://bucket/prefix or file:///dir."`
	RetryFor duration  `default:"15s" placeholder:"15s" group:"Store" help:"How long to retry a store that fails."`
	MaxAge   duration  `placeholder:"26h" help:"Exit with 9 if the newest snapshot was taken, or last confirmed, longer ago. Without it any age is fresh."`
	holdFlag
	configFlags
	reportFlags
	JSON bool `name:"json" help:"Print one JSON document."`
}

// status examines one series and reports the run. It returns the document also
// with an error, unless the state of the series is unknown; now is the present
// by the store's clock.
func (s *statusCmd) status(ctx context.Context, c *console) (d *healthDocument, now time.Time, err error) {
	report, c, err := s.start(ctx, c, reports.Run{Verb: "status", URL: s.URL.String()})
	if err != nil {
		return nil, now, err
	}
	defer func() { err = report.End(ctx, err) }()
	defer recovered(&err)
	b, err := seriesFlags{s.URL, s.RetryFor}.open(ctx, c, upload.Options{})
	if err != nil {
		return nil, now, err
	}
	found, now, err := s.examine(ctx, b)
	if err != nil {
		return nil, now, err
	}
	report.Succeeded = true // whatever the state is
	report.Add(found.measures()...)
	return &found, now, found.verdict()
}

// examine returns the state of a series, and the present by the store's clock.
func (s *statusCmd) examine(ctx context.Context, b bucket.Bucket) (healthDocument, time.Time, error) {
	d := healthDocument{URL: s.URL.String(), MaxAge: time.Duration(s.MaxAge).Seconds(), Sizes: []sizeDocument{}, Warnings: []string{}}
	items, err := lifecycle.Survey(ctx, b, s.holdOf())
	readable := !errors.Is(err, bucket.ErrRefused)
	if !readable {
		// Perhaps only tags are refused.
		d.Warnings = append(d.Warnings, fmt.Sprintf("not known: retention, and when the newest was last confirmed: %v", err))
		items, err = untagged(ctx, b)
	}
	if errors.Is(err, bucket.ErrNotFound) { // a directory that does not exist yet
		err = nil
	}
	if err != nil {
		return d, time.Time{}, err
	}
	terms, now := lifecycle.Terms{Hold: s.holdOf()}, series.Present(b)
	if terms.Policy, err = d.rules(ctx, b); err != nil {
		return d, now, err
	}
	d.describe(items, terms, now)
	if !readable {
		d.Held = nil
	}
	d.judge(time.Duration(s.MaxAge))
	return d, now, nil
}

// untagged returns the snapshots without their tags, for credentials that may not
// read those.
func untagged(ctx context.Context, b bucket.Bucket) ([]lifecycle.Item, error) {
	all, err := series.Snapshots(ctx, b, time.Time{})
	items := make([]lifecycle.Item, len(all))
	for i := range all {
		items[i].Snapshot = all[i]
	}
	return items, err
}
