package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

type seriesCmd struct {
	URL      treeURL  `arg:"" name:"url" help:"Where to look: s3://bucket, s3://bucket/prefix or file:///dir."`
	RetryFor duration `default:"2m" placeholder:"2m" group:"Store" help:"How long to retry a store that fails."`
	JSON     bool     `name:"json" help:"Print one JSON document."`
}

// treeDocument is what series --json prints.
type treeDocument struct {
	URL    string          `json:"url"`
	Series []belowDocument `json:"series"` // sorted by url
}

// belowDocument is one series. Sizes are in bytes.
type belowDocument struct {
	URL       string            `json:"url"`
	Newest    *snapshotDocument `json:"newest,omitempty"` // absent: none that counts
	Snapshots int               `json:"snapshots"`
	Stored    int64             `json:"stored"` // size of all its snapshots
}

// Run implements the command.
func (s *seriesCmd) Run(ctx context.Context, c *console) error {
	b, err := seriesFlags{s.URL.bucketURL, s.RetryFor}.open(ctx, c, upload.Options{})
	if err != nil {
		return err
	}
	d := treeDocument{URL: s.URL.String(), Series: []belowDocument{}}
	var unread []error
	for found, err := range series.Below(ctx, b) {
		if err != nil {
			unread = append(unread, err)
			continue
		}
		d.Series = append(d.Series, describeBelow(found))
	}
	if len(unread) > 0 && len(d.Series) == 0 {
		return errors.Join(unread...)
	}
	slices.SortFunc(d.Series, func(a, b belowDocument) int { return cmp.Compare(a.URL, b.URL) })
	if len(d.Series) == 0 {
		c.log.Warn("there is no series below " + d.URL)
	}
	err = c.result(s.JSON, d, d.table(terminal.Width(c.stdout), series.Present(b)))
	if err == nil && len(d.Series) > 0 {
		c.suggest("to see the snapshots of one", "lifeboat list "+terminal.Quote(d.Series[0].URL))
	}
	return errors.Join(errors.Join(unread...), err)
}

func describeBelow(s series.Summary) belowDocument {
	d := belowDocument{URL: s.URL.String(), Snapshots: s.Snapshots, Stored: s.Stored}
	if s.Newest.ID != "" {
		newest := describeSnapshot(s.Newest)
		d.Newest = &newest
	}
	return d
}

// table returns the series for people, "" for none.
func (d treeDocument) table(width int, now time.Time) string {
	t := terminal.Table{Columns: []terminal.Column{
		{Title: "BUCKET URL", Min: 30, Wrap: true}, {Title: "NEWEST", Drop: 2}, {Title: "AGE", Right: true}, {Title: "SNAPSHOTS", Right: true, Drop: 1}, {Title: "SIZE", Right: true},
	}}
	for _, s := range d.Series {
		id, age := "none that counts", ""
		if s.Newest != nil {
			id, age = s.Newest.ID, terminal.Age(s.Newest.Taken, now)
		}
		t.Row(s.URL, id, age, strconv.Itoa(s.Snapshots), terminal.Size(s.Stored))
	}
	return t.Text(width)
}

// someSeriesBelow returns a sentence that names series below a prefix without snapshots, ""
// if there are none or these credentials may not list them.
func someSeriesBelow(ctx context.Context, b bucket.Bucket) string {
	var urls []string
	for found, err := range series.Below(ctx, b) {
		if err != nil {
			break
		}
		if found.URL == b.URL() { // it is no prefix of others
			return ""
		}
		urls = append(urls, terminal.Quote(found.URL.String()))
		if len(urls) > 3 { // the listing may be long
			break
		}
	}
	if len(urls) == 0 {
		return ""
	}
	return fmt.Sprintf("below it are series, such as %s: lifeboat series %s lists them", terminal.SomeOf(urls), terminal.Quote(b.URL().String()))
}
