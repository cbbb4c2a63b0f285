package main

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/lifeboat-sqlite/lifeboat/upload"
)

type listCmd struct {
	series
	JSON bool `name:"json" help:"Print one JSON document."`
}

// listDocument is what list --json prints.
type listDocument struct {
	URL       string             `json:"url"`
	Snapshots []snapshotDocument `json:"snapshots"` // sorted by ID: the newest is the last
}

// snapshotDocument is one snapshot as the bucket lists it.
type snapshotDocument struct {
	ID          string    `json:"id"`
	Taken       time.Time `json:"taken"`       // the time in the ID, UTC
	Uploaded    time.Time `json:"uploaded"`    // by the store's clock, UTC
	Stored      int64     `json:"stored"`      // size of the object, bytes
	Implausible bool      `json:"implausible"` // taken later than uploaded: never the latest
}

func describeSnapshot(s upload.Snapshot) snapshotDocument {
	return snapshotDocument{
		ID: string(s.ID), Taken: s.ID.Time(), Uploaded: s.Object.Modified.UTC(),
		Stored: s.Object.Size, Implausible: s.Implausible,
	}
}

// Run implements the command.
func (l listCmd) Run(ctx context.Context, c *console) error {
	bucket, err := l.open(ctx, c, upload.Options{})
	if err != nil {
		return err
	}
	snapshots, err := upload.Snapshots(ctx, bucket, time.Time{})
	if err != nil {
		return err
	}
	d := listDocument{URL: l.URL.String(), Snapshots: []snapshotDocument{}}
	for _, s := range snapshots {
		d.Snapshots = append(d.Snapshots, describeSnapshot(s))
	}
	if len(snapshots) == 0 {
		c.log.Warn("there is no snapshot in " + d.URL)
	}
	return c.result(l.JSON, d, table(d.Snapshots, time.Now()))
}

// table returns the list for people, "" for none.
func table(snapshots []snapshotDocument, now time.Time) string {
	if len(snapshots) == 0 {
		return ""
	}
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SNAPSHOT\tTAKEN (UTC)\tAGE\tSTORED")
	for _, s := range snapshots {
		note := ""
		if s.Implausible {
			note = "\timplausible: taken after its upload, so never the latest"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s%s\n", s.ID, s.Taken.Format("2006-01-02 15:04:05"), age(s.Taken, now), humanize.IBytes(uint64(s.Stored)), note)
	}
	w.Flush() // a strings.Builder does not fail
	return b.String()
}

func age(t, now time.Time) string {
	return humanize.RelTime(t, now, "ago", "from now")
}
