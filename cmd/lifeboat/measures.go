package main

import (
	"context"
	"fmt"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/lifecycle"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// measuresOf is what a backup that was done tells of itself.
func measuresOf(r upload.BackupResult) []measure {
	uploaded, unchanged := float64(r.Snapshot.Object.Size), 0.0
	if r.Unchanged {
		uploaded, unchanged = 0, 1
	}
	stages := map[string]float64{string(upload.StageCopy): 0, string(upload.StageDigest): 0, string(upload.StageUpload): 0}
	for stage, took := range r.Took {
		stages[string(stage)] = took.Seconds()
	}
	return []measure{
		{name: "backup_stage_duration_seconds", help: "How long each stage of the last backup took that was done.", label: "stage", values: stages},
		{name: "backup_read_bytes", help: "Size of the database as the last backup read it.", value: float64(r.Size)},
		{name: "backup_pages", help: "Pages of the database.", value: float64(r.PageCount)},
		{name: "backup_stored_bytes", help: "Size of the newest snapshot's object.", value: float64(r.Snapshot.Object.Size)},
		{name: "backup_uploaded_bytes", help: "Size of what the last backup uploaded, 0 if the database was unchanged.", value: uploaded},
		{name: "backup_unchanged", help: "1 if the last backup found the database unchanged.", value: unchanged},
		{name: "backup_restarts", help: "How often the copy began anew because of writers.", value: float64(r.Restarts)},
	}
}

// measuresOfDrills is what verify tells of the snapshots that it has tried, the
// newest first.
func measuresOfDrills(drills []drillDocument) []measure {
	for _, d := range drills {
		if d.Verified && !d.Implausible {
			return []measure{{name: "verify_newest_timestamp_seconds", help: "When the newest snapshot was taken that the last drill proved.", value: float64(d.Taken.Unix())}}
		}
	}
	return nil
}

// measures is what status tells of a series. What it cannot know it leaves as
// it was told before.
func (d *healthDocument) measures() []measure {
	var all []measure
	if d.Missing != nil {
		all = append(all, measure{name: "rules_missing", help: "Retention classes that lack a rule which they need.", value: float64(*d.Missing)})
	}
	if d.Held == nil {
		return all // tags are not known: neither is what follows from them
	}
	all = append(all,
		measure{name: "snapshots_held", help: "Snapshots that no rule takes yet.", value: float64(*d.Held)},
		measure{name: "snapshots_pinned", help: "Snapshots that no rule takes, of those whose tags status reads.", value: float64(d.pinned)},
		measure{name: "snapshots_guarded", help: "Snapshots that are due, but kept by the shrink guard.", value: float64(d.Guarded)})
	if d.Newest != nil {
		all = append(all, measure{name: "status_newest_timestamp_seconds", help: "When the newest snapshot was taken or last confirmed.", value: float64(d.Newest.seen().Unix())})
	}
	return all
}

// survey adds to the report what the series holds after a backup.
func (r *runReport) survey(ctx context.Context, b bucket.Bucket, hold time.Duration) error {
	items, err := lifecycle.Survey(ctx, b, hold)
	if err != nil {
		return fmt.Errorf("%w: %w", errNotReported, err)
	}
	r.add(measuresOfSeries(items)...)
	return nil
}

// measuresOfSeries says what a series holds. Every class has a value, so that
// none of an earlier run stays.
func measuresOfSeries(items []lifecycle.Item) []measure {
	classes := map[string]float64{series.Held: 0, series.Pinned: 0, "none": 0}
	for _, class := range lifecycle.Classes() {
		classes[string(class)] = 0
	}
	var newest time.Time
	for _, item := range items {
		if !item.Implausible {
			newest = item.ID.Time()
		}
		class := "none" // no tag of ours
		switch tag := item.Tags[series.TagRetention]; {
		case item.Held():
			class = series.Held
		case tag == series.Pinned || item.Released() != "":
			class = tag
		}
		classes[class]++
	}
	all := []measure{{name: "snapshots", help: "Snapshots by retention class, those that are held or pinned, and those without a tag.", label: "class", values: classes}}
	if !newest.IsZero() {
		all = append(all, measure{name: "newest_snapshot_timestamp_seconds", help: "When the newest snapshot was taken.", value: float64(newest.Unix())})
	}
	return all
}
