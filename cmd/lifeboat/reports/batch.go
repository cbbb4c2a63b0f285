package reports

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"
)

// A Batch keeps the metrics of many runs of one process, and writes them together: a
// file is replaced as a whole, and to do that for each of n databases costs n². The zero
// value is ready to use.
type Batch struct {
	mu     sync.Mutex
	files  map[string][]metrics
	pushes []pushed
}

type pushed struct {
	to URL
	metrics
}

func (b *Batch) add(to *Flags, m metrics) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if to.MetricsFile != "" {
		if b.files == nil {
			b.files = map[string][]metrics{}
		}
		b.files[to.MetricsFile] = append(b.files[to.MetricsFile], m)
	}
	if !to.Pushgateway.isZero() {
		b.pushes = append(b.pushes, pushed{to.Pushgateway, m})
	}
}

// send writes all that was added, each file within the time, and each push. After a push
// that fails none is tried. A batch that was sent is empty.
func (b *Batch) send(ctx context.Context, within time.Duration) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	var errs []error
	for _, path := range slices.Sorted(maps.Keys(b.files)) {
		errs = append(errs, limited(ctx, within, func(ctx context.Context) error {
			return writeMetrics(ctx, path, b.files[path]...)
		}))
	}
	for _, p := range b.pushes {
		err := limited(ctx, within, func(ctx context.Context) error { return pushMetrics(ctx, p.to, p.metrics) })
		if err != nil {
			errs = append(errs, err)
			break
		}
	}
	b.files, b.pushes = nil, nil
	return errors.Join(errs...)
}

func limited(ctx context.Context, within time.Duration, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	return do(ctx)
}
