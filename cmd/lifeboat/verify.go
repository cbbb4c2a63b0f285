package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"time"

	"filippo.io/age"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/reports"
	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/worker"
	"github.com/lifeboat-sqlite/lifeboat/restore"
	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

type verifyCmd struct {
	seriesFlags

	Snapshot choice `placeholder:"latest" xor:"which" help:"latest (the default), an ID, or its beginning."`
	Sample   int    `placeholder:"N" xor:"which" group:"Which snapshot" help:"The newest and N random older ones."`
	All      bool   `xor:"which" group:"Which snapshot" help:"Every snapshot of the series."`
	Latest   bool   `xor:"which" group:"Which snapshot" help:"The newest only: the default."`
	identityFlag

	Check      snapshot.CheckLevel `enum:",quick,full,none" default:"" placeholder:"quick|full|none" help:"What SQLite checks: quick (the default), full, or none. The first two look at foreign keys, too."`
	CheckLimit duration            `placeholder:"TIME" group:"The drill" help:"Time limit of the check, if not 1m and 1m per GiB."`
	SQL        []string            `name:"sql" sep:"none" placeholder:"SELECT" help:"A query that must return one true number; repeatable."`
	SQLLimit   duration            `name:"sql-limit" default:"1m" placeholder:"1m" group:"The drill" help:"Time limit of each query."`
	Fast       bool                `group:"The drill" help:"Fetch, decode and compare digests only; needs no disk."`
	TempDir    string              `type:"existingdir" placeholder:"DIR" group:"The drill" help:"Directory to rebuild the database in; needs room for all of it."`
	Record     bool                `help:"Write the time into the snapshot's tag lifeboat-verified if it passes."`

	reportFlags
	JSON bool `name:"json" help:"Print one JSON document."`
}

// verifyDocument is what verify --json prints, also when a drill fails.
type verifyDocument struct {
	URL       string          `json:"url"`
	Verified  bool            `json:"verified"`  // all that was asked for
	Snapshots []drillDocument `json:"snapshots"` // those that were tried, the newest first
}

// drillDocument is the result of one drill. Sizes are in bytes.
type drillDocument struct {
	snapshotDocument
	Verified    bool                  `json:"verified"`
	Database    string                `json:"database,omitempty"`
	Size        int64                 `json:"size,omitempty"` // of the database
	Digest      string                `json:"digest,omitempty"`
	Frames      bool                  `json:"frames"`                 // all fetched and decoded, with the right digests
	Check       snapshot.CheckLevel   `json:"check,omitempty"`        // that the database has passed
	ForeignKeys *restore.ForeignKeys  `json:"foreign_keys,omitempty"` // absent: not looked at
	Queries     []restore.QueryResult `json:"queries"`
	Error       string                `json:"error,omitempty"`
	Exit        int                   `json:"exit"`     // the exit code that this one alone would give
	Gone        bool                  `json:"gone"`     // by retention, between listing and drill: no failure among several
	Recorded    bool                  `json:"recorded"` // in the snapshot's tag
	Seconds     float64               `json:"seconds"`
}

// Validate implements kong's check of flags that depend on each other.
func (v *verifyCmd) Validate() error {
	switch {
	case v.Sample < 0:
		return errors.New("--sample must be at least 0")
	case v.Fast && len(v.SQL) > 0:
		return errors.New("--fast rebuilds no database, so --sql has none to query")
	case v.Fast && v.Check != "" && v.Check != snapshot.CheckNone:
		return errors.New("--fast rebuilds no database, so --check has none to check")
	case slices.ContainsFunc(v.SQL, func(query string) bool { return strings.TrimSpace(query) == "" }):
		return errors.New("--sql is empty")
	case v.Record && (v.Fast || v.Check == snapshot.CheckNone):
		return errors.New("--record is for a drill with a check: --fast and --check none do not fit")
	case v.SQLLimit == 0:
		return errors.New("--sql-limit must be greater than 0")
	}
	return nil
}

// Run implements the command.
func (v *verifyCmd) Run(ctx context.Context, c *console) error {
	stop := c.startWorkers(1)
	return errors.Join(v.verify(ctx, c), stop())
}

