package upload

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/cache"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// smallest is the size in bytes up to which a database is always backed up whole: one
// frame of an archive.
const smallest = 4 << 20

// A plan is what the next snapshot is to be.
type plan struct {
	base  series.Snapshot // what it stands on, the zero value if it is to be a full one
	pages *cache.Base     // the base's page digests, nil for a full one
	// why it is to be a full one, in words.
	why string
	// forWant: it is to be a full one only for want of a base that fits.
	forWant bool
}

func (p *plan) full() bool { return p.pages == nil }

func (p *plan) close() {
	if p.pages != nil {
		p.pages.Close() // it was only read
	}
}

// becomeFull gives up the base, which does not fit.
func (p *plan) becomeFull(why string) {
	p.close()
	*p = plan{why: why, forWant: true}
}

// choose decides what a snapshot that is taken at that time stands on: the newest of
// those that it may stand on and whose pages the cache knows.
func (r *run) choose(ctx context.Context, at time.Time) plan {
	class := series.ClassAt(r.newest.ID.Time(), at)
	switch {
	case r.Full:
		return plan{why: "a full one is asked for"}
	case r.full:
		return plan{why: "its base was no base any more when it had been uploaded"}
	case r.Copy.Method == snapshot.MethodVacuum:
		return plan{why: "a compact copy has other pages each time"}
	case r.lastIsBroken():
		return plan{why: "the last snapshot is broken"}
	case class.Longer(series.Daily):
		return plan{why: fmt.Sprintf("a %s snapshot is a full one", class)}
	}
	none := plan{why: "no snapshot that it may stand on is known here", forWant: true}
	for _, s := range series.Bases(r.tail, class, at) {
		if slices.Contains(r.noBases, s.ID) {
			continue
		}
		pages, err := r.basis(ctx, s)
		switch {
		case errors.Is(err, errEncryption):
			none = plan{why: fmt.Sprintf("%s is encrypted otherwise", s.ID), forWant: true}
		case err != nil:
			r.Log.Debug("no base for a differential", "snapshot", s.ID, "reason", err)
		case int64(pages.PageSize)*int64(pages.PageCount) <= smallest:
			p := plan{pages: pages}
			p.becomeFull("the database is small")
			return p
		default:
			return plan{base: s, pages: pages}
		}
	}
	return none
}

// lastIsBroken reports whether no snapshot that counts has followed on a broken one:
// what has harmed its chain may have harmed more.
func (r *run) lastIsBroken() bool {
	for _, s := range slices.Backward(r.tail) {
		if !s.Implausible {
			return s.Broken
		}
	}
	return false
}

// errEncryption: a snapshot is encrypted to others, or not at all.
var errEncryption = errors.New("it is encrypted otherwise")

// basis returns the page digests of a snapshot of which all that it stands on is known,
// too.
func (r *run) basis(ctx context.Context, s series.Snapshot) (*cache.Base, error) {
	var entry cache.Entry
	for _, link := range s.Chain() {
		var err error
		if entry, err = r.cache.Lookup(link.Object); err != nil {
			return nil, fmt.Errorf("look %s up in the cache: %w", link.ID, err)
		}
		if entry.Encryption != r.encryption {
			return nil, errEncryption
		}
	}
	return r.cache.Base(ctx, entry)
}

// class returns the class of a snapshot of that size in bytes, taken at that time. One
// that is full only for want of a base is daily at least, so that the next ones can
// stand on it: twice a day, so that a job without a cache does not make dailies of all.
func (r *run) class(p plan, size int64, taken time.Time) series.Class {
	class := series.ClassAt(r.newest.ID.Time(), taken)
	if !p.forWant || size <= smallest || !series.Daily.Longer(class) {
		return class
	}
	today := 0
	for _, s := range r.tail {
		if s.Counts() && !series.Daily.Longer(s.Class) && series.Daily.Start(s.ID.Time()).Equal(series.Daily.Start(taken)) {
			today++
		}
	}
	if today >= 2 {
		return class
	}
	return series.Daily
}

// holds returns nil if each snapshot of the chain is held or pinned and is the one that
// the cache knows: neither can a rule take it, nor has it been overwritten.
func (r *run) holds(ctx context.Context, chain []series.Snapshot) error {
	for _, s := range chain {
		if _, err := r.cache.Lookup(s.Object); err != nil {
			return fmt.Errorf("%w: %s: %w", errAnew, s.ID, err)
		}
		tags, err := r.bucket.Tags(ctx, s.Object)
		if errors.Is(err, bucket.ErrNotFound) || errors.Is(err, bucket.ErrTagsDamaged) {
			return fmt.Errorf("%w: read the tags of %s: %w", errAnew, s.ID, err)
		}
		if err != nil {
			return fmt.Errorf("read the tags of %s: %w", s.ID, err)
		}
		if tag := tags[series.TagRetention]; !series.IsHeld(tag) && tag != series.Pinned {
			return fmt.Errorf("%w: %s is neither held nor pinned, but %q", errAnew, s.ID, tag)
		}
	}
	return nil
}
