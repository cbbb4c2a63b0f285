package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/reports"
	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
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

	Name    string   `placeholder:"NAME" help:"Name of the database, if not its file name."`
	Adopt   bool     `group:"What to upload" help:"Allow a name or content that differs from the newest snapshot's."`
	Always  bool     `group:"What to upload" help:"Upload a database that is unchanged, too."`
	Refresh duration `default:"7d" placeholder:"7d" group:"What to upload" help:"Upload a database that is unchanged after this time."`

	Check      snapshot.CheckLevel `enum:"quick,full,none" default:"quick" placeholder:"quick|full|none" help:"Check the copy before it is uploaded."`
	CheckLimit duration            `placeholder:"TIME" group:"The copy" help:"Time limit of the check, if not 1m and 1m per GiB."`
	Level      snapshot.Level      `enum:"fastest,default,better,best" default:"fastest" placeholder:"LEVEL" group:"The copy" help:"Compression: fastest, default, better or best."`
	Method     snapshot.Method     `enum:"backup,vacuum" default:"backup" placeholder:"backup|vacuum" group:"The copy" help:"Copy page by page, or compact (VACUUM INTO)."`
	MaxRate    byteSize            `placeholder:"20MiB" help:"Copy at most this many bytes per second."`
	Wait       duration            `default:"30s" placeholder:"30s" group:"The copy" help:"How long to wait for locks of other connections."`
	TempDir    string              `type:"existingdir" placeholder:"DIR" help:"Directory for the copy; needs room for all of it."`

	Release string `enum:"auto,never" default:"auto" placeholder:"auto|never" group:"Retention" help:"After the upload, release older snapshots that are due (auto), or leave that to lifecycle release (never)."`
	holdFlag

	recipientFlags
	Plaintext bool `group:"Encryption" help:"Allow an unencrypted snapshot after encrypted ones."`

	ObjectLock string   `enum:",governance,compliance" default:"" placeholder:"MODE" group:"Store" help:"Object Lock: governance or compliance."`
	LockFor    duration `placeholder:"7d" group:"Store" help:"How long --object-lock lasts."`

	StorageClass string   `placeholder:"CLASS" group:"Store" help:"Storage class, by the name that the store has for it."`
	SSE          string   `name:"sse" enum:",AES256,aws:kms" default:"" placeholder:"AES256|aws:kms" group:"Store" help:"Encryption by the store. Your own key: LIFEBOAT_SSE_CUSTOMER_KEY."`
	SSEKMSKeyID  string   `name:"sse-kms-key-id" placeholder:"ID" group:"Store" help:"The KMS key of --sse aws:kms."`
	PartSize     byteSize `placeholder:"8MiB" group:"Store" help:"Smallest part of a multipart upload."`
	Concurrency  int      `default:"4" placeholder:"4" group:"Store" help:"How many parts to upload at once."`

	reportFlags

	JSON bool `name:"json" help:"Print one JSON document."`
}

// backupDocument is what backup --json prints. Sizes are in bytes.
type backupDocument struct {
	URL       string             `json:"url"`
	Snapshot  string             `json:"snapshot"`  // ID of the new snapshot, or of the one that has this content already
	Unchanged bool               `json:"unchanged"` // nothing was uploaded
	Database  string             `json:"database"`  // its name in the series
	Digest    string             `json:"digest"`    // of the content
	Size      int64              `json:"size"`      // of the database
	PageCount int                `json:"page_count"`
	Encrypted bool               `json:"encrypted"`
	Stored    int64              `json:"stored"`   // size of the snapshot's object
	Restarts  int                `json:"restarts"` // how often the copy started again because of writers
	Released  []retainedDocument `json:"released"` // older snapshots that were released
	Guarded   []retainedDocument `json:"guarded"`  // older snapshots that are due, but kept because this one is suspiciously small
	Seconds   map[string]float64 `json:"seconds"`  // copy, digest, upload, total
}

