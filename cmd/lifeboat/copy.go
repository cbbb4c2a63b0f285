package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/databases"
	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/reports"
	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/copies"
)

type copyCmd struct {
	URL      bucketURL `arg:"" name:"from-url" help:"Where the snapshots are: s3://bucket/prefix or file:///dir."`
	Target   treeURL   `arg:"" optional:"" name:"to-url" help:"Where the copies go: s3://bucket/prefix or file:///dir."`
	RetryFor duration  `default:"2m" placeholder:"2m" group:"Store" help:"How long to retry a store that fails."`
	configFlags

	FromProfile string      `placeholder:"NAME" help:"AWS profile with keys and endpoint_url of the source, if they are not those of the environment."`
	ToProfile   string      `placeholder:"NAME" help:"AWS profile with keys and endpoint_url of the target, if they are not those of the environment."`
	Since       since       `placeholder:"TIME" group:"What to copy" help:"Only those taken then or later: \"2026-11-20 17:00\" (UTC), 17:00, 2026-11-20, or 2h (ago)."`
	Class       []classFlag `placeholder:"CLASS" group:"What to copy" help:"Only those of this class: recent, hourly, daily, weekly, monthly or yearly; repeatable."`
	identityFlag
	Adopt  bool `help:"Allow a target whose snapshots have another name or content, or are none of the source's."`
	DryRun bool `env:"-" help:"Show what would be copied, and copy nothing."`

	To treeURL `placeholder:"URL" group:"Many databases" help:"With --config: copy each series to its own prefix below this place."`

	newObjectFlags
	Concurrency oneOrMore `default:"3" placeholder:"3" group:"Store" help:"How many parts to upload at once."`
	reportFlags
	JSON bool `name:"json" help:"Print one JSON document."`
}

// copyDocument is what copy --json prints, also when some snapshots are refused. Sizes
// are in bytes.
type copyDocument struct {
	From      string            `json:"from"`
	To        string            `json:"to"`
	DryRun    bool              `json:"dry_run"`
	Copied    []copiedDocument  `json:"copied"`  // in this order; with --dry-run those that would be
	Bytes     int64             `json:"bytes"`   // size of their objects
	There     int               `json:"there"`   // snapshots that the target had already
	Left      []leftDocument    `json:"left"`    // not copied, for a reason that is no failure
	Gone      []string          `json:"gone"`    // IDs of snapshots that left the source meanwhile
	Refused   []refusedDocument `json:"refused"` // that could not be copied
	Confirmed *time.Time        `json:"confirmed,omitempty"`
	Seconds   float64           `json:"seconds"`
}

// copiedDocument is one snapshot that was copied.
type copiedDocument struct {
	snapshotDocument
	VerifiedBy string `json:"verified_by,omitempty"` // frames; of an encrypted one without its key the store's checksum, or length
}

// leftDocument is one snapshot that is not copied.
type leftDocument struct {
	ID     string `json:"id"`
	Reason string `json:"reason"`
}

// refusedDocument is one snapshot that could not be copied.
type refusedDocument struct {
	ID    string        `json:"id"`
	Error errorDocument `json:"error"`
}

// Validate implements kong's check of flags that depend on each other.
func (f *copyCmd) Validate() error {
	ofFile := f.URL.String() == noURL
	switch {
	case ofFile && f.To == treeURL{}:
		return errors.New("--to is missing: the place below which the copies go")
	case !ofFile && f.To != treeURL{}:
		return errors.New("--to is for the databases of --config: without it the target is an argument")
	case !ofFile && f.Target == treeURL{}:
		return errors.New("TO_URL is missing: lifeboat copy FROM_URL TO_URL")
	}
	if !ofFile {
		if err := f.Target.isSeries(); err != nil {
			return err
		}
	}
	return f.check(f.Concurrency)
}

func (f *copyCmd) patience() time.Duration { return time.Duration(f.RetryFor) }

// take implements configurable.
func (f *copyCmd) take(d *databases.Database) (err error) {
	f.URL = bucketURL{d.URL}
	if f.Target, err = f.To.of(d.URL); err != nil {
		return usage("--to %s: %w", f.To, err)
	}
	return nil
}

// copyingParallel is how many series are copied at once by default: each has parts of an
// upload in memory.
const copyingParallel = 2

