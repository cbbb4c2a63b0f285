package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/reports"
	"github.com/lifeboat-sqlite/lifeboat/lifecycle"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/cache"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// statusCmd gives up sooner than other commands: a probe has a deadline.
type statusCmd struct {
	URL      bucketURL `arg:"" optional:"" name:"bucket-url" help:"Where the snapshots are: s3://bucket/prefix or file:///dir."`
	RetryFor duration  `default:"15s" placeholder:"15s" group:"Store" help:"How long to retry a store that fails."`
	MaxAge   limit     `placeholder:"26h" help:"Exit with 9 if the newest snapshot was taken, or last confirmed, longer ago. Without it any age is fresh."`
	holdFlag
	CacheDir    string      `type:"path" placeholder:"DIR" group:"Store" help:"The --cache-dir of the backups here: status names snapshots that it does not know."`
	Copy        treeURL     `placeholder:"URL" help:"Look at the copies of lifeboat copy there, too: exit with 9 if they are further behind than --max-age. With --config: the place of copy --to."`
	CopyProfile string      `placeholder:"NAME" group:"Store" help:"AWS profile with keys and endpoint_url of --copy."`
	CopySince   since       `placeholder:"TIME" help:"The --since of the copies: older snapshots do not count as missing there."`
	CopyClass   []classFlag `placeholder:"CLASS" help:"The --class of the copies: snapshots of other classes do not count as missing there; repeatable."`
	configFlags
	reportFlags
	JSON bool `name:"json" help:"Print one JSON document."`

	name, db string // the database's, where a configuration names it
	most     int    // of due snapshots have their tags read, 0: as many as there are
	gone     bool   // the configuration has made the series, and no database has it by now
}

// status examines one series and reports the run. It returns the document also
// with an error, unless the state of the series is unknown.
func (s *statusCmd) status(ctx context.Context, c *console) (d *healthDocument, err error) {
	report, c, err := s.start(ctx, c, reports.Run{Verb: "status", URL: s.URL.String()})
	if err != nil {
		return nil, err
	}
	defer func() { err = report.End(ctx, err) }()
	defer recovered(&err)
	b, err := seriesFlags{s.URL, s.RetryFor}.open(ctx, c, upload.Options{})
	if err != nil {
		return nil, err
	}
	found, err := s.examine(ctx, c, b)
	if err != nil {
		return nil, err
	}
	if s.Copy != (treeURL{}) {
		found.Copy = s.examineCopy(ctx, c, b, &found)
	}
	report.Succeeded = true // whatever the state is
	report.Add(found.measures()...)
	if err = found.verdict(); err == nil {
		report.Did = found.text(noticePage())
	}
	return &found, err
}

// examine returns the state of a series.
func (s *statusCmd) examine(ctx context.Context, c *console, b bucket.Bucket) (healthDocument, error) {
	d := healthDocument{URL: s.URL.String(), MaxAge: time.Duration(s.MaxAge).Seconds(), Sizes: []sizeDocument{}, Broken: []string{}, Unknown: []string{}, Warnings: []string{}}
	items, err := s.survey(ctx, b)
	readable := !errors.Is(err, bucket.ErrRefused)
	if !readable {
		// Perhaps only tags are refused.
		d.Warnings = append(d.Warnings, fmt.Sprintf("not known: retention, and when the newest was last confirmed: %v", err))
		items, err = lifecycle.List(ctx, b, time.Time{})
	}
	if errors.Is(err, bucket.ErrNotFound) { // a directory that does not exist yet
		err = nil
	}
	if err != nil {
		return d, err
	}
	terms := lifecycle.Terms{Hold: s.holdOf()}
	d.now = series.Present(b)
	if terms.Policy, err = d.rules(ctx, b); err != nil {
		return d, err
	}
	d.describe(items, terms, d.now)
	if !readable {
		d.Held = nil
	}
	d.describeStrangers(strangers(c, b, whose{cacheDir(s.CacheDir, os.Getenv), s.name, s.db}, items))
	d.gone = s.gone
	if _, err := os.Stat(s.db); s.db != "" && !s.gone && !errors.Is(err, fs.ErrNotExist) {
		d.here = s.db
	}
	d.judge(time.Duration(s.MaxAge))
	return d, nil
}

// survey returns the snapshots of a series.
func (s *statusCmd) survey(ctx context.Context, b bucket.Bucket) ([]lifecycle.Item, error) {
	if s.most > 0 {
		return lifecycle.SurveyUpTo(ctx, b, s.holdOf(), s.most)
	}
	return lifecycle.Survey(ctx, b, s.holdOf())
}

// lookedUp is how many of the newest snapshots status looks up in the cache.
const lookedUp = 32

// whose says whose snapshots this machine's cache is asked about.
type whose struct {
	cacheDir string
	name, db string // the database's, "" where they are not known
}

// strangers returns those of the newest snapshots that are none of this machine's. A
// machine that has no cache of the series knows of none.
func strangers(c *console, b bucket.Bucket, w whose, items []lifecycle.Item) []series.Snapshot {
	if w.cacheDir == "" || len(items) == 0 {
		return nil
	}
	for i := len(items) - 1; w.name == "" && i >= 0; i-- {
		w.name = series.DatabaseName(items[i].Tags)
	}
	known, err := cache.Find(w.cacheDir, b, w.name, w.db)
	if err != nil {
		c.log.Debug("whose snapshots these are is not known", "reason", err)
		return nil
	}
	var newest []series.Snapshot
	for _, item := range items[max(0, len(items)-lookedUp):] {
		newest = append(newest, item.Snapshot)
	}
	return known.Strangers(newest)
}
