package main

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
	"github.com/lifeboat-sqlite/lifeboat/restore"
	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// snapshotFlags are seriesFlags for a command about one snapshot, which the URL may
// name.
type snapshotFlags struct {
	URL      snapshotURL `arg:"" name:"bucket-url" help:"Where the snapshots are: s3://bucket/prefix or file:///dir."`
	RetryFor duration    `default:"2m" placeholder:"2m" group:"Store" help:"How long to retry a store that fails."`
}

func (s snapshotFlags) series() seriesFlags { return seriesFlags{s.URL.bucketURL, s.RetryFor} }

func (s snapshotFlags) open(ctx context.Context, c *console, o upload.Options) (bucket.Bucket, error) {
	return s.series().open(ctx, c, o)
}

func (s snapshotFlags) lookedUp(err error) error { return s.series().lookedUp(err) }

// idArgument names a snapshot without a flag, behind the bucket URL.
type idArgument struct {
	ID choice `arg:"" optional:"" name:"id" help:"The snapshot, as --snapshot names it."`
}

// whichFlags name one snapshot of a series, the newest if none is given.
type whichFlags struct {
	Snapshot choice `placeholder:"latest" xor:"which" help:"latest (the default), an ID, its start, or a date."`
	At       moment `placeholder:"TIME" xor:"which" help:"The newest by then: \"2026-11-20 17:00\" (UTC), \"17:00 CET\", 2026-11-20 (its end), or 2h (ago)."`
	Before   choice `placeholder:"ID" xor:"which" group:"Which snapshot" help:"The newest that is older than this one."`
}

// with returns the flags with the other ways to name a snapshot: "" for one that was
// not used. The error says that the command line names two.
func (w whichFlags) with(others ...choice) (whichFlags, error) {
	for _, name := range others {
		switch {
		case name == "":
		case w.Snapshot != "" && w.Snapshot != name:
			return w, usage("the command line names two snapshots, %s and %s: choose", name, w.Snapshot)
		case !w.At.IsZero():
			return w, usage("the command line names a snapshot, %s, and --at: choose", name)
		case w.Before != "":
			return w, usage("the command line names a snapshot, %s, and --before: choose", name)
		default:
			w.Snapshot = name
		}
	}
	return w, nil
}

// find returns the snapshot that the flags name. One that is named by a time it also
// prints, on stderr.
func (w *whichFlags) find(ctx context.Context, c *console, b bucket.Bucket) (series.Snapshot, error) {
	s := restore.Selector{Which: string(w.Snapshot), At: w.At.Time, Before: snapshot.ID(w.Before), Log: c.log}
	if _, err := snapshot.ParseID(string(w.Before)); w.Before != "" && err != nil {
		return series.Snapshot{}, usage("--before: %w", err)
	}
	if first, last, is := w.Snapshot.day(); is {
		s.Which, s.Since, s.At = "", first, last
	}
	now := time.Now()
	if s.At.After(now) && s.Since.IsZero() {
		c.log.Warn(fmt.Sprintf("%s is still to come, so this is the newest snapshot", utc(s.At)))
	}
	found, err := restore.Select(ctx, b, s)
	if errors.Is(err, restore.ErrNoSnapshot) {
		if below := someSeriesBelow(ctx, b); below != "" {
			return found, &hinted{err, below}
		}
	}
	if err == nil && !s.At.IsZero() {
		c.note(fmt.Sprintf("at %s: snapshot %s, taken %s", utc(s.At), found.ID, terminal.Ago(found.ID.Time(), now)))
	}
	return found, err
}

// A choice names a snapshot: latest, an ID, its beginning, or a date. Given, it is
// never empty: a script whose variable is unset must not get the newest one instead.
type choice string

// UnmarshalText implements encoding.TextUnmarshaler. It takes an object's name for the
// ID in it.
func (c *choice) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		return errors.New("it is empty: latest, an ID, or the beginning of one")
	}
	if isSecret(string(text)) {
		return errors.New("it names a snapshot, and was given a private key")
	}
	*c = choice(text)
	if id := idOf(path.Base(string(text))); id != "" {
		*c = choice(id)
	}
	return nil
}

// idOf returns the ID of the snapshot whose object, or whose file of tags, has that
// name, "" if it is not such a name.
func idOf(name string) snapshot.ID {
	if n, ok := series.ParseName(name); ok {
		return n.ID
	}
	if id, err := snapshot.ParseID(strings.TrimSuffix(name, ".tags")); err == nil {
		return id
	}
	return ""
}

// day returns the first and the last second of the day that the choice is.
func (c choice) day() (first, last time.Time, is bool) {
	first, err := time.Parse(time.DateOnly, string(c))
	return first, first.Add(24*time.Hour - time.Second), err == nil
}

// latest names the newest snapshot.
const latest = "latest"

func utc(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 MST") }