// Validate implements kong's check of flags that depend on each other.
func (b *backupCmd) Validate() error {
	if _, err := series.EncodeTag(b.name()); err != nil {
		return fmt.Errorf("--name: %w", err)
	}
	if err := b.configFlags.Validate(); err != nil {
		return err
	}
	switch {
	case b.DB != "" && b.URL == bucketURL{}:
		return errors.New("<bucket-url> is missing")
	case b.DB == "" && b.URL != bucketURL{}: // as when a script's variable is not set
		return errors.New("<db> is missing")
	case b.Plaintext && len(b.AgeRecipient)+len(b.AgeRecipientFile) > 0:
		return errors.New("--plaintext does not encrypt, --age-recipient does: choose")
	case b.Method == snapshot.MethodVacuum && b.MaxRate != 0:
		return errors.New("--method vacuum cannot keep to a --max-rate")
	case (b.ObjectLock == "") != (b.LockFor == 0):
		return errors.New("--object-lock and --lock-for go together")
	case b.PartSize != 0 && (b.PartSize < 5<<20 || b.PartSize > 5<<30):
		return errors.New("--part-size must be from 5MiB to 5GiB")
	case b.Concurrency < 1 || b.Concurrency > 64:
		return errors.New("--concurrency must be from 1 to 64")
	}
	return nil
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
	recipients, err := b.recipients()
	if err != nil {
		return nil, "", err
	}
	bucket, err := seriesFlags{b.URL, b.RetryFor}.open(ctx, c, upload.Options{
		PartSize: int64(b.PartSize), Concurrency: b.Concurrency, TempDir: b.TempDir, StorageClass: b.StorageClass,
		SSE:  bucket.ServerSideEncryption{Algorithm: b.SSE, KMSKeyID: b.SSEKMSKeyID},
		Lock: bucket.ObjectLock{Mode: strings.ToUpper(b.ObjectLock), For: time.Duration(b.LockFor)},
	})
	if err != nil {
		return nil, "", err
	}
	result, done, err := b.backUp(ctx, bucket, lifecycle.Options{Hold: b.holdOf(), Log: c.log}, upload.BackupOptions{
		Name: b.name(), Adopt: b.Adopt, Always: b.Always || b.Refresh == 0, Refresh: time.Duration(b.Refresh),
		Check: b.Check, Level: b.Level, Recipients: recipients, Plaintext: b.Plaintext,
		Copy: snapshot.CopyOptions{
			TempDir: b.TempDir, Method: b.Method, MaxRate: int64(b.MaxRate), Wait: b.Wait.forLocks(),
		},
		Take: func(ctx context.Context, path string, o snapshot.CopyOptions) (*snapshot.Copy, error) {
			return c.workers.Take(ctx, path, o, time.Duration(b.CheckLimit))
		},
		Tool:     "lifeboat " + programVersion(),
		Progress: func(s upload.Stage, done, total int64) { c.progress(string(s))(done, total) },
		Log:      c.log,
	})
	c.endProgress()
	if err != nil && !errors.Is(err, upload.ErrIncomplete) {
		return nil, "", err
	}
	report.Succeeded = true
	report.Add(measuresOf(result)...)
	if b.WantsMetrics() {
		err = errors.Join(err, survey(ctx, report, bucket, b.holdOf()))
	}
	d, text = b.describe(result, done, time.Since(began))
	return d, text, err
}

// backUp uploads, and releases older snapshots unless --release is never.
func (b *backupCmd) backUp(ctx context.Context, bucket bucket.Bucket, release lifecycle.Options, o upload.BackupOptions) (upload.BackupResult, lifecycle.Result, error) {
	if b.Release == "never" {
		done, err := upload.Backup(ctx, bucket, b.DB, o)
		return done, lifecycle.Result{}, err
	}
	return lifecycle.Backup(ctx, bucket, b.DB, o, release)
}

func (b *backupCmd) describe(r upload.BackupResult, done lifecycle.Result, took time.Duration) (*backupDocument, string) {
	d := &backupDocument{
		URL: b.URL.String(), Snapshot: string(r.Snapshot.ID), Unchanged: r.Unchanged, Database: terminal.ValidText(b.name()), Digest: r.Digest,
		Size: r.Size, PageCount: r.PageCount, Encrypted: r.Snapshot.Encrypted, Stored: r.Snapshot.Object.Size, Restarts: r.Restarts,
		Released: describeDecisions(done.Released), Guarded: describeDecisions(done.Guarded),
		Seconds: map[string]float64{"total": took.Seconds()},
	}
	for stage, time := range r.Took {
		d.Seconds[string(stage)] = time.Seconds()
	}
	whole := terminal.Size(r.Size)
	took = took.Round(100 * time.Millisecond)
	text := terminal.Sprintf("unchanged: %s of %s, the same as snapshot %s (%s)\n", whole, b.name(), r.Snapshot.ID, took)
	if !r.Unchanged {
		text = terminal.Sprintf("uploaded: snapshot %s of %s, %s as %s%s (ratio %.2f) in %s\n", r.Snapshot.ID, b.name(),
			whole, terminal.Size(d.Stored), encryptedSuffix(d.Encrypted), float64(r.Size)/float64(max(d.Stored, 1)), took)
	}
	return d, text + released(done.Released)
}