func (f *copyCmd) atOnce(inFile int) int {
	return cmp.Or(int(f.Parallel), inFile, copyingParallel)
}

// runAll copies the series of each database. Two that would meet in one place are
// refused: prefixes can be the same in different buckets.
func (f *copyCmd) runAll(ctx context.Context, c *console, s *schedule) error {
	first := map[bucket.URL]*task{}
	for _, t := range s.tasks {
		place, err := f.To.of(t.URL)
		if err != nil || t.Err != nil {
			continue // its own run says so
		}
		if other := first[place.URL]; other != nil {
			return usage("the copies of %s and %s would both go to %s: copy them with a --to each", other.BucketURL(), t.BucketURL(), place)
		}
		first[place.URL] = t
	}
	done := "copied"
	if f.DryRun {
		done = "examined"
	}
	return f.newJoint(ctx, c, s, done).runOwn()
}

// reportsOfRun implements reporting. With --dry-run nothing is reported.
func (f *copyCmd) reportsOfRun() (string, reportFlags, configFlags) {
	run := f.ofRun()
	if f.DryRun {
		run = reportFlags{}
	}
	return "copy", run, f.configFlags
}

// Run implements the command. With --dry-run it reports nothing: that would look like a
// run that copies.
func (f *copyCmd) Run(ctx context.Context, c *console) (err error) {
	to := f.reportFlags
	if f.DryRun {
		to = reportFlags{}
	}
	report, c, err := to.start(ctx, c, reports.Run{Verb: "copy", URL: f.URL.String()})
	if err != nil {
		return err
	}
	defer func() { err = report.End(ctx, err) }()
	defer recovered(&err)
	began := time.Now()
	identities, err := f.identities()
	if err != nil {
		return err
	}
	from, target, err := f.places(ctx, c)
	if err != nil {
		return err
	}
	o := copies.Options{
		Choice: chosen(f.Since, f.Class), Adopt: f.Adopt, Identities: identities, Progress: c.progress("copy"), Log: c.log,
	}
	if f.DryRun {
		result, err := copies.Preview(ctx, from, target, o)
		if err = withPolicies(err); err != nil && !errors.Is(err, copies.ErrPartly) {
			return err
		}
		d := f.describe(result)
		return errors.Join(err, c.result(f.JSON, d, d.text()))
	}
	result, err := copies.Run(ctx, from, target, o)
	err = withPolicies(err)
	c.endProgress()
	report.Succeeded = err == nil || errors.Is(err, copies.ErrPartly)
	d := f.describe(result)
	d.Seconds = time.Since(began).Seconds()
	if !report.Succeeded && len(d.Copied) == 0 {
		return err
	}
	report.Did = d.text()
	report.Add(d.measures()...)
	return errors.Join(err, c.result(f.JSON, d, c.unlessQuiet(report.Did)))
}

// withPolicies returns err with a hint at the policies for both places, if one of them
// denies a right.
func withPolicies(err error) error {
	if bucket.MissingAction(err) == "" {
		return err
	}
	return &hinted{err, "deploy/iam/restore-*.json is a policy for the keys of the source, copy-*.json for those of the target; lifeboat doctor tries out what these credentials may do"}
}

// chosen returns the choice of which snapshots are copied.
func chosen(from since, classes []classFlag) copies.Choice {
	choice := copies.Choice{Since: from.Time}
	for _, class := range classes {
		choice.Classes = append(choice.Classes, class.Class)
	}
	return choice
}

// places opens the source and the target.
func (f *copyCmd) places(ctx context.Context, c *console) (from, to bucket.Bucket, err error) {
	from, err = seriesFlags{f.URL, f.RetryFor}.open(ctx, c, upload.Options{Profile: f.FromProfile})
	if err != nil {
		return nil, nil, err
	}
	o := f.options(f.Concurrency)
	o.Profile = f.ToProfile
	to, err = seriesFlags{f.Target.bucketURL, f.RetryFor}.open(ctx, c, o)
	return from, to, err
}

