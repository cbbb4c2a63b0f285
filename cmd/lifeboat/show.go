package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
	"github.com/lifeboat-sqlite/lifeboat/lifecycle"
	"github.com/lifeboat-sqlite/lifeboat/restore/fetch"
	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

type showCmd struct {
	snapshotFlags
	onlyFlags
	idArgument
	whichFlags
	holdFlag
	identityFlag
	JSON bool `name:"json" help:"Print one JSON document."`
}

// showDocument is what show --json prints.
type showDocument struct {
	URL string `json:"url"`
	retainedDocument
	Manifest snapshot.Manifest `json:"manifest"`
	Chain    []objectDocument  `json:"chain"` // what a restore fetches, the full one first
}

// Run implements the command.
func (s showCmd) Run(ctx context.Context, c *console) error {
	which, err := s.with(s.URL.Named, s.ID)
	if err != nil {
		return err
	}
	identities, err := s.identities()
	if err != nil {
		return err
	}
	bucket, err := s.open(ctx, c, upload.Options{})
	if err != nil {
		return err
	}
	found, err := which.find(ctx, c, bucket)
	if err != nil {
		return s.lookedUp(err)
	}
	manifest, err := fetch.Manifest(ctx, bucket, found, identities)
	if err != nil {
		return withInstead(ctx, bucket, found, "lifeboat show "+terminal.Quote(s.URL.String()), err)
	}
	retained, err := s.retained(ctx, c, bucket, found)
	if err != nil {
		return err
	}
	d := showDocument{URL: s.URL.String(), retainedDocument: retained, Manifest: manifest, Chain: objectsOf(found.Chain())}
	return c.result(s.JSON, d, d.text(c.page()))
}

// retained returns the snapshot with its retention, as far as these credentials may
// know it.
func (s showCmd) retained(ctx context.Context, c *console, b bucket.Bucket, found series.Snapshot) (retainedDocument, error) {
	// Retention depends only on the later snapshots.
	items, err := lifecycle.List(ctx, b, found.ID.Time())
	if err != nil {
		return retainedDocument{}, err
	}
	this := slices.IndexFunc(items, func(i lifecycle.Item) bool { return i.ID == found.ID })
	if this < 0 {
		return retainedDocument{snapshotDocument: describeSnapshot(found)}, nil // gone meanwhile
	}
	tagged, err := lifecycle.ReadTags(ctx, b, items[this:this+1])
	if errors.Is(err, bucket.ErrRefused) {
		c.log.Warn("retention is not shown", "cause", err)
		return retainedDocument{snapshotDocument: describeSnapshot(found)}, nil
	}
	if err != nil {
		return retainedDocument{}, err
	}
	if len(tagged) == 0 { // gone meanwhile
		return retainedDocument{snapshotDocument: describeSnapshot(found)}, nil
	}
	if damaged := lifecycle.Damaged(tagged); damaged != nil {
		c.log.Warn(hintForTags(damaged), "cause", damaged)
	}
	items[this] = tagged[0]
	all, err := explain(ctx, b, items, tagged, s.holdOf())
	if err != nil {
		return retainedDocument{}, err
	}
	return all[0], nil
}

// objectsOf returns the objects of a chain.
func objectsOf(chain []series.Snapshot) []objectDocument {
	objects := []objectDocument{}
	for _, part := range chain {
		objects = append(objects, objectDocument{string(part.ID), part.Object.Name, part.Object.Version, part.Object.Size})
	}
	return objects
}

func (d showDocument) text(p page) string {
	m := d.Manifest
	t := p.facts()
	t.Row("snapshot", d.ID)
	if d.Implausible || d.Broken {
		t.Row("warning", strings.TrimSuffix(d.warning(), "\n"))
		t.Colour(1, terminal.Red)
	}
	for _, line := range [][2]string{
		{"database", m.Database},
		{"taken", fmt.Sprintf("%s (%s)", terminal.Minute(m.Created), terminal.Ago(d.Taken, p.now))},
		{"uploaded", terminal.Minute(d.Uploaded)},
		{"verified", d.verified(p.now)},
		{"kept until", d.keptInWords(p.now)},
		{"because", cmp.Or(d.Reason, "-")},
		{"retention", fmt.Sprintf("%s, tag %s", d.Class, cmp.Or(d.Retention, "-"))},
		{"size", fmt.Sprintf("%s in %s pages of %s", terminal.Size(m.Size), humanize.Comma(int64(m.PageCount)), terminal.Size(int64(m.PageSize)))},
		{"stored", terminal.Size(d.Stored) + encryptedSuffix(d.Encrypted) + d.ratio()},
		{"kind", d.kind()},
	} {
		t.Row(line[0], line[1])
	}
	for i, line := range d.tree() {
		t.Row([]string{"chain", ""}[min(i, 1)], line)
	}
	for _, line := range [][2]string{
		{"weight", terminal.Size(d.Weight)},
		{"checked", m.Check},
		{"read by", string(m.Method)},
		{"settings", fmt.Sprintf("journal_mode %s, user_version %d, application_id %d", m.JournalMode, m.UserVersion, m.ApplicationID)},
		{"written by", fmt.Sprintf("%s, SQLite %s, archive format %d", m.Tool, m.SQLite, m.Format)},
		{"digest", m.Digest},
	} {
		t.Row(line[0], line[1])
	}
	return t.Text(p.width)
}

// tree returns the chain of a differential as a tree, a line for each snapshot.
func (d showDocument) tree() []string {
	if len(d.Chain) < 2 {
		return nil
	}
	var lines []string
	for i, part := range d.Chain {
		indent, kind := "", "full"
		if i > 0 {
			indent, kind = strings.Repeat("   ", i-1)+"+- ", "differential"
		}
		lines = append(lines, fmt.Sprintf("%s%s  %s, %s", indent, part.Snapshot, kind, terminal.Size(part.Size)))
	}
	return lines
}

// ratio returns how well a full snapshot compresses. A differential has no such ratio:
// most of the database is not in it.
func (d showDocument) ratio() string {
	if d.Base != "" {
		return ""
	}
	return fmt.Sprintf(" (ratio %.2f)", float64(d.Manifest.Size)/float64(max(d.Stored, 1)))
}
