package reports

import (
	"context"
	"errors"
	"fmt"
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

// maxFailures is after how many failed pushes of a batch no other is tried.
const maxFailures = 3

// send writes all that was added, what was added last first: that is of the run itself.
// Each file and each push is done within the time. Once ctx has ended, all of it together
// is done within reportAfterSignal. A batch that was sent is empty.
func (b *Batch) send(ctx context.Context, within time.Duration) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	var end time.Time
	left := func() time.Duration {
		if ctx.Err() == nil {
			return within
		}
		if end.IsZero() {
			end = time.Now().Add(min(within, reportAfterSignal))
		}
		return time.Until(end)
	}
	var errs []error
	for _, path := range slices.Sorted(maps.Keys(b.files)) {
		errs = append(errs, limited(ctx, left(), func(ctx context.Context) error {
			return writeMetrics(ctx, path, b.files[path]...)
		}))
	}
	failed := 0
	for i, p := range slices.Backward(b.pushes) {
		if left() <= 0 || failed == maxFailures {
			errs = append(errs, fmt.Errorf("the metrics of %d more were not pushed", i+1))
			break
		}
		if err := limited(ctx, left(), func(ctx context.Context) error { return pushMetrics(ctx, p.to, p.metrics) }); err != nil {
			errs = append(errs, err)
			failed++
		}
	}
	b.files, b.pushes = nil, nil
	return errors.Join(errs...)
}

// limited gives do its time, whether ctx ends or not.
func limited(ctx context.Context, within time.Duration, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), within)
	defer cancel()
	return do(ctx)
}
