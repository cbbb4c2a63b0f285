package restore

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/disk"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// A Preview is what Restore would do.
type Preview struct {
	Snapshot series.Snapshot
	Manifest snapshot.Manifest
	// Chain are the snapshots whose objects are fetched, the full one first: the
	// snapshot itself and all that it stands on. Fetch is their size in bytes.
	Chain []series.Snapshot
	Fetch int64
	Age   time.Duration
	// Target is the real file, behind all symlinks.
	Target string
	// Old is the state of the target, in words.
	Old string
	// OldSize is the target's size, 0 if it is absent; Need is what the restore
	// takes on its disk, and Free what that disk has. All in bytes.
	OldSize, Need, Free int64
	// Sidecars are files that belong to the old database.
	Sidecars []string
	// Kept is the name under which the old database would be kept, or "".
	Kept string
	// Holders are the processes that have the target open, as far as they can be
	// seen.
	Holders []Holder
	// Refusal is why Restore would refuse, nil if it would not.
	Refusal error
}

// Prepare returns what Restore would do with the same arguments, and changes
// nothing. An error means that this is not known; why Restore would refuse is no
// error, but Preview.Refusal.
func Prepare(ctx context.Context, b bucket.Bucket, s series.Snapshot, path string, o Options, now time.Time) (_ Preview, err error) {
	opener := o.opener(b)
	defer func() { err = errors.Join(err, opener.Close()) }()
	chain, err := opener.Open(ctx, s)
	if err != nil {
		return Preview{}, err
	}
	p := Preview{Snapshot: s, Manifest: chain.Manifest(), Chain: chain.Snapshots, Fetch: chain.Bytes(), Age: now.Sub(s.ID.Time())}
	c := databaseOf(chain)
	if missing, in, err := missingDirectories(path); err == nil && o.MakeDirectory && len(missing) > 0 {
		return p, p.lookAbove(path, in, c, o)
	}
	looked := false
	err = asOwner(ctx, path, o, func(path string, _ *owner) error {
		looked = true
		return p.lookAt(ctx, path, c, o)
	})
	if err != nil && !looked && ctx.Err() == nil { // the target itself is the reason
		p.Target, p.Refusal, err = path, err, nil
	}
	return p, err
}

func (p *Preview) lookAt(ctx context.Context, path string, c content, o Options) error {
	t, err := inspect(path)
	if p.Target = t.path; err != nil {
		p.Refusal = err
		return nil
	}
	if p.Free, err = disk.Free(filepath.Dir(t.path)); err != nil {
		return err
	}
	p.Need = c.room(t, o)
	if t.info != nil {
		p.OldSize = t.info.Size()
		p.Holders = holders(t.info)
	}
	for _, suffix := range t.sidecars {
		p.Sidecars = append(p.Sidecars, t.path+suffix)
	}
	if !o.DiscardOld && (t.info != nil || len(t.sidecars) > 0) {
		wanted := t.sidecars
		if t.info != nil {
			wanted = sidecarSuffixes
		}
		p.Kept = (&placement{content: c}).freeStem(t, "", wanted)
	}
	if p.Refusal = c.fits(t); p.Refusal == nil {
		p.Refusal = refusal(path, o)
	}
	if p.Refusal == nil && p.Free < p.Need {
		p.Refusal = noRoom(t, p.Need, p.Free)
	}
	p.Old, err = t.state(ctx, p.Refusal)
	return err
}

// refusal returns why Restore would leave the target alone, or nil.
func refusal(path string, o Options) error {
	t, err := lookAt(path, o)
	if err != nil {
		return err
	}
	return unlocked(t.beside("lock"), func() error {
		_, err := examine(path, o)
		return err
	})
}

// state returns the state of the target in words. It opens the file only where no
// process has it open, and in no way that could change it.
func (t target) state(ctx context.Context, refusal error) (string, error) {
	if t.info == nil && len(t.sidecars) == 0 {
		return "absent", nil
	}
	if t.info == nil {
		return "absent, with sidecars left over", nil
	}
	// Where this process cannot tell whether it has the file open itself, a target
	// that it must not open has a refusal.
	if open, err := openHere(t.info); refusal != nil || err == nil && open {
		return "present", nil
	}
	if whole, err := t.whole(); err != nil || !whole {
		return "a file that SQLite cannot open as a database", err
	}
	dirty, err := t.dirty()
	if err != nil {
		return "", err
	}
	openable, err := probe(ctx, t.path, url.Values{"mode": {"ro"}, "immutable": {"1"}})
	switch {
	case err != nil:
		return "", fmt.Errorf("look at the target: %w", err)
	case dirty && slices.Contains(t.sidecars, "-journal"):
		return "a database with a hot journal", nil
	case dirty && openable:
		return "a database with a WAL that is not folded in", nil
	case !openable:
		return "a file that SQLite cannot open as a database", nil
	}
	return "a database", nil
}