// verify drills the chosen snapshots and reports the run.
func (v *verifyCmd) verify(ctx context.Context, c *console) (err error) {
	report, c, err := v.start(ctx, c, reports.Run{Verb: "verify", URL: v.URL.String()})
	if err != nil {
		return err
	}
	defer func() { err = report.End(ctx, err) }()
	defer recovered(&err)
	if v.TempDir != "" {
		// Where SQLite sorts what does not fit into memory.
		if err := os.Setenv("SQLITE_TMPDIR", v.TempDir); err != nil {
			return err
		}
	}
	identities, err := v.identities()
	if err != nil {
		return err
	}
	b, err := v.open(ctx, c, upload.Options{})
	if err != nil {
		return err
	}
	chosen, err := v.choose(ctx, c, b)
	if err != nil {
		return v.lookedUp(err)
	}
	d := verifyDocument{URL: v.URL.String(), Snapshots: []drillDocument{}}
	var failed []error
	var printing error
	for _, s := range chosen {
		drill, err := v.drill(ctx, c, b, s, identities)
		d.Snapshots = append(d.Snapshots, drill)
		if err != nil {
			failed = append(failed, err)
		}
		if !v.JSON && (!drill.Verified || !c.Quiet) {
			printing = errors.Join(printing, c.result(false, nil, drill.text()))
		}
		if ctx.Err() != nil || errors.Is(err, bucket.ErrUnreachable) {
			break // the others would fail as slowly
		}
	}
	d.Verified = len(d.Snapshots) == len(chosen) && !slices.ContainsFunc(d.Snapshots, func(s drillDocument) bool { return !s.Verified && !s.Gone })
	report.Succeeded = d.Verified && slices.ContainsFunc(d.Snapshots, func(s drillDocument) bool { return s.Verified })
	report.Add(measuresOfDrills(d.Snapshots)...)
	err = v.summary(ctx, b, d, len(chosen), failed)
	if v.JSON {
		printing = c.result(true, d, "")
	}
	return errors.Join(err, printing)
}

// choose returns the snapshots that the flags mean, the newest first.
func (v *verifyCmd) choose(ctx context.Context, c *console, b bucket.Bucket) ([]series.Snapshot, error) {
	if !v.All && v.Sample == 0 {
		found, err := restore.Select(ctx, b, restore.Selector{Which: string(v.Snapshot), Log: c.log})
		return []series.Snapshot{found}, err
	}
	all, err := series.Snapshots(ctx, b, time.Time{})
	if err != nil {
		return nil, err
	}
	if v.All {
		slices.Reverse(all)
	} else {
		all = restore.Sample(all, v.Sample, rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())), c.log)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%w in %s", restore.ErrNoSnapshot, b.URL())
	}
	return all, nil
}

// drill verifies one snapshot. If it succeeds but cannot be recorded, drill returns
// an error with a document that is verified.
func (v *verifyCmd) drill(ctx context.Context, c *console, b bucket.Bucket, s series.Snapshot, identities []age.Identity) (drillDocument, error) {
	began := time.Now()
	r, err := restore.Verify(ctx, b, s, restore.VerifyOptions{
		Identities: identities, Fast: v.Fast, Check: v.Check, Queries: v.SQL, QueryTime: time.Duration(v.SQLLimit),
		TempDir: v.TempDir, Progress: v.progress(c), Examiner: worker.Examiner{Pool: c.workers, Limit: time.Duration(v.CheckLimit)},
	})
	c.endProgress()
	d := drillDocument{
		snapshotDocument: describeSnapshot(s), Verified: err == nil, Database: r.Manifest.Database, Size: r.Manifest.Size,
		Digest: r.Manifest.Digest, Frames: r.Frames, Check: r.Passed, ForeignKeys: r.ForeignKeys,
		Queries: append([]restore.QueryResult{}, r.Queries...), Seconds: time.Since(began).Seconds(),
	}
	if r.ForeignKeys != nil && r.ForeignKeys.Violations > 0 {
		c.log.Warn("foreign keys are violated, as they were when the snapshot was taken", "snapshot", s.ID, "rows", r.ForeignKeys.Violations)
	}
	if errors.Is(err, bucket.ErrNotFound) && (v.All || v.Sample > 0) {
		d.Gone = true
		return d, nil
	}
	if err == nil {
		err = r.Left
	}
	if d.Verified && v.Record {
		notRecorded := restore.Record(ctx, b, s, time.Now())
		d.Recorded, err = notRecorded == nil, errors.Join(err, notRecorded)
	}
	if err != nil {
		d.Error, d.Exit = strings.ReplaceAll(err.Error(), "\n", "; "), exitCode(err)
	}
	return d, err
}

