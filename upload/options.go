package upload

import (
	"context"
	"log/slog"
	"path/filepath"
	"time"

	"filippo.io/age"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// A Stage is a part of the work that reports its progress.
type Stage string

// The stages, in the order in which they begin.
const (
	StageCopy   Stage = "copy"
	StageDigest Stage = "digest"
	StageUpload Stage = "upload" // compression and upload
	// StageCheck runs beside StageUpload. SQLite does not tell how far it is:
	// the progress is 0 of 0 until it has passed.
	StageCheck Stage = "check"
)

// DefaultRefresh is for how long an unchanged database is not uploaded again.
const DefaultRefresh = 7 * 24 * time.Hour

// BackupOptions are the options of Backup. The zero value is usable.
type BackupOptions struct {
	// Name is the database's name in the series; "" is its file name.
	Name string
	// Adopt allows a database that differs from the newest snapshot's: by its
	// name, or by what is in it.
	Adopt bool
	// Always uploads a database that has not changed, too.
	Always bool
	// Refresh is for how long an unchanged database is not uploaded again;
	// 0 is DefaultRefresh.
	Refresh time.Duration
	// Check is how the copy is checked before it is visible in the bucket;
	// "" is snapshot.CheckQuick.
	Check snapshot.CheckLevel
	// Level is how hard to compress; "" is snapshot.LevelFastest.
	Level snapshot.Level
	// Recipients are whom the snapshot is encrypted to; without any it is not
	// encrypted. An encrypted series has no digest tags, so that each backup
	// uploads.
	Recipients []age.Recipient
	// Plaintext allows a snapshot that is not encrypted after one that is.
	Plaintext bool
	// Copy is how the copy is made. Its Progress is not called: there is one
	// for all stages below.
	Copy snapshot.CopyOptions
	// Take makes the copy; nil is snapshot.Take. One that reads in another
	// process (snapshot.TakeInto, snapshot.Adopt) keeps a hostile database's
	// harm away from this one.
	Take func(ctx context.Context, path string, o snapshot.CopyOptions) (*snapshot.Copy, error)
	// Tool is the program's name and version, for the manifest.
	Tool string
	// Progress is called with bytes of database done and to do: for StageCheck
	// and StageUpload by two goroutines at once.
	Progress func(stage Stage, done, total int64)
	// Log receives what is worth knowing; nil discards it.
	Log *slog.Logger
}

// A BackupResult is the result of Backup.
type BackupResult struct {
	// Snapshot is the new one, or the newest one if Unchanged.
	Snapshot series.Snapshot
	// Unchanged: the newest snapshot has this content already.
	Unchanged bool
	// Digest identifies the database's content: see package snapshot.
	Digest string
	// Size of the database in bytes, and its pages.
	Size      int64
	PageCount int
	// Restarts is how often the copy began anew.
	Restarts int
	// Took is how long the copy, the digest and the upload took; a stage that
	// there was no need for is missing.
	Took map[Stage]time.Duration
}

func (o *BackupOptions) setDefaults(path string) {
	if o.Name == "" {
		o.Name = filepath.Base(path)
	}
	if o.Refresh == 0 {
		o.Refresh = DefaultRefresh
	}
	if o.Check == "" {
		o.Check = snapshot.CheckQuick
	}
	if o.Take == nil {
		o.Take = snapshot.Take
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Progress == nil {
		o.Progress = func(Stage, int64, int64) {}
	}
	if o.Copy.Log == nil {
		o.Copy.Log = o.Log
	}
}

// A run is one Backup on its way.
type run struct {
	BackupOptions
	bucket bucket.Bucket
	path   string
	name   string // the database's, as a tag
	sealer series.Sealer
	newest series.Snapshot // the zero value in an empty series
	tags   bucket.Tags     // of the newest
	result BackupResult
}
