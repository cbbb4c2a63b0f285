package upload

import (
	"context"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/dirstore"
	"github.com/lifeboat-sqlite/lifeboat/upload/s3store"
)

// Options say how to talk to a bucket. The zero value is good.
type Options = bucket.Options

// Open returns the bucket of a bucket URL, s3://bucket/prefix or file:///dir. It
// asks the store nothing, but finding credentials may need the network. A directory
// is not created before the first Put.
func Open(ctx context.Context, bucketURL string, o Options) (bucket.Bucket, error) {
	u, err := bucket.ParseURL(bucketURL)
	if err != nil {
		return nil, err
	}
	return OpenURL(ctx, u, o)
}

// Stores opens the buckets of many series for one run. They share what it takes to talk
// to their store: credentials and the store's clock, and listings up to a minute old.
// So they make the fewest requests if they are used in the order of their bucket URLs.
type Stores struct {
	s3  *s3store.Session
	dir *dirstore.Session
}

// NewStores returns Stores.
func NewStores() *Stores { return &Stores{s3store.NewSession(), dirstore.NewSession()} }

// OpenURL is the OpenURL of this package for one of many series.
func (s *Stores) OpenURL(ctx context.Context, u bucket.URL, o Options) (bucket.Bucket, error) {
	if u.Dir != "" {
		return s.dir.Open(u, o)
	}
	return s.s3.Open(ctx, u, o)
}

// OpenURL is Open for a bucket URL that is parsed already.
func OpenURL(ctx context.Context, u bucket.URL, o Options) (bucket.Bucket, error) {
	if u.Dir != "" {
		return dirstore.Open(u, o)
	}
	return s3store.Open(ctx, u, o)
}
