package buckettest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

func testRangedReads(t *testing.T, s Store) {
	b := s.Open(t)
	data := Content(PartSize + 1000)
	o := Put(t, b, "object", data, nil)
	blob, err := b.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer blob.Close()
	size := len(data)
	for _, r := range []struct{ offset, length, want int }{
		{0, 1, 1}, {0, size, size}, {size - 1, 1, 1}, {PartSize - 5, 10, 10}, {7, 0, 0},
		{size - 10, 10, 10}, {size - 10, 11, 10}, {0, size + 1, size}, {size, 1, 0}, {size + 100, 10, 0},
	} {
		p := make([]byte, r.length)
		n, err := blob.ReadAt(p, int64(r.offset))
		wantErr := error(nil)
		if r.want < r.length {
			wantErr = io.EOF
		}
		if n != r.want || err != wantErr {
			t.Errorf("ReadAt(%d bytes, %d) = %d, %v, want %d, %v", r.length, r.offset, n, err, r.want, wantErr)
		}
		if n > 0 && !bytes.Equal(p[:n], data[r.offset:r.offset+n]) {
			t.Errorf("ReadAt(%d bytes, %d): wrong content", r.length, r.offset)
		}
	}
	if _, err := blob.ReadAt(make([]byte, 1), -1); err == nil {
		t.Error("a negative offset is no error")
	}
	empty, err := b.Open(t.Context(), Put(t, b, "empty", nil, nil))
	if err != nil {
		t.Fatal(err)
	}
	defer empty.Close()
	if n, err := empty.ReadAt(make([]byte, 1), 0); n != 0 || err != io.EOF {
		t.Errorf("read of an empty object: %d, %v", n, err)
	}
}

func testConcurrentReads(t *testing.T, s Store) {
	b := s.Open(t)
	data := Content(2 * PartSize)
	blob, err := b.Open(t.Context(), Put(t, b, "object", data, nil))
	if err != nil {
		t.Fatal(err)
	}
	defer blob.Close()
	const length = 100_000
	var group sync.WaitGroup
	for offset := 0; offset+length <= len(data); offset += 5 * length {
		group.Go(func() {
			p := make([]byte, length)
			if n, err := blob.ReadAt(p, int64(offset)); n != length || err != nil || !bytes.Equal(p, data[offset:offset+length]) {
				t.Errorf("at %d: %d, %v, or wrong content", offset, n, err)
			}
		})
	}
	group.Wait()
}

func testChanged(t *testing.T, s Store) {
	b := s.Open(t)
	o := Put(t, b, "object", Content(1000), nil)
	blob, err := b.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer blob.Close()
	for _, size := range []int{1001, 500} {
		s.Plant(t, b, "object", Content(size))
		if n, err := blob.ReadAt(make([]byte, 10), 900); !errors.Is(err, bucket.ErrChanged) || n != 0 {
			t.Errorf("read through the old blob: %d, %v, want ErrChanged", n, err)
		}
		late, err := b.Open(t.Context(), o)
		if err == nil {
			_, err = late.ReadAt(make([]byte, 10), 0)
			late.Close()
		}
		if !errors.Is(err, bucket.ErrChanged) {
			t.Errorf("open and read by the old listing: %v, want ErrChanged", err)
		}
	}
}

func testReadsAfterCancel(t *testing.T, s Store) {
	b := s.Open(t)
	o := Put(t, b, "object", Content(1000), nil)
	reason := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	blob, err := b.Open(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	defer blob.Close()
	p := make([]byte, 10)
	if _, err := blob.ReadAt(p, 0); err != nil {
		t.Fatal(err)
	}
	cancel(reason)
	if _, err := blob.ReadAt(p, 0); !errors.Is(err, reason) {
		t.Errorf("read after the context is done: %v", err)
	}
}
