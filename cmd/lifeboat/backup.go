package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/reports"
	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/worker"
	"github.com/lifeboat-sqlite/lifeboat/lifecycle"
	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

type backupCmd struct {
	DB       string    `arg:"" optional:"" name:"db" help:"The live database file."`
	URL      bucketURL `arg:"" optional:"" name:"bucket-url" help:"Where the snapshots are: s3://bucket/prefix or file:///dir."`
	RetryFor duration  `default:"2m" placeholder:"2m" group:"Store" help:"How long to retry a store that fails."`
	configFlags

	Name         string   `placeholder:"NAME" help:"Name of the database, if not its file name."`
	Adopt        bool     `group:"What to upload" help:"Allow a name or content that differs from the newest snapshot's."`
	Always       bool     `group:"What to upload" help:"Upload a database that is unchanged, too."`
	ConfirmEvery duration `placeholder:"12h" group:"What to upload" help:"Ask the store nothing about an unchanged database that was confirmed less than this ago. 0: each run confirms."`
	Full         bool     `group:"What to upload" help:"Upload the whole database, not what differs from an earlier snapshot. An unchanged one needs --always, too."`
	DryRun       bool     `env:"-" group:"What to upload" help:"Show what would be uploaded, and upload nothing."`

	Check      snapshot.CheckLevel `enum:"quick,full,none" default:"quick" placeholder:"quick|full|none" help:"Check the copy before it is uploaded."`
	CheckLimit limit               `placeholder:"TIME" group:"The copy" help:"Time limit of the check, if not 1m and 1m per GiB."`
	Level      snapshot.Level      `enum:"fastest,default,better,best" default:"fastest" placeholder:"LEVEL" group:"The copy" help:"Compression: fastest, default, better or best."`
	Method     snapshot.Method     `enum:"backup,vacuum" default:"backup" placeholder:"backup|vacuum" group:"The copy" help:"Copy page by page, or compact (VACUUM INTO)."`
	MaxRate    byteSize            `placeholder:"20MiB" help:"Copy at most this many bytes per second."`
	Wait       duration            `default:"30s" placeholder:"30s" group:"The copy" help:"How long to wait for locks of other connections."`
	TempDir    string              `type:"existingdir" placeholder:"DIR" help:"Directory for the copy; needs room for all of it."`
	cacheFlag

	Release string `enum:"auto,never" default:"auto" placeholder:"auto|never" group:"Retention" help:"After the upload, release older snapshots that are due (auto), or leave that to lifecycle release (never)."`
	holdFlag

	recipientFlags
	Plaintext bool `group:"Encryption" help:"Allow an unencrypted snapshot after encrypted ones."`

	newObjectFlags
	Concurrency oneOrMore `default:"4" placeholder:"4" group:"Store" help:"How many parts to upload at once."`

	hookFlags
	reportFlags

	JSON bool `name:"json" help:"Print one JSON document."`
}

// backupDocument is what backup --json prints. Sizes are in bytes.
type backupDocument struct {
	URL       string     `json:"url"`
	Snapshot  string     `json:"snapshot"`            // ID of the new snapshot, or of the one that has this content already
	Unchanged bool       `json:"unchanged"`           // nothing was uploaded
	Confirmed *time.Time `json:"confirmed,omitempty"` // by an earlier run, so recently that this one asked the store nothing
	chainDocument
	WhyFull   string             `json:"why_full,omitempty"` // why the new snapshot is a full one
	forWant   bool               // for want of a base alone
	First     bool               `json:"first"`    // the series has begun with it
	Database  string             `json:"database"` // its name in the series
	Digest    string             `json:"digest"`   // of the content
	Size      int64              `json:"size"`     // of the database
	PageCount int                `json:"page_count"`
	Pages     int                `json:"pages"` // that were uploaded: those that differ from the base, or all
	Encrypted bool               `json:"encrypted"`
	Stored    int64              `json:"stored"`   // size of the snapshot's object
	Sent      int64              `json:"sent"`     // what was uploaded: stored, or 0 if unchanged
	Restarts  int                `json:"restarts"` // how often the reading started again because of writers
	Released  []retainedDocument `json:"released"` // older snapshots that were released
	Guarded   []retainedDocument `json:"guarded"`  // older snapshots that are due, but kept because this one is suspiciously small
	Seconds   map[string]float64 `json:"seconds"`  // read, or copy and digest; upload, total
}

// Validate implements kong's check of flags that depend on each other.
func (b *backupCmd) Validate() error {
	if _, err := series.EncodeTag(b.name()); err != nil {
		return fmt.Errorf("--name: %w", err)
	}
	switch {
	case b.DB == "" && b.URL != bucketURL{}, isURL(b.DB): // as when a script's variable is not set
		return errors.New("DB is missing: lifeboat backup DB BUCKET_URL")
	case b.Plaintext && len(b.AgeRecipient)+len(b.AgeRecipientFile) > 0:
		return errors.New("--plaintext does not encrypt, --age-recipient does: choose")
	case b.Method == snapshot.MethodVacuum && b.MaxRate != 0:
		return errors.New("--method vacuum cannot keep to a --max-rate")
	}
	return b.check(b.Concurrency)
}

// name returns the database's name in the series.
func (b *backupCmd) name() string { return cmp.Or(b.Name, filepath.Base(b.DB)) }

