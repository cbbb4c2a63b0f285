package remote

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/reason"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

// ErrMaxFetch: more would have to be fetched than Options.MaxFetch allows.
var ErrMaxFetch = errors.New("the limit on what may be fetched is reached")

// A meter counts what is fetched and bounds it.
type meter struct {
	bytes, requests atomic.Int64
	most            int64 // 0: no bound

	mu       sync.Mutex // progress is called under it
	progress func(fetched int64)
}

func newMeter(most int64, progress func(int64)) *meter {
	return &meter{most: most, progress: progress}
}

// left returns how many bytes may still be fetched.
func (m *meter) left() int64 {
	if m.most == 0 {
		return 1 << 62
	}
	return m.most - m.bytes.Load()
}

// take counts a request for n bytes before it is made.
func (m *meter) take(n int) error {
	if total := m.bytes.Add(int64(n)); m.most > 0 && total > m.most {
		m.bytes.Add(-int64(n))
		return reason.Errorf(ErrMaxFetch, nil, "%v: %d bytes", ErrMaxFetch, m.most)
	}
	m.requests.Add(1)
	return nil
}

func (m *meter) note() {
	if m.progress == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.progress(m.bytes.Load())
}

// metered is a bucket with a meter at all reads of objects.
type metered struct {
	bucket.Bucket
	meter *meter
}

// Unwrap is for bucket.As.
func (b *metered) Unwrap() bucket.Bucket { return b.Bucket }

// Open implements bucket.Bucket.
func (b *metered) Open(ctx context.Context, o bucket.Object) (bucket.Blob, error) {
	blob, err := b.Bucket.Open(ctx, o)
	if err != nil {
		return nil, err
	}
	return meteredBlob{blob, b.meter}, nil
}

type meteredBlob struct {
	bucket.Blob
	meter *meter
}

func (b meteredBlob) ReadAt(p []byte, off int64) (int, error) {
	if err := b.meter.take(len(p)); err != nil {
		return 0, err
	}
	defer b.meter.note()
	return b.Blob.ReadAt(p, off)
}
