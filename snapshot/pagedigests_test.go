package snapshot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
)

// The page digests of a copy give its digest, whatever the page size, and nothing
// else does.
func TestDigestOf(t *testing.T) {
	for _, pageSize := range []int{512, 4096, 65536} {
		path := makeDB(t, 9, fmt.Sprintf("page_size = %d", pageSize))
		c := take(t, path, CopyOptions{})
		d, err := c.Digest(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		count := c.Header.PageCount
		pages := make([]byte, count*PageDigestSize)
		if _, err := d.Pages().ReadAt(pages, 0); err != nil {
			t.Fatal(err)
		}
		of := func(ctx context.Context, pages []byte, count int) (string, error) {
			return DigestOf(ctx, bytes.NewReader(pages), pageSize, count)
		}
		if got, err := of(t.Context(), append(pages, "more"...), count); got != d.String() || err != nil {
			t.Errorf("page size %d: %s, %v, want %s", pageSize, got, err, d)
		}
		if got, err := of(t.Context(), pages, count-1); got == d.String() || err != nil {
			t.Errorf("page size %d, a page less: %s, %v", pageSize, got, err)
		}
		pages[len(pages)-1] ^= 1
		if got, err := of(t.Context(), pages, count); got == d.String() || err != nil {
			t.Errorf("page size %d, a bit more: %s, %v", pageSize, got, err)
		}
		for _, short := range []int{0, 1, len(pages) - PageDigestSize, len(pages) - 1} {
			if _, err := of(t.Context(), pages[:short], count); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("page size %d, %d bytes: %v", pageSize, short, err)
			}
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := of(ended, pages, count); !errors.Is(err, context.Canceled) {
			t.Errorf("page size %d, canceled: %v", pageSize, err)
		}
	}
}
