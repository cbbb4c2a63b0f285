package restore

import (
	"context"
	"sync"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

// A Took is how long the stages of a drill took.
type Took struct {
	// Fetch is the time during which at least one read of the store was under way.
	Fetch time.Duration
	// Decode is the rest of the time until the database was rebuilt.
	Decode time.Duration
	// Check is that of SQLite's check and of the foreign keys.
	Check time.Duration
	// Queries is that of all of them.
	Queries time.Duration
}

// A stopwatch adds up the time during which at least one of several things is under way.
type stopwatch struct {
	mu    sync.Mutex
	under int // way
	since time.Time
	sum   time.Duration
}

func (s *stopwatch) start() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.under++; s.under == 1 {
		s.since = time.Now()
	}
}

func (s *stopwatch) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.under--; s.under == 0 {
		s.sum += time.Since(s.since)
	}
}

// total returns the time so far.
func (s *stopwatch) total() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.under > 0 {
		return s.sum + time.Since(s.since)
	}
	return s.sum
}

// timed is a bucket with a stopwatch at all reads of objects.
type timed struct {
	bucket.Bucket
	watch *stopwatch
}

// Unwrap is for bucket.As.
func (b timed) Unwrap() bucket.Bucket { return b.Bucket }

// Open implements bucket.Bucket.
func (b timed) Open(ctx context.Context, o bucket.Object) (bucket.Blob, error) {
	blob, err := b.Bucket.Open(ctx, o)
	if err != nil {
		return nil, err
	}
	return timedBlob{blob, b.watch}, nil
}

type timedBlob struct {
	bucket.Blob
	watch *stopwatch
}

// ReadAt implements io.ReaderAt.
func (b timedBlob) ReadAt(p []byte, offset int64) (int, error) {
	b.watch.start()
	defer b.watch.stop()
	return b.Blob.ReadAt(p, offset)
}
