package main

import (
	"cmp"
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
	"github.com/lifeboat-sqlite/lifeboat/lifecycle"
	"github.com/lifeboat-sqlite/lifeboat/restore"
	"github.com/lifeboat-sqlite/lifeboat/restore/untrusted"
	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

type verifyCmd struct {
	snapshotFlags
	configFlags
	idArgument

	Snapshot choice    `placeholder:"latest" xor:"which" help:"latest (the default), an ID, its start, or a date."`
	At       moment    `placeholder:"TIME" xor:"which" group:"Which snapshot" help:"The newest by then: \"2026-11-20 17:00\" (UTC), \"17:00 CET\", 2026-11-20 (its end), or 2h (ago)."`
	Sample   oneOrMore `placeholder:"N" xor:"which" group:"Which snapshot" help:"The newest and N random older ones. With --config: the newest of N databases, those drilled longest ago first."`
	All      bool      `xor:"which" group:"Which snapshot" help:"Every snapshot of the series."`
	Latest   bool      `xor:"which" group:"Which snapshot" help:"The newest only: the default."`
	identityFlag
	cacheFlag

	Check      snapshot.CheckLevel `enum:",quick,full,none" default:"" placeholder:"quick|full|none" help:"What SQLite checks: quick (the default), full, or none. The first two look at foreign keys, too."`
	CheckLimit limit               `placeholder:"TIME" group:"The drill" help:"Time limit of the check, if not 1m and 1m per GiB."`
	SQL        []string            `name:"sql" sep:"none" placeholder:"SELECT" help:"A query that must give one true number; repeatable."`
	SQLLimit   limit               `name:"sql-limit" default:"1m" placeholder:"1m" group:"The drill" help:"Time limit of each query."`
	Fast       bool                `group:"The drill" help:"Fetch, decode and compare digests only; needs no disk."`
	TempDir    string              `type:"existingdir" placeholder:"DIR" group:"The drill" help:"Directory to rebuild the database in; needs room for all of it."`
	Record     bool                `help:"Record each drill in the bucket; tag what passes."`
	recipientFlags
	lockFlags

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
	Verified    bool                    `json:"verified"`
	Database    string                  `json:"database,omitempty"`
	Size        int64                   `json:"size,omitempty"` // of the database
	Digest      string                  `json:"digest,omitempty"`
	Frames      bool                    `json:"frames"`                 // all fetched and decoded, with the right digests
	Check       snapshot.CheckLevel     `json:"check,omitempty"`        // that the database has passed
	ForeignKeys *untrusted.ForeignKeys  `json:"foreign_keys,omitempty"` // absent: not looked at
	Queries     []untrusted.QueryResult `json:"queries"`
	Error       string                  `json:"error,omitempty"`
	Exit        int                     `json:"exit"` // the exit code that this one alone would give
	Gone        bool                    `json:"gone"` // it or its base, by retention: no failure among several
	Recorded    bool                    `json:"recorded"`
	Record      string                  `json:"record,omitempty"` // the object of its record, below the bucket URL
	Seconds     float64                 `json:"seconds"`

	asked int // how many queries
}

// Validate implements kong's check of flags that depend on each other.
func (v *verifyCmd) Validate() error {
	switch {
	case v.Fast && len(v.SQL) > 0:
		return errors.New("--fast rebuilds no database, so --sql has none to query")
	case v.Fast && v.Check != "" && v.Check != snapshot.CheckNone:
		return errors.New("--fast rebuilds no database, so --check has none to check")
	case slices.ContainsFunc(v.SQL, func(query string) bool { return strings.TrimSpace(query) == "" }):
		return errors.New("--sql is empty")
	case v.Record && (v.Fast || v.Check == snapshot.CheckNone):
		return errors.New("--record is for a drill with a check: --fast and --check none do not fit")
	}
	return v.checkLock()
}

// drillsInNotice is how many failed drills a notice describes.
const drillsInNotice = 10

// Run implements the command.
func (v *verifyCmd) Run(ctx context.Context, c *console) error {
	if c.workers != nil { // one of several databases
		return v.verify(ctx, c)
	}
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
	if err := v.sortInTempDir(); err != nil {
		return err
	}
	seen := &witness{}
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
	recorder, err := v.recorder(ctx, c, b, seen)
	if err != nil {
		return err
	}
	verify, closeVerifier := v.verifier(c, b, chosen, seen.watch(identities))
	defer func() { err = cmp.Or(err, closeVerifier()) }()
	for _, s := range restore.ByChain(chosen) {
		drill, err := v.drill(ctx, c, b, s, verify, recorder)
		d.Snapshots = append(d.Snapshots, drill)
		if err != nil {
			failed = append(failed, err)
		}
		shown := drill
		if len(chosen) == 1 {
			shown.Error = "" // the command's own error says it
		}
		if len(chosen) == 1 && err == nil {
			// The answers to --sql are content of the database: a notice has them only of
			// a drill that failed, where they say why.
			report.Did, _, _ = strings.Cut(shown.text(terminal.Plain), "\n")
			report.Did += "\n"
		} else if len(chosen) > 1 && err != nil && len(failed) <= drillsInNotice {
			report.Did += shown.text(terminal.Plain)
		}
		if !v.JSON && (!drill.Verified || !c.Quiet) {
			printing = errors.Join(printing, c.result(false, nil, shown.text(terminal.Painter(c.stdout))))
		}
		if ctx.Err() != nil || errors.Is(err, bucket.ErrUnreachable) { // the others would fail as slowly
			break
		}
	}
	report.Succeeded = d.judge(len(chosen))
	if len(chosen) > 1 {
		report.Did += d.sum(len(chosen))
	}
	report.Add(measuresOfDrills(d.Snapshots)...)
	err = v.summary(ctx, b, d, chosen, failed)
	if v.JSON {
		printing = c.result(true, d, "")
	} else if len(chosen) > 1 && (!d.Verified || !c.Quiet) {
		printing = errors.Join(printing, c.result(false, nil, d.sum(len(chosen))))
	}
	return errors.Join(err, printing)
}

// judge sorts the drills and notes whether all of those asked for passed. It reports
// whether they did and one of them proves something: not all had gone.
func (d *verifyDocument) judge(asked int) bool {
	slices.SortStableFunc(d.Snapshots, func(a, b drillDocument) int { return cmp.Compare(b.ID, a.ID) })
	d.Verified = len(d.Snapshots) == asked && !slices.ContainsFunc(d.Snapshots, func(s drillDocument) bool { return !s.Verified && !s.Gone })
	return d.Verified && slices.ContainsFunc(d.Snapshots, func(s drillDocument) bool { return s.Verified })
}

// sortInTempDir has SQLite sort there what does not fit into memory.
func (v *verifyCmd) sortInTempDir() error {
	if v.TempDir == "" {
		return nil
	}
	return os.Setenv("SQLITE_TMPDIR", v.TempDir)
}

// choose returns the snapshots that the flags mean.
func (v *verifyCmd) choose(ctx context.Context, c *console, b bucket.Bucket) ([]series.Snapshot, error) {
	which, err := whichFlags{Snapshot: v.Snapshot, At: v.At}.with(v.URL.Named, v.ID)
	if err != nil {
		return nil, err
	}
	if !v.All && v.Sample == 0 {
		found, err := which.find(ctx, c, b)
		return []series.Snapshot{found}, err
	}
	if which.Snapshot != "" {
		return nil, usage("the command line names one snapshot, %s, and asks for several: choose", which.Snapshot)
	}
	all, err := series.Snapshots(ctx, b, time.Time{})
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%w in %s", restore.ErrNoSnapshot, b.URL())
	}
	if v.All {
		return all, nil
	}
	newest, err := restore.Select(ctx, b, restore.Selector{Log: c.log})
	if err != nil {
		return nil, err
	}
	return sample(all, newest, int(v.Sample), rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))), nil
}

