package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
	"github.com/lifeboat-sqlite/lifeboat/lifecycle"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

type listCmd struct {
	seriesFlags
	holdFlag
	Versions bool `help:"List overwritten and deleted snapshots, too, on a versioned bucket."`
	JSON     bool `name:"json" help:"Print one JSON document."`
}

// listDocument is what list --json prints.
type listDocument struct {
	URL       string             `json:"url"`
	Snapshots []retainedDocument `json:"snapshots"` // sorted by ID: the newest is the last
}

// versionsDocument is what list --versions --json prints.
type versionsDocument struct {
	URL      string          `json:"url"`
	Versions []listedVersion `json:"versions"` // sorted by ID, of each the newest version first
}

// listedVersion is one version of a snapshot.
type listedVersion struct {
	snapshotDocument
	Version string `json:"version"`
	Latest  bool   `json:"latest"`
	Deleted bool   `json:"deleted"` // no content, but the mark of a deletion
}

// Run implements the command.
func (l listCmd) Run(ctx context.Context, c *console) error {
	bucket, err := l.open(ctx, c, upload.Options{})
	if err != nil {
		return err
	}
	if l.Versions {
		return l.printVersions(ctx, c, bucket)
	}
	snapshots, err := l.retained(ctx, c, bucket)
	if err != nil {
		return err
	}
	d := listDocument{URL: l.URL.String(), Snapshots: snapshots}
	if len(snapshots) == 0 {
		c.log.Warn("there is no snapshot in " + d.URL)
	}
	return c.result(l.JSON, d, table(d.Snapshots, time.Now()))
}

// retained returns all snapshots with their retention, as far as these credentials
// may know it.
func (l listCmd) retained(ctx context.Context, c *console, b bucket.Bucket) ([]retainedDocument, error) {
	items, err := lifecycle.Load(ctx, b, time.Time{})
	if errors.Is(err, bucket.ErrRefused) {
		snapshots, none := withoutRetention(ctx, b)
		if none == nil {
			c.log.Warn("retention is not shown", "cause", err)
		}
		return snapshots, none
	}
	if err != nil {
		return nil, err
	}
	if damaged := lifecycle.Damaged(items); damaged != nil {
		c.log.Warn("lifeboat pin and unpin write the tags anew", "cause", damaged)
	}
	return explain(ctx, c, b, items, items, l.holdOf())
}

func withoutRetention(ctx context.Context, b bucket.Bucket) ([]retainedDocument, error) {
	all, err := series.Snapshots(ctx, b, time.Time{})
	if err != nil {
		return nil, err
	}
	snapshots := []retainedDocument{}
	for _, s := range all {
		snapshots = append(snapshots, retainedDocument{snapshotDocument: describeSnapshot(s)})
	}
	return snapshots, nil
}

// table returns the list for people, "" for none.
func table(snapshots []retainedDocument, now time.Time) string {
	if len(snapshots) == 0 {
		return ""
	}
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SNAPSHOT\tAGE\tSTORED\tRETENTION\tGOES\tWHY")
	for _, s := range snapshots {
		why := s.Reason
		if s.Implausible {
			why = "implausible: " + s.Why + ", so never the latest"
		}
		if s.Verified != nil {
			why += "; verified " + s.verified(now)
		}
		terminal.Fprintf(w, "%s\t%s\t%s%s\t%s\t%s\t%s\n", s.ID, terminal.Ago(s.Taken, now), terminal.Size(s.Stored), encryptedSuffix(s.Encrypted), cmp.Or(s.Retention, "-"), s.goes(), why)
	}
	w.Flush() // a strings.Builder does not fail
	return b.String()
}

// versions returns all versions of the snapshots of a series.
func versions(ctx context.Context, b bucket.Bucket) ([]series.SnapshotVersion, error) {
	var all []series.SnapshotVersion
	for v, err := range series.Versions(ctx, b) {
		if errors.Is(err, errors.ErrUnsupported) {
			return nil, usage("%s is a directory, which has no versions", b.URL())
		}
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, nil
}

func (l listCmd) printVersions(ctx context.Context, c *console, b bucket.Bucket) error {
	all, err := versions(ctx, b)
	if err != nil {
		return err
	}
	d := versionsDocument{URL: l.URL.String(), Versions: []listedVersion{}}
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SNAPSHOT\tVERSION\tUPLOADED (UTC)\tSTORED\tSTATE")
	for _, v := range all {
		d.Versions = append(d.Versions, listedVersion{describeSnapshot(v.Snapshot), v.Object.Version, v.Latest, v.Deleted})
		state := "overwritten or deleted"
		switch {
		case v.Deleted:
			state = "mark of a deletion"
		case v.Latest:
			state = "current"
		}
		terminal.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", v.ID, v.Object.Version, v.Object.Modified.UTC().Format("2006-01-02 15:04:05"), terminal.Size(v.Object.Size), state)
	}
	w.Flush() // a strings.Builder does not fail
	if len(all) == 0 {
		text.Reset()
	}
	return c.result(l.JSON, d, text.String())
}
