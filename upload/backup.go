package upload

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/cache"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// Backup takes a snapshot of the live database at path and stores it in b,
// tagged as held: what differs from an earlier snapshot where the cache knows one
// that it may stand on, and the whole database otherwise. If the newest snapshot has
// the same content already, its lifeboat-confirmed tag is set instead.
//
// Until what was read has passed its check nothing is visible in the bucket. An
// error that wraps ErrIncomplete comes with a valid result. Other errors wrap
// one of this package or of package snapshot where that is the reason; then no
// new snapshot can be counted on.
func Backup(ctx context.Context, b bucket.Bucket, path string, o BackupOptions) (BackupResult, error) {
	o.setDefaults(path)
	r, err := (&run{BackupOptions: o, bucket: b, path: path}).backUp(ctx)
	if errors.Is(err, bucket.ErrNotFound) && !errors.Is(err, ErrIncomplete) {
		// A backup asks for no snapshot that might not be there: the store has
		// lost what it had, or what was uploaded a moment ago.
		err = lostError{err}
	}
	return r, err
}

// errAnew: what has been read cannot stand on its base, so that it is read again for
// another one, or whole.
var errAnew = errors.New("the base is none any more")

// maxAttempts is how often a run reads the database for bases that turn out not to be
// any, before it makes a full snapshot.
const maxAttempts = 4

func (r *run) backUp(ctx context.Context) (BackupResult, error) {
	r.result.Took = map[Stage]time.Duration{}
	if err := r.prepare(); err != nil {
		return r.result, err
	}
	r.result.cache = r.cache
	if done, err := r.confirmedLately(ctx); done || err != nil {
		return r.result, err
	}
	for attempt := 1; ; attempt++ {
		r.full = r.full || attempt == maxAttempts
		err := r.attempt(ctx)
		if !errors.Is(err, errAnew) {
			if err == nil {
				r.noteListed()
			}
			return r.result, err
		}
		r.Log.Debug("reading the database once more", "reason", err)
	}
}

// attempt is a backup, from the look at the newest snapshot on. An error of errAnew
// asks for another one.
func (r *run) attempt(ctx context.Context) error {
	began := time.Now()
	if err := r.compare(ctx); err != nil {
		return err
	}
	r.step("list the series", began, "newest", r.newest.ID, "listed", len(r.tail))
	at := r.last().Time().Add(time.Second) // for a preview: what a backup would wait for
	if r.preview == nil {
		if err := r.waitToBeNewer(ctx); err != nil {
			return err
		}
	}
	began = time.Now()
	if began.After(at) {
		at = began
	}
	p := r.choose(ctx, at)
	defer p.close()
	r.step("choose a base", began, "base", p.base.ID, "why_full", p.why)
	c, done, err := r.readOrConfirm(ctx, &p)
	if done || errors.Is(err, ErrIncomplete) {
		return errors.Join(err, r.damaged)
	}
	if err != nil {
		return err
	}
	r.result.Size, r.result.PageCount, r.result.Restarts = c.Header.Size(), c.Header.PageCount, c.Restarts
	err, left := r.shipAndClose(ctx, p, c)
	if err == nil || errors.Is(err, ErrIncomplete) {
		err = errors.Join(err, r.damaged)
		if left != nil {
			left = fmt.Errorf("%w: %w", ErrIncomplete, left)
		}
	}
	return errors.Join(err, left)
}

// shipAndClose removes what was read also when the application's logger or bucket
// panics.
func (r *run) shipAndClose(ctx context.Context, p plan, c *content) (err, left error) {
	defer func() { left = c.close() }()
	if r.preview != nil {
		return r.foresee(ctx, p, c), nil
	}
	return r.ship(ctx, p, c), nil
}

func (r *run) stage(s Stage) func(done, total int64) {
	return func(done, total int64) { r.Progress(s, done, total) }
}

func (r *run) took(s Stage, began time.Time) {
	r.result.Took[s] += time.Since(began)
	r.step(string(s), began)
}

// step logs that a step is done.
func (r *run) step(name string, began time.Time, attributes ...any) {
	r.Log.Debug("step: "+name, append(attributes, "ms", time.Since(began).Milliseconds())...)
}

// prepare looks at what needs no bucket: a mistyped path is found before it.
func (r *run) prepare() (err error) {
	if r.name, err = series.EncodeTag(r.Name); err != nil {
		return fmt.Errorf("database name %q: %w", r.Name, err)
	}
	if _, err := sqlite.Locate(r.path); err != nil {
		return err
	}
	r.sealer, err = series.NewSealer(r.Recipients)
	if err == nil && r.CacheDir != "" {
		r.openCache()
	}
	return err
}

// openCache opens the cache. Without one there are only full snapshots.
func (r *run) openCache() {
	var customerKey []byte
	if remote, ok := bucket.As[bucket.Remote](r.bucket); ok {
		customerKey = remote.CustomerKey()
	}
	var told bool
	if r.encryption, told = cache.Fingerprint(r.Recipients, customerKey); !told {
		r.Log.Debug("no cache: whether two snapshots have the same recipients cannot be told")
		return
	}
	var err error
	open := cache.Open
	if r.preview != nil {
		open = cache.Find
	}
	r.cache, err = open(r.CacheDir, r.bucket, r.Name, r.path)
	switch {
	case errors.Is(err, cache.ErrUnsafe):
		r.Log.Warn("the cache is not used, so that every snapshot is a full one", "dir", r.CacheDir, "reason", err)
	case err != nil:
		r.Log.Debug("no cache, so that every snapshot is a full one", "dir", r.CacheDir, "reason", err)
	}
}

// newestContent is what is known of the newest snapshot's content.
type newestContent struct {
	digest string // "" if nothing is known
	check  snapshot.CheckLevel
}

// newestContent returns what the cache knows of the newest snapshot; where it knows
// nothing of the series, the tags are believed. Somebody with the job's keys can write
// those.
func (r *run) newestContent(tags bucket.Tags) newestContent {
	if r.newest.ID == "" {
		return newestContent{}
	}
	if entry, err := r.cache.Lookup(r.newest.Object); err == nil {
		if entry.Encryption != r.encryption || r.lostBase {
			return newestContent{}
		}
		return newestContent{entry.Digest, entry.Check}
	} else if r.cache.KnowsAny() {
		r.Log.Debug("the newest snapshot is not one that the cache knows, so the database counts as changed", "snapshot", r.newest.ID, "reason", err)
		return newestContent{}
	}
	if r.sealer.Encrypts() {
		return newestContent{}
	}
	return newestContent{tags[series.TagDigest], snapshot.CheckLevel(tags[series.TagCheck])}
}

// hasLostBase reports whether something that the newest snapshot stands on is no longer the
// object that the cache knows: it was overwritten or cut short, so the snapshot proves
// nothing. A base that the cache does not know is no evidence: a drill teaches it of a
// differential alone.
func (r *run) hasLostBase() bool {
	chain := r.newest.Chain()
	for _, link := range chain[:len(chain)-1] {
		if _, err := r.cache.Lookup(link.Object); err != nil && !errors.Is(err, cache.ErrUnknown) {
			r.Log.Warn("what the newest snapshot stands on is not what was uploaded, so the database counts as changed", "snapshot", r.newest.ID, "base", link.ID, "reason", err)
			return true
		}
	}
	return false
}