func (f *copyCmd) describe(r copies.Result) copyDocument {
	d := copyDocument{
		From: f.URL.String(), To: f.Target.String(), DryRun: f.DryRun, Bytes: r.Bytes(), There: len(r.Plan.There), Confirmed: unlessZero(r.Confirmed),
		Copied: []copiedDocument{}, Left: []leftDocument{}, Gone: []string{}, Refused: []refusedDocument{},
	}
	for _, copied := range r.Copied {
		d.Copied = append(d.Copied, copiedDocument{describeSnapshot(copied.Snapshot), copied.By})
	}
	if f.DryRun {
		d.Bytes = r.Plan.Bytes()
		for _, s := range r.Plan.Copy {
			d.Copied = append(d.Copied, copiedDocument{snapshotDocument: describeSnapshot(s)})
		}
	}
	for _, left := range r.Plan.Left {
		d.Left = append(d.Left, leftDocument{string(left.ID), left.Why})
	}
	for _, s := range r.Gone {
		d.Gone = append(d.Gone, string(s.ID))
	}
	for _, refused := range r.Refused {
		d.Refused = append(d.Refused, refusedDocument{string(refused.ID), describeError(refused.Err)})
	}
	return d
}

// text returns what the copy did.
func (d copyDocument) text() string {
	var b strings.Builder
	if d.DryRun {
		for _, s := range d.Copied {
			terminal.Fprintf(&b, "would copy %s, %s\n", s.Object, terminal.Size(s.Stored))
		}
		terminal.Fprintf(&b, "would copy %d snapshots, %s; %d are there already\n", len(d.Copied), terminal.Size(d.Bytes), d.There)
	} else {
		took := time.Duration(d.Seconds * float64(time.Second)).Round(100 * time.Millisecond)
		terminal.Fprintf(&b, "copied: %d snapshots, %s in %s; %d were there already\n", len(d.Copied), terminal.Size(d.Bytes), took, d.There)
		b.WriteString(d.verified())
	}
	if d.Confirmed != nil {
		verb := "confirmed"
		if d.DryRun {
			verb = "would confirm"
		}
		terminal.Fprintf(&b, "%s: the newest was unchanged at %s\n", verb, utc(*d.Confirmed))
	}
	for _, why := range d.reasons() {
		terminal.Fprintf(&b, "left out: %s\n", why)
	}
	if len(d.Gone) > 0 {
		terminal.Fprintf(&b, "gone from the source meanwhile: %s\n", terminal.SomeOf(d.Gone))
	}
	for _, refused := range d.Refused {
		terminal.Fprintf(&b, "refused: %s: %s\n", refused.ID, refused.Error.Message)
	}
	return b.String()
}

// verified returns a line for each way in which snapshots were verified.
func (d copyDocument) verified() string {
	var ways []string
	count := map[string]int{}
	for _, s := range d.Copied {
		if count[s.VerifiedBy]++; count[s.VerifiedBy] == 1 {
			ways = append(ways, s.VerifiedBy)
		}
	}
	var b strings.Builder
	for _, way := range ways {
		switch way {
		case copies.ByFrames:
			fmt.Fprintf(&b, "verified: %d frame by frame\n", count[way])
		case copies.ByLength:
			fmt.Fprintf(&b, "verified: %d encrypted ones by their length alone; --age-identity with their key verifies the frames\n", count[way])
		default:
			fmt.Fprintf(&b, "verified: %d encrypted ones by their length and the source's %s; --age-identity with their key verifies the frames\n", count[way], way)
		}
	}
	return b.String()
}

// reasons returns a line for each reason for which snapshots were left out.
func (d copyDocument) reasons() (lines []string) {
	var order []string
	ids := map[string][]string{}
	for _, left := range d.Left {
		if ids[left.Reason] == nil {
			order = append(order, left.Reason)
		}
		ids[left.Reason] = append(ids[left.Reason], left.ID)
	}
	for _, reason := range order {
		lines = append(lines, terminal.SomeOf(ids[reason])+": "+reason)
	}
	return lines
}

// measures returns the metrics of a copy.
func (d copyDocument) measures() []reports.Measure {
	return []reports.Measure{
		{Name: "copy_snapshots", Help: "Snapshots that the last run copied.", Value: float64(len(d.Copied))},
		{Name: "copy_bytes", Help: "Bytes that the last run copied.", Value: float64(d.Bytes)},
		{Name: "copy_refused", Help: "Snapshots that the last run could not copy.", Value: float64(len(d.Refused))},
	}
}
