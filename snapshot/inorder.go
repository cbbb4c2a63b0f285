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
// results to emit, one at a time and in order. The first error ends it all.
func inOrder[T any](ctx context.Context, n, workers int, work func(ctx context.Context, i int) (T, error), emit func(T) error) error {
	group, ctx := errgroup.WithContext(ctx)
	in := make(chan int)
	group.Go(func() error {
		defer close(in)
		for i := range n {
			select {
			case in <- i:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	group.Go(func() error { return ordered(ctx, in, workers, work, emit) })
	return group.Wait()
}

// ordered calls work with all that comes in on several goroutines and hands the
// results to emit, one at a time and in order. At most 2*workers results are
// under way, which is what bounds memory. The first error ends it all.
func ordered[J, R any](ctx context.Context, in <-chan J, workers int, work func(ctx context.Context, j J) (R, error), emit func(R) error) error {
	type job struct {
		in     J
		result chan R
	}
	group, ctx := errgroup.WithContext(ctx)
	jobs := make(chan job)
	results := make(chan chan R, workers) // in the order of in

	group.Go(func() error {
		defer close(jobs)
		defer close(results)
		for {
			var j job
			select {
			case next, more := <-in:
				if !more {
					return nil
				}
				j = job{next, make(chan R, 1)}
			case <-ctx.Done():
				return ctx.Err()
			}
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
	})
	for range workers {
		group.Go(func() error {
			for j := range jobs {
				v, err := work(ctx, j.in)
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
