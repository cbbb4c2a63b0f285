package series

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
)

// smallest returns the smallest page digests of a database of that many pages, at
// most pagesKept, without repetition and in ascending order. The first page is left
// out: it is the schema's. Databases that share pages share some of these, as long as
// they are not too different in size (https://en.wikipedia.org/wiki/MinHash).
func smallest(ctx context.Context, digests io.ReaderAt, pages int) (found [][]byte, err error) {
	const size = snapshot.PageDigestSize
	in := bufio.NewReaderSize(io.NewSectionReader(digests, size, int64(pages-1)*size), 1<<18)
	page := make([]byte, size)
	for i := range pages - 1 {
		if i%(1<<20) == 0 && ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if _, err := io.ReadFull(in, page); err != nil {
			return nil, fmt.Errorf("read page digests: %w", err)
		}
		if len(found) == pagesKept && bytes.Compare(page, found[pagesKept-1]) >= 0 {
			continue
		}
		at, known := slices.BinarySearchFunc(found, page, bytes.Compare)
		if known {
			continue
		}
		found = slices.Insert(found, at, bytes.Clone(page))
		found = found[:min(pagesKept, len(found))]
	}
	return found, nil
}