// sample returns the newest of the snapshots and up to n random older ones, of those
// that count.
func sample(all []series.Snapshot, newest series.Snapshot, n int, random *rand.Rand) []series.Snapshot {
	older := slices.DeleteFunc(slices.Clone(all), func(s series.Snapshot) bool { return !s.Counts() || s.ID >= newest.ID })
	chosen := []series.Snapshot{newest}
	for _, i := range random.Perm(len(older))[:min(n, len(older))] {
		chosen = append(chosen, older[i])
	}
	return chosen
}

// A verifyFunc makes the drill of one snapshot.
type verifyFunc func(context.Context, series.Snapshot) (restore.VerifyReport, error)

// verifier returns what makes the drills. Of several snapshots it fetches once what
// they have in common.
func (v *verifyCmd) verifier(c *console, b bucket.Bucket, chosen []series.Snapshot, identities []age.Identity) (verify verifyFunc, end func() error) {
	o := restore.VerifyOptions{
		Identities: identities, Fast: v.Fast, Check: v.Check, Queries: v.SQL, QueryTime: time.Duration(v.SQLLimit), TempDir: v.TempDir,
		Progress: v.progress(c), Examiner: worker.Examiner{Pool: c.workers, Limit: time.Duration(v.CheckLimit)}, Passed: learner{v.cacheDir(), b, c.log}.learn, Log: c.log,
	}
	if len(chosen) > 1 {
		several := restore.NewVerifier(b, o)
		return several.Verify, several.Close
	}
	return func(ctx context.Context, s series.Snapshot) (restore.VerifyReport, error) {
		return restore.Verify(ctx, b, s, o)
	}, func() error { return nil }
}

