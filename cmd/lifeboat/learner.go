package main

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/cache"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// A learner notes in this machine's cache what a drill has proved, so that the next
// backup can stand on a snapshot that another machine has uploaded, or that the cache
// has lost. A machine without a cache of the series makes no backups of it, and learns
// nothing.
type learner struct {
	dir    string // of the cache, "" for none
	bucket bucket.Bucket
	log    *slog.Logger
}

// learn notes a snapshot all of whose pages were hashed. Of an encrypted one it is not
// known for whom it is, so no differential can stand on it.
func (l learner) learn(ctx context.Context, s series.Snapshot, chain *snapshot.Chain, check snapshot.CheckLevel) {
	if l.dir == "" || s.Encrypted {
		return
	}
	if err := l.put(ctx, s, chain, check); err != nil {
		l.log.Debug("the cache does not learn of a verified snapshot", "snapshot", s.ID, "reason", err)
	}
}

// unlearn notes a snapshot that a drill has found damaged, so that no other comes to
// stand on it.
func (l learner) unlearn(ctx context.Context, s series.Snapshot, found error) {
	if l.dir == "" || !errors.Is(found, snapshot.ErrDamaged) {
		return
	}
	id := s.ID
	if of := new(snapshot.ArchiveError); errors.As(found, &of) {
		id = of.ID
	}
	tags, _, err := series.ReadTags(ctx, l.bucket, s.Object)
	var known *cache.Cache
	if err == nil {
		known, err = cache.Find(l.dir, l.bucket, series.DatabaseName(tags), "")
	}
	if err == nil {
		err = known.Distrust(ctx, id)
	}
	if err != nil {
		l.log.Debug("the cache does not learn of a damaged snapshot", "snapshot", id, "reason", err)
	}
}

func (l learner) put(ctx context.Context, s series.Snapshot, chain *snapshot.Chain, check snapshot.CheckLevel) error {
	m := chain.Manifest()
	known, err := cache.Find(l.dir, l.bucket, m.Database, "")
	if err != nil {
		return err
	}
	if _, err := known.Lookup(s.Object); err == nil { // of its upload it knows more
		return nil
	}
	var customerKey []byte
	if remote, ok := bucket.As[bucket.Remote](l.bucket); ok {
		customerKey = remote.CustomerKey()
	}
	encryption, _ := cache.Fingerprint(nil, customerKey)
	entry := cache.Entry{
		Object: s.Object, Encryption: encryption, Reference: snapshot.Reference{ID: m.ID, Digest: m.Digest, Manifest: m.Hash()},
		PageSize: m.PageSize, PageCount: m.PageCount, Check: cmp.Or(check, snapshot.CheckNone),
	}
	var group errgroup.Group
	pages, w := io.Pipe()
	group.Go(func() error { return w.CloseWithError(chain.WritePages(ctx, w)) })
	err = known.Put(ctx, entry, pages, time.Now())
	return cmp.Or(err, pages.Close(), group.Wait())
}
