package copies

import (
	"context"
	"errors"
	"fmt"
	"io"

	"golang.org/x/sync/errgroup"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

const (
	// step is how much of an object is read at once, in bytes.
	step = 2 << 20
	// ahead is how many steps are read before they are wanted.
	ahead = 2
)

// pass calls each with the content of an object in order, while it reads ahead. What each
// gets is valid until it returns.
func pass(ctx context.Context, b bucket.Bucket, object bucket.Object, each func([]byte) error) error {
	group, ctx := errgroup.WithContext(ctx)
	blob, err := b.Open(ctx, object)
	if err != nil {
		return errors.Join(sourceError{err}, group.Wait())
	}
	steps := make(chan chan []byte, ahead)
	free := make(chan []byte, ahead+2)
	group.Go(func() error {
		defer close(steps)
		for offset := int64(0); offset < object.Size; offset += step {
			read := make(chan []byte, 1)
			select {
			case steps <- read:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
			group.Go(func() error {
				buffer := lend(free, min(step, object.Size))[:min(step, object.Size-offset)]
				if n, err := blob.ReadAt(buffer, offset); n < len(buffer) {
					return sourceError{cutShort(err)}
				}
				read <- buffer
				return nil
			})
		}
		return nil
	})
	group.Go(func() error {
		for read := range steps {
			select {
			case buffer := <-read:
				if err := each(buffer); err != nil {
					return err
				}
				free <- buffer[:cap(buffer)]
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		return nil
	})
	return errors.Join(group.Wait(), blob.Close())
}

// lend returns a buffer that is free, or a new one of that size.
func lend(free <-chan []byte, size int64) []byte {
	select {
	case buffer := <-free:
		return buffer
	default:
		return make([]byte, size)
	}
}

func cutShort(err error) error {
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: the object ends too early", snapshot.ErrDamaged)
	}
	return err
}