// progress shows how much is fetched, and then that SQLite checks: SQLite does not
// report how far it is.
func (v *verifyCmd) progress(c *console) func(done, total int64) {
	fetch, check := c.progress("verify"), c.progress("check")
	return func(done, total int64) {
		fetch(done, total)
		if done == total && !v.Fast {
			check(0, 0)
		}
	}
}

// summary returns the command's error, nil if nothing failed.
func (v *verifyCmd) summary(ctx context.Context, b bucket.Bucket, d verifyDocument, chosen int, failed []error) error {
	switch {
	case len(failed) == 0:
		return nil
	case chosen == 1 && errors.Is(failed[0], worker.ErrTooLong): // its own hint is of more use than an older one
		return failed[0]
	case chosen == 1:
		return withOlder(ctx, b, snapshot.ID(d.Snapshots[0].ID), v.command(), failed[0])
	}
	what := fmt.Sprintf("%d of %d snapshots", len(failed), chosen)
	if untried := chosen - len(d.Snapshots); untried > 0 {
		what += fmt.Sprintf(" (%d more were not tried)", untried)
	}
	err := fmt.Errorf("%s failed: %w", what, errors.Join(failed...))
	for _, s := range d.Snapshots {
		if s.Verified && !s.Implausible && !d.Verified {
			return &hinted{err, "the newest of those that passed is " + s.ID}
		}
	}
	return err
}

// text is the report for people.
func (d drillDocument) text() string {
	var b strings.Builder
	line := func(what, result string) {
		terminal.Fprintf(&b, "  %-13s %s\n", what, strings.Join(strings.Fields(result), " "))
	}
	state := "verified"
	switch {
	case d.Gone:
		state = "gone by now"
	case !d.Verified:
		state = "FAILED"
	}
	terminal.Fprintf(&b, "%s: snapshot %s", state, d.ID)
	if d.Database != "" {
		terminal.Fprintf(&b, " of %s, %s in %s", d.Database, terminal.Size(d.Size), time.Duration(d.Seconds*float64(time.Second)).Round(100*time.Millisecond))
	}
	b.WriteString("\n")
	if d.Frames {
		line("frames", "right, "+d.Digest)
	}
	if d.Check == snapshot.CheckQuick || d.Check == snapshot.CheckFull {
		line(string(d.Check)+" check", "ok")
	}
	if keys := d.ForeignKeys; keys != nil {
		line("foreign keys", foreignKeys(keys))
	}
	for _, q := range d.Queries {
		state := "true"
		if !q.True {
			state = "NOT TRUE"
		}
		line(state, q.Answer+": "+q.SQL)
	}
	if d.Recorded {
		line("recorded", "in its tag "+series.TagVerified)
	}
	if d.Error != "" && d.Exit != exitNotTrue { // the query has its line
		line("error", d.Error)
	}
	return b.String()
}

func foreignKeys(found *restore.ForeignKeys) string {
	switch {
	case found.Unknown != "":
		return "not known: " + found.Unknown
	case found.Violations == 0:
		return "ok"
	}
	return fmt.Sprintf("%d violated: %s", found.Violations, strings.Join(found.First, ", "))
}

// command returns this command without the choice of the snapshot.
func (v *verifyCmd) command() string {
	words := []string{"lifeboat verify", terminal.Quote(v.URL.String())}
	if v.Check != "" {
		words = append(words, "--check", string(v.Check))
	}
	if v.Fast {
		words = append(words, "--fast")
	}
	for _, query := range v.SQL {
		words = append(words, "--sql", terminal.Quote(query))
	}
	for _, path := range v.AgeIdentity {
		words = append(words, "--age-identity", terminal.Quote(path))
	}
	return strings.Join(words, " ")
}

// measuresOfDrills returns the metrics of drills, of which the newest snapshot's is
// the first.
func measuresOfDrills(drills []drillDocument) []reports.Measure {
	for _, d := range drills {
		if d.Verified && !d.Implausible {
			return []reports.Measure{{Name: "verify_newest_timestamp_seconds", Help: "When the newest snapshot was taken that the last drill proved.", Value: float64(d.Taken.Unix())}}
		}
	}
	return nil
}
