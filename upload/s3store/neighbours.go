package s3store

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

const (
	// fresh is for how long a listing that was made for a neighbour is good. A run that
	// lists its series itself uses what it has seen for longer than that.
	fresh = time.Minute
	// stretchesKept bounds the stretches in memory, of up to 1,000 objects each.
	stretchesKept = 8
)

// A neighbourhood is a prefix with many series directly below it. One request lists
// the objects of a series and of those that sort after it, as far as 1,000 objects go.
// So series that are asked for in their order cost one request each, or those of a
// listing of the whole prefix, whichever is fewer.
type neighbourhood struct {
	bucket string
	prefix string // with a slash at its end, "" for all of the bucket

	mu        sync.Mutex
	refused   bool // these credentials may list the series alone
	stretches []stretch
	above     []bucket.Object // what bucket.Nested shows
	aboveAt   time.Time
}

func (n *neighbourhood) isSame(other *neighbourhood) bool {
	return n.bucket == other.bucket && n.prefix == other.prefix
}

// A stretch is one page of a listing: all objects whose keys are after from, and not
// after to.
type stretch struct {
	from, to string // keys; to "" is the end of the neighbourhood
	at       time.Time
	objects  []bucket.Object // their names are keys
}

// above returns the prefix above another one, with a slash at its end.
func above(prefix string) string { return prefix[:strings.LastIndexByte(prefix, '/')+1] }

// covers reports whether the stretch shows all objects of the series at prefix whose
// keys are after lower.
func (s stretch) covers(prefix, lower string, now time.Time) bool {
	const afterSlash = "0" // the keys below prefix sort before it
	return s.from <= lower && (s.to == "" || s.to >= prefix+afterSlash) && now.Sub(s.at) < fresh
}

// listAround returns the objects of the series whose names sort after the given one, as
// List yields them, by a page that was fetched for a neighbour, or is fetched now and
// kept for the next ones. more: the page ends within the series. It reports false where
// the series must be listed by itself.
func (b *s3Store) listAround(ctx context.Context, after string) (all []bucket.Object, more, ok bool, err error) {
	n := b.around
	if n == nil || b.wrote.Load() {
		return nil, false, false, nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	lower := b.objectKey(after)
	i := slices.IndexFunc(n.stretches, func(s stretch) bool { return s.covers(b.url.Prefix, lower, time.Now()) })
	if i < 0 {
		if n.refused {
			return nil, false, false, nil
		}
		page, err := b.stretchFrom(ctx, lower)
		if errors.Is(err, bucket.ErrRefused) && ctx.Err() == nil {
			n.refused = true
			return nil, false, false, nil
		}
		if err != nil {
			return nil, false, false, err
		}
		n.stretches = append(n.stretches, page)
		n.stretches = n.stretches[max(0, len(n.stretches)-stretchesKept):]
		i = len(n.stretches) - 1
	}
	s := n.stretches[i]
	for _, object := range s.objects {
		name, below := strings.CutPrefix(object.Name, b.objectKey(""))
		if below && name > after && isPlace(name) {
			object.Name = name
			all = append(all, object)
		}
	}
	return all, !s.covers(b.url.Prefix, lower, s.at), true, nil
}

// stretchFrom asks the store for the page of the neighbourhood that begins after a key.
func (b *s3Store) stretchFrom(ctx context.Context, from string) (stretch, error) {
	s := stretch{from: from, at: time.Now()}
	for page, err := range b.objectPages(ctx, s3.ListObjectsV2Input{Prefix: &b.around.prefix, StartAfter: &from}) {
		if err != nil {
			return s, err
		}
		for _, entry := range page.Contents {
			key := aws.ToString(entry.Key)
			s.objects = append(s.objects, bucket.Object{
				Name: key, Size: aws.ToInt64(entry.Size), ETag: opaque(entry.ETag), Modified: aws.ToTime(entry.LastModified),
			})
			s.to = max(s.to, key)
		}
		if !aws.ToBool(page.IsTruncated) && aws.ToString(page.NextContinuationToken) == "" {
			s.to = ""
		} else if s.to == "" {
			s.to = from // an empty page that is not the last one
		}
		break
	}
	return s, nil
}

// aboveOnce lists what is above, once for all series that are new at about the same time:
// it has the same names for each of them.
func (n *neighbourhood) aboveOnce(listed iter.Seq2[bucket.Object, error]) ([]bucket.Object, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if time.Since(n.aboveAt) < fresh {
		return n.above, nil
	}
	var all []bucket.Object
	for object, err := range listed {
		if err != nil {
			return nil, err
		}
		all = append(all, object)
	}
	n.above, n.aboveAt = all, time.Now()
	return all, nil
}
