package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"filippo.io/age"
	"github.com/dustin/go-humanize"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
	"github.com/lifeboat-sqlite/lifeboat/lifecycle"
	"github.com/lifeboat-sqlite/lifeboat/restore"
	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

type showCmd struct {
	seriesFlags
	holdFlag
	identityFlag
	Snapshot choice `default:"latest" placeholder:"latest" help:"latest, an ID, or the beginning of one."`
	JSON     bool   `name:"json" help:"Print one JSON document."`
}

// showDocument is what show --json prints.
type showDocument struct {
	URL string `json:"url"`
	retainedDocument
	Manifest snapshot.Manifest `json:"manifest"`
}

// Run implements the command.
func (s showCmd) Run(ctx context.Context, c *console) error {
	identities, err := s.identities()
	if err != nil {
		return err
	}
	bucket, err := s.open(ctx, c, upload.Options{})
	if err != nil {
		return err
	}
	found, err := restore.Select(ctx, bucket, restore.Selector{Which: string(s.Snapshot), Log: c.log})
	if err != nil {
		return s.lookedUp(err)
	}
	manifest, err := readManifest(ctx, bucket, found, identities)
	if err != nil {
		return withOlder(ctx, bucket, found.ID, "lifeboat show "+terminal.Quote(s.URL.String()), err)
	}
	retained, err := s.retained(ctx, c, bucket, found)
	if err != nil {
		return err
	}
	d := showDocument{s.URL.String(), retained, manifest}
	return c.result(s.JSON, d, d.text(time.Now()))
}

// retained returns the snapshot with its retention, as far as these credentials may
// know it.
func (s showCmd) retained(ctx context.Context, c *console, b bucket.Bucket, found series.Snapshot) (retainedDocument, error) {
	// Retention depends only on the later snapshots.
	later, err := series.Snapshots(ctx, b, found.ID.Time())
	if err != nil {
		return retainedDocument{}, err
	}
	items := make([]lifecycle.Item, len(later))
	this := -1
	for i := range later {
		items[i].Snapshot = later[i]
		if later[i].ID == found.ID {
			this = i
		}
	}
	if this < 0 {
		return retainedDocument{snapshotDocument: describeSnapshot(found)}, nil // gone meanwhile
	}
	items[this].Tags, items[this].Damaged, err = series.ReadTags(ctx, b, found.Object)
	if damaged := items[this].Damaged; damaged != nil {
		c.log.Warn("lifeboat pin and unpin write the tags anew", "cause", damaged)
	}
	if errors.Is(err, bucket.ErrRefused) {
		c.log.Warn("retention is not shown", "cause", err)
		return retainedDocument{snapshotDocument: describeSnapshot(found)}, nil
	}
	if err != nil {
		return retainedDocument{}, err
	}
	all, err := explain(ctx, c, b, items, items[this:this+1], s.holdOf())
	if err != nil {
		return retainedDocument{}, err
	}
	return all[0], nil
}

func readManifest(ctx context.Context, b bucket.Bucket, s series.Snapshot, identities []age.Identity) (snapshot.Manifest, error) {
	archive, closeArchive, err := restore.Open(ctx, b, s, identities)
	if err != nil {
		return snapshot.Manifest{}, err
	}
	return archive.Manifest(), closeArchive()
}

func (d showDocument) text(now time.Time) string {
	m := d.Manifest
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, line := range [][2]string{
		{"snapshot", d.ID},
		{"taken", fmt.Sprintf("%s (%s)", m.Created.UTC().Format(time.RFC3339), terminal.Ago(d.Taken, now))},
		{"uploaded", d.Uploaded.Format(time.RFC3339)},
		{"verified", d.verified(now)},
		{"retention", cmp.Or(d.Retention, "-")},
		{"why", cmp.Or(d.Reason, "-")},
		{"goes", d.goes()},
		{"database", m.Database},
		{"size", fmt.Sprintf("%s in %s pages of %s", terminal.Size(m.Size), humanize.Comma(int64(m.PageCount)), terminal.Size(int64(m.PageSize)))},
		{"stored", fmt.Sprintf("%s%s (ratio %.2f)", terminal.Size(d.Stored), encryptedSuffix(d.Encrypted), float64(m.Size)/float64(max(d.Stored, 1)))},
		{"checked", m.Check},
		{"copied by", string(m.Method)},
		{"journal mode", m.JournalMode},
		{"user_version", fmt.Sprint(m.UserVersion)},
		{"application_id", fmt.Sprint(m.ApplicationID)},
		{"written by", fmt.Sprintf("%s, SQLite %s, archive format %d", m.Tool, m.SQLite, m.Format)},
		{"digest", m.Digest},
	} {
		terminal.Fprintf(w, "%s\t%s\n", line[0], line[1])
	}
	w.Flush() // a strings.Builder does not fail
	if d.Implausible {
		terminal.Fprintf(&b, "implausible: %s, so never the latest\n", d.Why)
	}
	return b.String()
}
