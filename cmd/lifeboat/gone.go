package main

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/databases"
	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
	"github.com/lifeboat-sqlite/lifeboat/lifecycle"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// addGone adds a task for each series in the bucket that a pattern or a search of the
// configuration has made and that none of the databases has by now. The bucket knows
// them on a new machine, too. Where a part of an entry cannot be read, nothing of that
// entry is called gone. A listing that fails is a warning.
func (s *schedule) addGone(ctx context.Context, c *console, f *onlyFlags, host string) error {
	here := s.databases()
	var entries []databases.Entry
	commands := map[int]perDatabase{}
	for _, e := range s.entries {
		_, several, err := e.Origin(host)
		unread := slices.ContainsFunc(here, func(d *databases.Database) bool {
			return d.Entry.Index == e.Index && d.Err != nil && d.BucketURL() == ""
		})
		if err == nil && several && !unread {
			entries, commands[e.Index] = append(entries, e.Entry), e.command
		}
	}
	if len(entries) == 0 {
		return nil
	}
	x := newChooser(c, f, time.Duration(commands[entries[0].Index].Status.RetryFor), host)
	all, err := x.withGone(ctx, entries, here)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	s.warnings = append(s.warnings, x.warnings...)
	if err != nil {
		s.warnings = append(s.warnings, "databases that are gone are not looked for: "+terminal.OneLine(err))
		return nil
	}
	isHere := map[*databases.Database]bool{}
	for _, d := range here {
		isHere[d] = true
	}
	for _, d := range all {
		if !isHere[d] {
			t := &task{Database: d, command: commands[d.Entry.Index], gone: true}
			t.command.Status.URL, t.command.Status.name = bucketURL{d.URL}, d.Name
			t.placeCopy()
			s.tasks = append(s.tasks, t)
		}
	}
	return nil
}

// statusOfGone examines the series of a database that is gone. It returns nil for a
// folder without snapshots. A retired series is left to the rules: its newest snapshot
// is all that is looked at, unless that is still held.
func (t *task) statusOfGone(ctx context.Context, c *console) (*healthDocument, error) {
	s := t.command.Status
	b, err := seriesFlags{s.URL, s.RetryFor}.open(ctx, c, upload.Options{})
	if err != nil {
		return nil, err
	}
	items, err := lifecycle.List(ctx, b, time.Time{})
	if err != nil || len(items) == 0 {
		return nil, err
	}
	if newest, ok := newestItem(items); ok {
		newest.Tags, _, err = series.ReadTags(ctx, b, newest.Object)
		newest.TagsKnown = err == nil
		if _, retired := newest.Retired(); retired && !newest.Held() {
			d := &healthDocument{URL: s.URL.String(), Snapshots: len(items), Sizes: []sizeDocument{}, Broken: []string{}, Unknown: []string{}, Warnings: []string{}}
			d.describeNewest(lifecycle.Decision{Item: newest}, series.Present(b))
			d.judge(0)
			return d, nil
		}
		if err != nil && !errors.Is(err, bucket.ErrRefused) && !errors.Is(err, bucket.ErrNotFound) {
			return nil, err
		}
	}
	s.gone = true
	return s.status(ctx, c)
}

func newestItem(items []lifecycle.Item) (lifecycle.Item, bool) {
	for _, item := range slices.Backward(items) {
		if item.Counts() {
			return item, true
		}
	}
	return lifecycle.Item{}, false
}

// label names a database, by its bucket URL where its path is not known.
func (s seriesDocument) label() string { return cmp.Or(s.Path, s.URL) }
