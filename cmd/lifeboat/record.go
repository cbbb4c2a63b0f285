package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"filippo.io/age"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
	"github.com/lifeboat-sqlite/lifeboat/restore"
	"github.com/lifeboat-sqlite/lifeboat/restore/drill"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// A recorder leaves records of drills beside a series. A nil one leaves none.
type recorder struct {
	console    *console
	series     bucket.Bucket
	place      bucket.Bucket // at drill.Place of the series
	recipients []age.Recipient
	witness    *witness // of which identity has read
}

// recorder returns what --record asks for, nil without it.
func (v *verifyCmd) recorder(ctx context.Context, c *console, b bucket.Bucket, w *witness) (*recorder, error) {
	if !v.Record {
		return nil, nil
	}
	recipients, err := v.recipients()
	if err != nil {
		return nil, err
	}
	place, err := v.series().place().open(ctx, c, upload.Options{Lock: v.lock()})
	return &recorder{c, b, place, recipients, w}, err
}

// record writes the record of a drill that has ended with err, and tags the snapshot if
// it has passed. It returns the name of the record's object below the bucket URL, "" if
// there is none. An error wraps errNotRecorded alone: the drill itself is as good.
func (r *recorder) record(ctx context.Context, s series.Snapshot, d drillDocument, found restore.VerifyReport, err error) (name string, notRecorded error) {
	if r == nil || ctx.Err() != nil || errors.Is(err, bucket.ErrUnreachable) { // which takes no record
		return "", nil
	}
	now := series.Present(r.series)
	kept, failed := drill.Write(ctx, r.place, recordOf(s, d, found, now, err), r.sealTo(s))
	if failed == nil {
		name = drill.Folder + "/" + drill.Name{Time: kept.Time, Snapshot: s.ID}.String()
	}
	if failed == nil && d.Verified {
		failed = tagVerified(ctx, r.series, s, now)
		if bucket.MissingAction(failed) != "" || errors.Is(failed, fs.ErrPermission) { // right for a drill job, whose keys may release nothing
			r.console.log.Debug("the snapshot has no tag of its drill, but a record", "snapshot", s.ID, "reason", failed)
			failed = nil
		}
	}
	if failed != nil {
		notRecorded = fmt.Errorf("%w: snapshot %s: %v", errNotRecorded, s.ID, failed)
	}
	return name, notRecorded
}

// sealTo returns whom the content of a snapshot's record is encrypted to.
func (r *recorder) sealTo(s series.Snapshot) []age.Recipient {
	if !s.Encrypted {
		return nil
	}
	if len(r.recipients) > 0 {
		return r.recipients
	}
	if reader := r.witness.recipient(); reader != nil {
		return []age.Recipient{reader}
	}
	r.console.log.Warn("the drill's record has neither queries nor answers, because no identity has read the snapshot; --age-recipient encrypts them", "snapshot", s.ID)
	return nil
}

// tagVerified sets the tag lifeboat-verified to now, the time of a drill of the snapshot
// that passed, and keeps the other tags.
func tagVerified(ctx context.Context, b bucket.Bucket, s series.Snapshot, now time.Time) error {
	_, err := series.ChangeTags(ctx, b, s.Object, func(tags bucket.Tags) error {
		series.Stamp(tags, series.TagVerified, now)
		return nil
	})
	return err
}

// recordOf returns the record of a drill that has ended at now with err.
func recordOf(s series.Snapshot, d drillDocument, found restore.VerifyReport, now time.Time, err error) drill.Record {
	host, _ := os.Hostname() // "" where it is not known
	r := drill.Record{
		Tool: "lifeboat " + programVersion(), Host: host, Time: now,
		Snapshot: s.ID, Chain: drill.ChainOf(s), Encrypted: s.Encrypted, Passed: d.Verified,
		Frames: found.Frames, Check: found.Passed, Size: found.Manifest.Size, Reused: found.Reused, Asked: d.asked,
		Seconds: drill.Seconds{
			Fetch: found.Took.Fetch.Seconds(), Decode: found.Took.Decode.Seconds(), Check: found.Took.Check.Seconds(), Queries: found.Took.Queries.Seconds(), Total: d.Seconds,
		},
		Content: &drill.Content{Database: found.Manifest.Database, Digest: found.Manifest.Digest, Queries: found.Queries, ForeignKeys: found.ForeignKeys},
	}
	for _, q := range found.Queries {
		if q.True {
			r.True++
		}
	}
	if !d.Verified {
		r.Exit, r.Reason = verdict(err)
		r.Content.Error = terminal.ValidText(terminal.OneLine(err))
	}
	return r
}
