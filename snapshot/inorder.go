package snapshot

import (
	"context"
	"runtime"

	"golang.org/x/sync/errgroup"
)

// maxWorkers bounds how many frames are worked on at a time: each worker has
// buffers of several MiB, and memory must not grow with the machine.
const maxWorkers = 3

// workers returns how many frames to work on at a time.
func workers() int { return min(runtime.GOMAXPROCS(0), maxWorkers) }

// inOrder calls work(0) to work(n-1) on several goroutines and hands the
// results to emit, one at a time and in order. At most 2*workers results are
// under way, which is what bounds memory. The first error ends it all.
func inOrder[T any](ctx context.Context, n, workers int, work func(ctx context.Context, i int) (T, error), emit func(T) error) error {
	type job struct {
		i      int
		result chan T
	}
	group, ctx := errgroup.WithContext(ctx)
	jobs := make(chan job)
	results := make(chan chan T, workers) // in the order of i

	group.Go(func() error {
		defer close(jobs)
		defer close(results)
		for i := range n {
			j := job{i, make(chan T, 1)}
			select {
			case results <- j.result:
			case <-ctx.Done():
				return ctx.Err()
			}
			select {
			case jobs <- j:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	for range workers {
		group.Go(func() error {
			for j := range jobs {
				v, err := work(ctx, j.i)
				if err != nil {
					return err
				}
				j.result <- v
			}
			return nil
		})
	}
	group.Go(func() error {
		for result := range results {
			select {
			case v := <-result:
				if err := emit(v); err != nil {
					return err
				}
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	return group.Wait()
}

// A bufferPool lends byte buffers of one capacity, as many as were ever in
// use at once. Unlike sync.Pool it keeps them over a garbage collection.
type bufferPool struct {
	free chan []byte
	size int
}

func newBufferPool(count, size int) *bufferPool {
	return &bufferPool{make(chan []byte, count), size}
}

func (p *bufferPool) get() []byte {
	select {
	case b := <-p.free:
		return b[:0]
	default:
		return make([]byte, 0, p.size)
	}
}

func (p *bufferPool) put(b []byte) {
	if b == nil {
		return
	}
	select {
	case p.free <- b:
	default:
	}
}