// backup backs up one database and reports the run. If the snapshot is safe, it
// returns what to print also with an error.
func (b *backupCmd) backup(ctx context.Context, c *console) (d *backupDocument, text string, err error) {
	report, c, err := b.start(ctx, c, reports.Run{Verb: "backup", Database: b.name(), URL: b.URL.String()})
	if err != nil {
		return nil, "", err
	}
	defer func() { err = report.End(ctx, err) }()
	defer recovered(&err)
	began := time.Now()
	bucket, options, err := b.prepare(ctx, c)
	if err != nil {
		return nil, "", err
	}
	commands := b.hooks(ctx, c)
	options.Around = commands.Around
	result, done, err := b.backUp(ctx, bucket, lifecycle.Options{Terms: lifecycle.Terms{Hold: b.holdOf()}, Log: c.log}, options)
	c.endProgress()
	if err != nil && !errors.Is(err, upload.ErrIncomplete) {
		if failed := commands.Failed(); failed != nil {
			c.log.Warn("--run-after failed, too", "cause", failed)
		}
		return nil, "", err
	}
	err = errors.Join(err, commands.Failed())
	report.Succeeded = true
	report.Add(measuresOf(result)...)
	if b.WantsMetrics() {
		err = errors.Join(err, survey(ctx, report, bucket, b.holdOf()))
	}
	d = b.describe(result, done, time.Since(began))
	report.Did = d.text()
	return d, report.Did + releasedCount(done.Released), err
}

// prepare returns the bucket and what a backup to it is to do.
func (b *backupCmd) prepare(ctx context.Context, c *console) (bucket.Bucket, upload.BackupOptions, error) {
	recipients, err := b.recipients()
	if err != nil {
		return nil, upload.BackupOptions{}, err
	}
	store := b.options(b.Concurrency)
	store.TempDir = b.TempDir
	to, err := seriesFlags{b.URL, b.RetryFor}.open(ctx, c, store)
	reader := worker.Reader{Pool: c.workers, Limit: time.Duration(b.CheckLimit)}
	return to, upload.BackupOptions{
		Name: b.name(), Adopt: b.Adopt, Always: b.Always, ConfirmEvery: time.Duration(b.ConfirmEvery), Full: b.Full, CacheDir: b.cacheDir(),
		Check: b.Check, Level: b.Level, Recipients: recipients, Plaintext: b.Plaintext,
		Copy: snapshot.CopyOptions{
			TempDir: b.TempDir, Method: b.Method, MaxRate: int64(b.MaxRate), Wait: b.Wait.or(snapshot.NoWait),
		},
		Take:     reader.Take,
		Read:     reader.Read,
		Hash:     reader.Hash,
		Tool:     "lifeboat " + programVersion(),
		Progress: func(s upload.Stage, done, total int64) { c.progress(string(s))(done, total) },
		Log:      c.log,
	}, err
}

// backUp uploads, and releases older snapshots unless --release is never.
func (b *backupCmd) backUp(ctx context.Context, bucket bucket.Bucket, release lifecycle.Options, o upload.BackupOptions) (upload.BackupResult, lifecycle.Result, error) {
	if b.Release == "never" {
		done, err := upload.Backup(ctx, bucket, b.DB, o)
		return done, lifecycle.Result{}, err
	}
	return lifecycle.Backup(ctx, bucket, b.DB, o, release)
}

func (b *backupCmd) describe(r upload.BackupResult, done lifecycle.Result, took time.Duration) *backupDocument {
	d := &backupDocument{
		URL: b.URL.String(), Snapshot: string(r.Snapshot.ID), Unchanged: r.Unchanged, Confirmed: unlessZero(r.Confirmed), Database: terminal.ValidText(b.name()), Digest: r.Digest,
		chainDocument: describeChain(r.Snapshot), WhyFull: r.WhyFull, forWant: r.ForWant, First: r.First,
		Size: r.Size, PageCount: r.PageCount, Pages: r.ArchivePages, Encrypted: r.Snapshot.Encrypted, Stored: r.Snapshot.Object.Size, Restarts: r.Restarts,
		Released: describeDecisions(done.Released), Guarded: describeDecisions(done.Guarded),
		Seconds: map[string]float64{"total": took.Seconds()},
	}
	if !r.Unchanged {
		d.Sent = d.Stored
	}
	for stage, time := range r.Took {
		d.Seconds[string(stage)] = time.Seconds()
	}
	return d
}

// text returns what the backup did, in one line.
func (d *backupDocument) text() string {
	whole, stored := terminal.Size(d.Size), terminal.Size(d.Stored)+encryptedSuffix(d.Encrypted)
	took := time.Duration(d.Seconds["total"] * float64(time.Second)).Round(100 * time.Millisecond)
	switch {
	case d.Confirmed != nil:
		return terminal.Sprintf("unchanged: %s of %s, the same as snapshot %s (%s)\nthe store was not asked since %s\n", whole, d.Database, d.Snapshot, took, utc(*d.Confirmed))
	case d.Unchanged:
		return terminal.Sprintf("unchanged: %s of %s, the same as snapshot %s (%s)\n", whole, d.Database, d.Snapshot, took)
	case d.Base == "":
		text := terminal.Sprintf("uploaded: snapshot %s of %s, full: %s as %s (ratio %.2f) in %s\n", d.Snapshot, d.Database,
			whole, stored, float64(d.Size)/float64(max(d.Stored, 1)), took)
		if d.forWant {
			text += terminal.Sprintf("full because %s\n", d.WhyFull)
		}
		return text
	}
	return terminal.Sprintf("uploaded: snapshot %s of %s, on %s: %s of %s pages as %s in %s\n", d.Snapshot, d.Database, d.Base,
		humanize.Comma(int64(d.Pages)), humanize.Comma(int64(d.PageCount)), stored, took)
}
