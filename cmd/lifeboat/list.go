package main

import (
	"context"
	"errors"
	"os"
	"slices"
	"time"

	"golang.org/x/term"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/moments"
	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
	"github.com/lifeboat-sqlite/lifeboat/lifecycle"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

type listCmd struct {
	seriesFlags
	onlyFlags
	holdFlag
	CacheDir string      `type:"path" placeholder:"DIR" group:"Store" help:"The --cache-dir of the backups here: list marks snapshots that it does not know."`
	Last     oneOrMore   `placeholder:"N" help:"Only the newest N. A terminal shows 50 unless told otherwise."`
	Since    since       `placeholder:"TIME" help:"Only those taken then or later: \"2026-11-20 17:00\" (UTC), 17:00, 2026-11-20, or 2h (ago)."`
	Class    []classFlag `placeholder:"CLASS" help:"Only those of this class: recent, hourly, daily, weekly, monthly or yearly; repeatable."`
	Long     bool        `help:"More about each: tags, object, digest, base."`
	Versions bool        `help:"List overwritten and deleted snapshots, too, on a versioned bucket."`
	JSON     bool        `name:"json" help:"Print one JSON document."`
}

// A since is a moment where a time begins something.
type since struct{ time.Time }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *since) UnmarshalText(text []byte) (err error) {
	s.Time, err = moments.ParseSince(string(text), time.Now())
	return err
}

// A classFlag is a class as a flag.
type classFlag struct{ series.Class }

// UnmarshalText implements encoding.TextUnmarshaler.
func (c *classFlag) UnmarshalText(text []byte) (err error) {
	c.Class, err = series.ParseClass(string(text))
	return err
}

// listDocument is what list --json prints.
type listDocument struct {
	URL       string             `json:"url"`
	Snapshots []retainedDocument `json:"snapshots"` // sorted by ID: the newest is the last

	left int // how many older ones are not shown, though nobody asked for that
}

// shownOnTerminal is how many snapshots a terminal shows unless told otherwise: more
// scroll away.
const shownOnTerminal = 50

// Validate implements kong's check of flags that depend on each other.
func (l *listCmd) Validate() error {
	if l.Versions && (l.filters() || l.Long) {
		return errors.New("--versions lists all there is: --last, --since, --class and --long do not go with it")
	}
	return nil
}

func (l *listCmd) filters() bool { return l.Last > 0 || !l.Since.IsZero() || len(l.Class) > 0 }

// Run implements the command.
func (l *listCmd) Run(ctx context.Context, c *console) error {
	b, err := l.open(ctx, c, upload.Options{})
	if err != nil {
		return err
	}
	if l.Versions {
		return l.printVersions(ctx, c, b)
	}
	all, err := lifecycle.List(ctx, b, l.Since.Time)
	if err != nil {
		return err
	}
	shown := l.choose(all, l.limit(c))
	snapshots, err := l.retained(ctx, c, b, shown)
	if err != nil {
		return err
	}
	d := listDocument{URL: l.URL.String(), Snapshots: snapshots}
	if !l.filters() {
		d.left = len(all) - len(shown)
	}
	switch {
	case len(snapshots) == 0 && l.filters():
		c.log.Warn("there is no such snapshot in " + d.URL)
	case len(snapshots) == 0:
		c.log.Warn("there is no snapshot in " + d.URL)
		if below := someSeriesBelow(ctx, b); below != "" {
			c.note(below)
		}
	}
	err = c.result(l.JSON, d, d.text(c.page(), l.Long))
	if err == nil && len(snapshots) > 0 {
		c.suggest("to bring the newest back, in a new file", "lifeboat restore "+terminal.Quote(d.URL)+" restored.db")
	}
	return err
}

// limit returns how many snapshots are shown, 0 for all.
func (l *listCmd) limit(c *console) int {
	if l.filters() || l.JSON || !term.IsTerminal(int(c.stdout.Fd())) {
		return int(l.Last)
	}
	return shownOnTerminal
}

// choose returns the snapshots that the flags ask for, the newest n of them, and, to
// decide on their retention, all that are newer than the first.
func (l *listCmd) choose(all []lifecycle.Item, n int) []lifecycle.Item {
	first, found := len(all), 0
	for i, item := range slices.Backward(all) {
		if n > 0 && found == n {
			break
		}
		if l.isAsked(item.Class) {
			first, found = i, found+1
		}
	}
	return all[first:]
}

func (l *listCmd) isAsked(class series.Class) bool {
	return len(l.Class) == 0 || slices.Contains(l.Class, classFlag{class})
}

// retained returns the snapshots of the classes that are asked for with their retention,
// as far as these credentials may know it.
func (l *listCmd) retained(ctx context.Context, c *console, b bucket.Bucket, items []lifecycle.Item) ([]retainedDocument, error) {
	tagged, err := lifecycle.ReadTags(ctx, b, items)
	if errors.Is(err, bucket.ErrRefused) {
		c.log.Warn("retention is not shown", "cause", err)
		snapshots := []retainedDocument{}
		for _, i := range l.asked(items) {
			snapshots = append(snapshots, retainedDocument{snapshotDocument: describeSnapshot(i.Snapshot)})
		}
		return snapshots, nil
	}
	if err != nil {
		return nil, err
	}
	if damaged := lifecycle.Damaged(tagged); damaged != nil {
		c.log.Warn(hintForTags(damaged), "cause", damaged)
	}
	snapshots, err := explain(ctx, b, tagged, l.asked(tagged), l.holdOf())
	if err != nil {
		return nil, err
	}
	for _, stranger := range strangers(c, b, whose{cacheDir: cacheDir(l.CacheDir, os.Getenv)}, tagged) {
		for i := range snapshots {
			snapshots[i].Unknown = snapshots[i].Unknown || snapshots[i].ID == string(stranger.ID)
		}
	}
	return snapshots, nil
}

// asked returns the snapshots of the classes that are asked for.
func (l *listCmd) asked(items []lifecycle.Item) []lifecycle.Item {
	return slices.DeleteFunc(slices.Clone(items), func(i lifecycle.Item) bool { return !l.isAsked(i.Class) })
}
