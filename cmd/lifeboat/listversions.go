package main

import (
	"context"
	"errors"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

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

func (l *listCmd) printVersions(ctx context.Context, c *console, b bucket.Bucket) error {
	all, err := versions(ctx, b)
	if err != nil {
		return err
	}
	d := versionsDocument{URL: l.URL.String(), Versions: []listedVersion{}}
	p := c.page()
	t := p.table(terminal.Column{Title: "SNAPSHOT"}, terminal.Column{Title: "VERSION"}, terminal.Column{Title: "UPLOADED (UTC)", Drop: 2},
		terminal.Column{Title: "SIZE", Right: true, Drop: 1}, terminal.Column{Title: "STATE", Min: 7, Wrap: true})
	for _, v := range all {
		d.Versions = append(d.Versions, listedVersion{describeSnapshot(v.Snapshot), v.Object.Version, v.Latest, v.Deleted})
		state := "overwritten or deleted"
		switch {
		case v.Deleted:
			state = "mark of a deletion"
		case v.Latest:
			state = "current"
		}
		t.Row(string(v.ID), v.Object.Version, terminal.Moment(v.Object.Modified, p.now), terminal.Size(v.Object.Size), state)
	}
	return c.result(l.JSON, d, t.Text(p.width))
}
