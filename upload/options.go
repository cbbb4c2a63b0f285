package upload

import (
	"cmp"
	"context"
	"log/slog"
	"path/filepath"
	"slices"
	"time"

	"filippo.io/age"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/cache"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// A Stage is a part of the work that reports its progress.
type Stage string

// The stages, in the order in which they begin.
const (
	StageRead   Stage = "read" // where no copy is needed
	StageCopy   Stage = "copy"
	StageDigest Stage = "digest"
	StageUpload Stage = "upload" // compression and upload
	// StageCheck runs beside StageUpload. SQLite does not tell how far it is:
	// the progress is 0 of 0 until it has passed.
	StageCheck Stage = "check"
)

// BackupOptions are the options of Backup. The zero value is usable.
type BackupOptions struct {
	// Name is the database's name in the series; "" is its file name.
	Name string
	// Adopt allows a database that differs from the newest snapshot's: by its
	// name, or by what is in it.
	Adopt bool
	// Always uploads a database that has not changed, too.
	Always bool
	// ConfirmEvery is for how long a confirmation is good: a database that was read and
	// is what this machine's cache says was uploaded or confirmed more recently than
	// that makes no request. With 0, and without a cache, each run confirms.
	ConfirmEvery time.Duration
	// Full makes a full snapshot.
	Full bool
	// CacheDir is where it is kept what this machine knows of its snapshots: what a
	// differential can stand on. With "" each snapshot is a full one. See package
	// cache.
	CacheDir string
	// Check is how the database is checked before it is visible in the bucket;
	// "" is snapshot.CheckQuick. Where there is a copy, it is that which is checked.
	Check snapshot.CheckLevel
	// Level is how hard to compress; "" is snapshot.LevelFastest.
	Level snapshot.Level
	// Recipients are whom the snapshot is encrypted to; without any it is not
	// encrypted. An encrypted series has no digest tags: without a
	// cache each backup uploads.
	Recipients []age.Recipient
	// Plaintext allows a snapshot that is not encrypted after one that is.
	Plaintext bool
	// Copy is how the database is read or copied. Its Progress is not called: there is one
	// for all stages below.
	Copy snapshot.CopyOptions
	// Take makes the copy; nil is snapshot.Take. One that reads in another
	// process (snapshot.TakeInto, snapshot.Adoption) keeps a hostile database's
	// harm away from this one.
	Take func(ctx context.Context, path string, o snapshot.CopyOptions) (*snapshot.Copy, error)
	// Read reads what differs from a base; nil is snapshot.Read.
	Read func(ctx context.Context, path string, base snapshot.Base, o snapshot.ReadOptions) (*snapshot.Reading, error)
	// Hash reads the database and returns the digest of its content; nil is
	// snapshot.Hash.
	Hash func(ctx context.Context, path string, o snapshot.CopyOptions) (snapshot.Taken, string, error)
	// Around, unless nil, is called with what reads the database, and must call that
	// unless it returns an error: an application can pause meanwhile. What follows, such
	// as the upload, is not part of it. It is called once more where what was read cannot
	// be used, because another command has changed the series meanwhile, and for a
	// database that differs from what ConfirmEvery would have spared.
	Around func(ctx context.Context, read func(context.Context) error) error
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
	// Confirmed is when the newest snapshot was last confirmed, if that was so recently
	// that this run asked the bucket nothing. Otherwise it is zero.
	Confirmed time.Time
	// Listed are the snapshots of the series, sorted by ID, with the new one, if this run
	// has listed all of them less than a minute ago, which may have used the listing of a
	// neighbour (Stores). Otherwise it is nil.
	Listed []series.Snapshot
	// Released are the names of those objects of which the cache knows that they are
	// released: see KeepReleased.
	Released []string
	// Digest identifies the database's content: see package snapshot.
	Digest string
	// Size of the database in bytes, and its pages.
	Size      int64
	PageCount int
	// ArchivePages is how many of them the snapshot's object holds: those that
	// differ from its base, or all. 0 if Unchanged.
	ArchivePages int
	// WhyFull is why the snapshot is a full one, in words.
	WhyFull string
	// ForWant: it is a full one only for want of a base that fits.
	ForWant bool
	// First: there was no snapshot in the series.
	First bool
	// Restarts is how often the reading began anew.
	Restarts int
	// Took is how long reading or the copy and its digest, and the upload took; a
	// stage that there was no need for is missing.
	Took map[Stage]time.Duration

	cache *cache.Cache // nil without one
}

// KeepReleased notes in the cache which objects of the series are released, so that the
// next run need not read their tags. The error is no reason for a run to fail.
func (r BackupResult) KeepReleased(ctx context.Context, names []string) error {
	state, err := r.cache.State()
	if err != nil || slices.Equal(state.Released, names) {
		return nil // without a state there is no snapshot that this machine knows
	}
	state.Released = names
	return r.cache.PutState(ctx, state)
}

func (o *BackupOptions) setDefaults(path string) {
	if o.Name == "" {
		o.Name = filepath.Base(path)
	}
	if o.Check == "" {
		o.Check = snapshot.CheckQuick
	}
	if o.Take == nil {
		o.Take = snapshot.Take
	}
	if o.Read == nil {
		o.Read = snapshot.Read
	}
	if o.Hash == nil {
		o.Hash = snapshot.Hash
	}
	if o.Around == nil {
		o.Around = func(ctx context.Context, read func(context.Context) error) error { return read(ctx) }
	}
	o.Log = cmp.Or(o.Log, slog.New(slog.DiscardHandler))
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
	bucket   bucket.Bucket
	path     string
	name     string // the database's, as a tag
	sealer   series.Sealer
	tail     []series.Snapshot // the newest part of the series
	whole    bool              // or all of it
	listedAt time.Time
	newest   series.Snapshot // the zero value in an empty series
	tags     bucket.Tags     // of the newest, once they have been read
	read     bool            // they have been, or there is no newest
	result   BackupResult

	changed bool  // its content is not the newest's
	damaged error // what to return in the end: the newest's tags are

	preview *Preview // not nil: nothing is written to the bucket and the cache

	// lostBase: something that the newest stands on is not what the cache knows.
	lostBase bool

	cache      *cache.Cache // nil without one
	encryption string       // the fingerprint of what this run encrypts with
	full       bool         // a differential has turned out to stand on nothing
	noBases    []snapshot.ID
}
