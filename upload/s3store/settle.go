package s3store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/pause"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/reason"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

// How long to wait before a listing that may be late is read again.
const (
	firstLook = 100 * time.Millisecond
	maxLook   = 2 * time.Second
)

// settle returns what was uploaded as the listing shows it: that, and not the
// answer to the upload, is what a later restore sees. It wraps ErrChanged if
// another object is listed in its place.
func (p *s3Put) settle(ctx context.Context, uploaded bucket.Object) (bucket.Object, error) {
	listed, err := p.bucket.await(ctx, p.name)
	if err != nil {
		return uploaded, err
	}
	if listed.Size != uploaded.Size || uploaded.ETag != "" && listed.ETag != uploaded.ETag {
		return uploaded, fmt.Errorf("%w: %s was uploaded with %d bytes and ETag %s, but is listed with %d bytes and ETag %s",
			bucket.ErrChanged, p.where(), uploaded.Size, uploaded.ETag, listed.Size, listed.ETag)
	}
	uploaded.ETag, uploaded.Modified = listed.ETag, listed.Modified
	return uploaded, nil
}

// await looks for an object that was uploaded until the listing shows it, for
// as long as a store may fail: some list late.
func (b *s3Store) await(ctx context.Context, name string) (*bucket.Object, error) {
	began := time.Now()
	for wait := firstLook; ; wait = min(2*wait, maxLook) {
		there, err := b.find(ctx, name)
		if err != nil || there != nil {
			return there, err
		}
		if time.Since(began)+wait > b.options.RetryFor {
			return nil, reason.Errorf(bucket.ErrUnreachable, nil,
				"list %s/%s: the store took it, but has not listed it for %s: it may be there all the same", b.url, name, b.options.RetryFor)
		}
		if err := pause.For(ctx, wait); err != nil {
			return nil, fmt.Errorf("list %s/%s: %w", b.url, name, err)
		}
	}
}

// await looks for the object until the listing shows it.
func (p *s3Put) await(ctx context.Context) (*bucket.Object, error) {
	return p.bucket.await(ctx, p.name)
}

// findAfterwards looks for the object once, also when ctx has ended: nil if it is
// not listed.
func (p *s3Put) findAfterwards(ctx context.Context) (*bucket.Object, error) {
	ctx, cancel := afterwards(ctx)
	defer cancel()
	return p.bucket.find(ctx, p.name)
}

// keepTags sets the tags of an object that was uploaded in parts if the store
// has lost them, as Ceph does. Where they may not be read it sets them anyway:
// the object is new, so no other job has changed them. Interrupted, it still gets a
// moment, since without tags the object is not held. Its errors wrap
// bucket.ErrUntagged.
func (p *s3Put) keepTags(ctx context.Context, object bucket.Object) error {
	tags := p.options.Tags
	if len(tags) == 0 {
		return nil
	}
	ctx, cancel := linger(ctx, abortTimeoutCancelled)
	defer cancel()
	got, err := p.bucket.Tags(ctx, object)
	if err == nil && maps.Equal(got, tags) {
		return nil
	}
	unreadable := bucket.MissingAction(err) != ""
	if err == nil || unreadable {
		p.bucket.options.Log.Debug("the tags given with the upload are set again", "object", object.Name, "found", got, "err", err)
		err = p.bucket.SetTags(ctx, object, tags)
	}
	if err == nil && !unreadable {
		got, err = p.bucket.Tags(ctx, object)
	}
	if err == nil && !unreadable && !maps.Equal(got, tags) {
		err = errors.New("the store takes its tags and forgets them")
	}
	if err != nil {
		return reason.Errorf(bucket.ErrUntagged, err, "tags of %s: %v", p.where(), err)
	}
	return nil
}

// mustBeFree looks whether there is an object of that name. Stores are known
// that take If-None-Match with the completion of an upload, and ignore it.
func (p *s3Put) mustBeFree(ctx context.Context) error {
	there, err := p.bucket.find(ctx, p.name)
	if err == nil && there != nil {
		err = p.exists(nil)
	}
	return err
}
