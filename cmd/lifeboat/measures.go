package main

import (
	"context"
	"fmt"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/reports"
	"github.com/lifeboat-sqlite/lifeboat/lifecycle"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// measuresOf returns the metrics of a backup.
func measuresOf(r upload.BackupResult) []reports.Measure {
	uploaded, unchanged := float64(r.Snapshot.Object.Size), 0.0
	if r.Unchanged {
		uploaded, unchanged = 0, 1
	}
	full := 0.0
	if r.Snapshot.Full() {
		full = 1
	}
	chain := describeChain(r.Snapshot)
	stages := map[string]float64{string(upload.StageRead): 0, string(upload.StageCopy): 0, string(upload.StageDigest): 0, string(upload.StageUpload): 0}
	for stage, took := range r.Took {
		stages[string(stage)] = took.Seconds()
	}
	return []reports.Measure{
		{Name: "backup_stage_duration_seconds", Help: "How long each stage of the last backup took that was done.", Label: "stage", Values: stages},
		{Name: "backup_read_bytes", Help: "Size of the database as the last backup read it.", Value: float64(r.Size)},
		{Name: "backup_pages", Help: "Pages of the database.", Value: float64(r.PageCount)},
		{Name: "backup_stored_bytes", Help: "Size of the newest snapshot's object.", Value: float64(r.Snapshot.Object.Size)},
		{Name: "backup_uploaded_bytes", Help: "Size of what the last backup uploaded, 0 if the database was unchanged.", Value: uploaded},
		{Name: "backup_uploaded_pages", Help: "Pages that the last backup uploaded, 0 if the database was unchanged.", Value: float64(r.ArchivePages)},
		{Name: "backup_full", Help: "1 if the newest snapshot is a full one, 0 if it is a differential.", Value: full},
		{Name: "backup_chain_objects", Help: "Objects that a restore of the newest snapshot fetches.", Value: float64(chain.ChainObjects)},
		{Name: "backup_chain_bytes", Help: "Size of those objects together.", Value: float64(chain.ChainBytes)},
		{Name: "backup_weight_bytes", Help: "Size of the full snapshot that the newest one stands on, or is.", Value: float64(chain.Weight)},
		{Name: "backup_unchanged", Help: "1 if the last backup found the database unchanged.", Value: unchanged},
		{Name: "backup_restarts", Help: "How often the reading began anew because of writers.", Value: float64(r.Restarts)},
	}
}

// survey adds the metrics of the series after a backup to its report.
func survey(ctx context.Context, report *reports.Report, b bucket.Bucket, hold time.Duration) error {
	items, err := lifecycle.Survey(ctx, b, hold)
	if err != nil {
		return fmt.Errorf("%w: %w", reports.ErrNotReported, err)
	}
	report.Add(measuresOfSeries(items)...)
	return nil
}

// measuresOfSeries returns the metrics of a series. Every class has a value, so
// that no value of an earlier run stays.
func measuresOfSeries(items []lifecycle.Item) []reports.Measure {
	classes := map[string]float64{"held": 0, series.Pinned: 0, "none": 0}
	for _, class := range lifecycle.Classes() {
		classes[string(class)] = 0
	}
	var newest time.Time
	for _, item := range items {
		if item.Counts() {
			newest = item.ID.Time()
		}
		class := "none" // no tag of ours
		switch tag := item.Tags[series.TagRetention]; {
		case item.Held():
			class = "held"
		case tag == series.Pinned || item.Released() != "":
			class = tag
		}
		classes[class]++
	}
	all := []reports.Measure{{Name: "snapshots", Help: "Snapshots by retention class, those that are held or pinned, and those without a tag.", Label: "class", Values: classes}}
	if !newest.IsZero() {
		all = append(all, reports.Measure{Name: "newest_snapshot_timestamp_seconds", Help: "When the newest snapshot was taken.", Value: float64(newest.Unix())})
	}
	return all
}