// drill verifies one snapshot and records that. If it succeeds but cannot be recorded,
// drill returns an error with a document that is verified.
func (v *verifyCmd) drill(ctx context.Context, c *console, b bucket.Bucket, s series.Snapshot, verify verifyFunc, recorder *recorder) (drillDocument, error) {
	began := time.Now()
	r, err := verify(ctx, s)
	if err == nil && !v.Fast {
		c.progress("check")(r.Manifest.Size, r.Manifest.Size)
	}
	c.endProgress()
	learner{v.cacheDir(), b, c.log}.unlearn(ctx, s, err)
	d := drillDocument{
		snapshotDocument: describeSnapshot(s), Verified: err == nil || errors.Is(err, restore.ErrLeft), Database: r.Manifest.Database, Size: r.Manifest.Size,
		Digest: r.Manifest.Digest, Frames: r.Frames, Check: r.Passed, ForeignKeys: r.ForeignKeys,
		Queries: append([]untrusted.QueryResult{}, r.Queries...), Seconds: time.Since(began).Seconds(), asked: len(v.SQL),
	}
	if r.ForeignKeys != nil && r.ForeignKeys.Violations > 0 {
		c.log.Warn("foreign keys are violated, as they were when the snapshot was taken", "snapshot", s.ID, "rows", r.ForeignKeys.Violations)
	}
	if (v.All || v.Sample > 0) && wentByRetention(ctx, b, s, err) {
		d.Gone = true
		return d, nil
	}
	var notRecorded error
	d.Record, notRecorded = recorder.record(ctx, s, d, r, err)
	d.Recorded, err = d.Record != "" && notRecorded == nil, errors.Join(err, notRecorded)
	if err != nil {
		d.Error, d.Exit = terminal.OneLine(err), exitCode(err)
	}
	return d, err
}

// wentByRetention reports whether an object is missing because retention has taken it
// since the listing: the snapshot itself is no longer listed, or its own time is over, so
// that its base may go hours before it does. An error on the way is no such proof.
func wentByRetention(ctx context.Context, b bucket.Bucket, s series.Snapshot, err error) bool {
	if !errors.Is(err, restore.ErrGone) && !errors.Is(err, bucket.ErrNotFound) {
		return false
	}
	listed, notListed := series.Snapshots(ctx, b, s.ID.Time())
	if notListed != nil {
		return false
	}
	if !slices.ContainsFunc(listed, func(other series.Snapshot) bool { return other.Object.Name == s.Object.Name }) {
		return true
	}
	tags, damaged, noTags := series.ReadTags(ctx, b, s.Object)
	policy, noPolicy := bucketPolicy(ctx, b)
	if noTags != nil || damaged != nil || noPolicy != nil {
		return false
	}
	alone := []lifecycle.Item{{Snapshot: s, Tags: tags, TagsKnown: true}}
	return isOver(lifecycle.Decide(alone, lifecycle.Terms{Policy: policy}, series.Present(b))[0], series.Present(b))
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
func (v *verifyCmd) summary(ctx context.Context, b bucket.Bucket, d verifyDocument, chosen []series.Snapshot, failed []error) error {
	switch {
	case len(failed) == 0:
		return nil
	case len(chosen) == 1 && errors.Is(failed[0], worker.ErrTooLong): // its own hint is of more use than an older one
		return failed[0]
	case len(chosen) == 1:
		return withInstead(ctx, b, chosen[0], v.command(), failed[0])
	}
	text := fmt.Sprintf("%d of %d snapshots failed", len(failed), len(chosen))
	if untried := len(chosen) - len(d.Snapshots); untried > 0 {
		text += fmt.Sprintf(", %d more were not tried", untried)
	}
	err := error(&drillsError{text, failed})
	for _, s := range d.Snapshots {
		if s.Verified && !s.Implausible && !d.Verified {
			return &hinted{err, "the newest of those that passed is " + s.ID}
		}
	}
	return err
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
