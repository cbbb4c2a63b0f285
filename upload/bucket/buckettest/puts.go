package buckettest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

func testPutExisting(t *testing.T, s Store) {
	b := s.Open(t)
	for _, size := range []int{10, PartSize + 10} {
		old := Content(size)
		name := fmt.Sprint("object-", size)
		Put(t, b, name, old, bucket.Tags{"which": "old"})
		for _, newSize := range []int{0, 10, 11, PartSize + 10, 2 * PartSize} {
			_, err := b.Put(t.Context(), name, bucket.PutOptions{Tags: bucket.Tags{"which": "new"}}, InPieces(make([]byte, newSize)))
			if !errors.Is(err, bucket.ErrExists) {
				t.Errorf("put of %d bytes over %d: %v, want ErrExists", newSize, size, err)
			}
		}
		o := Find(t, b, name)
		if !bytes.Equal(ReadAll(t, b, o), old) {
			t.Error("the old content is gone")
		}
		if tags, err := b.Tags(t.Context(), o); err != nil || tags["which"] != "old" {
			t.Errorf("tags of the old object: %v, %v", tags, err)
		}
	}
	s.Clean(t, b, "object-10", fmt.Sprint("object-", PartSize+10))
}

func testPutThatFails(t *testing.T, s Store) {
	b := s.Open(t)
	broken := errors.New("the source broke")
	for _, size := range []int{0, 10, PartSize, PartSize + 1, 4 * PartSize} {
		name := fmt.Sprint("object-", size)
		_, err := b.Put(t.Context(), name, bucket.PutOptions{Tags: bucket.Tags{"a": "b"}}, func(w io.Writer) error {
			if err := InPieces(Content(size))(w); err != nil {
				return err
			}
			return broken
		})
		if !errors.Is(err, broken) {
			t.Errorf("%d bytes: %v, want the error of write", size, err)
		}
	}
	s.Clean(t, b)
	// The name is free.
	Put(t, b, "object-10", Content(10), nil)
	s.Clean(t, b, "object-10")
}

func testPutCancelled(t *testing.T, s Store) {
	b := s.Open(t)
	reason := errors.New("enough")
	for _, size := range []int{0, 10, PartSize + 1, 3*PartSize + 1} {
		ctx, cancel := context.WithCancelCause(t.Context())
		_, err := b.Put(ctx, "object", bucket.PutOptions{}, func(w io.Writer) error {
			err := InPieces(Content(size))(w)
			cancel(reason)
			return err // as if nothing were wrong
		})
		if !errors.Is(err, reason) {
			t.Errorf("%d bytes: %v, want the reason of the cancellation", size, err)
		}
		_, err = b.Put(ctx, "object", bucket.PutOptions{}, func(w io.Writer) error {
			w.Write(Content(size)) // nor does it mind a failed write
			return nil
		})
		if !errors.Is(err, reason) {
			t.Errorf("%d bytes, cancelled before: %v, want the reason of the cancellation", size, err)
		}
	}
	s.Clean(t, b)
}

func testPutThatPanics(t *testing.T, s Store) {
	b := s.Open(t)
	func() {
		defer func() {
			if recover() != "panic in write" {
				t.Error("the panic was swallowed")
			}
		}()
		b.Put(t.Context(), "object", bucket.PutOptions{}, func(w io.Writer) error {
			w.Write(Content(PartSize + 10))
			panic("panic in write")
		})
	}()
	s.Clean(t, b)
}

func testPutOfOneName(t *testing.T, s Store) {
	b := s.Open(t)
	const writers = 8
	var mu sync.Mutex
	var winners []string
	var group sync.WaitGroup
	for i := range writers {
		group.Go(func() {
			me := fmt.Sprint("writer ", i)
			size := int64(len(me))
			_, err := b.Put(t.Context(), "object", bucket.PutOptions{MaxSize: size, Tags: bucket.Tags{"writer": me}}, InPieces([]byte(me)))
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				winners = append(winners, me)
			} else if !errors.Is(err, bucket.ErrExists) {
				t.Errorf("%s: %v, want ErrExists", me, err)
			}
		})
	}
	group.Wait()
	if len(winners) != 1 {
		t.Fatalf("winners %q, want one", winners)
	}
	o := Find(t, b, "object")
	if got := string(ReadAll(t, b, o)); got != winners[0] {
		t.Errorf("content of %q, but %q won", got, winners[0])
	}
	if tags, err := b.Tags(t.Context(), o); err != nil || tags["writer"] != winners[0] {
		t.Errorf("tags %v, %v, but %q won", tags, err, winners[0])
	}
	s.Clean(t, b, "object")
}
