package diff

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"iter"
	"math/bits"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
)

// A PageSet is a set of page numbers, with one bit for each page of a database.
type PageSet struct{ words []uint64 }

// NewPageSet returns an empty set of pages up to a number.
func NewPageSet(pages int) *PageSet { return &PageSet{make([]uint64, pages/64+1)} }

// Add adds a page. One beyond the largest of the set is left out.
func (s *PageSet) Add(page int) {
	if page >= 0 && page/64 < len(s.words) {
		s.words[page/64] |= 1 << (page % 64)
	}
}

// Remove removes a page.
func (s *PageSet) Remove(page int) {
	if page >= 0 && page/64 < len(s.words) {
		s.words[page/64] &^= 1 << (page % 64)
	}
}

// Has reports whether a page is in the set.
func (s *PageSet) Has(page int) bool {
	return page >= 0 && page/64 < len(s.words) && s.words[page/64]>>(page%64)&1 == 1
}

// Len returns how many pages are in the set.
func (s *PageSet) Len() (n int) {
	for _, w := range s.words {
		n += bits.OnesCount64(w)
	}
	return n
}

// Empty reports whether no page is in the set.
func (s *PageSet) Empty() bool {
	for _, w := range s.words {
		if w != 0 {
			return false
		}
	}
	return true
}

// All yields the pages in ascending order.
func (s *PageSet) All() iter.Seq[int] {
	return func(yield func(int) bool) {
		for i, w := range s.words {
			for ; w != 0; w &= w - 1 {
				if !yield(i*64 + bits.TrailingZeros64(w)) {
					return
				}
			}
		}
	}
}

// Digests yields the digests of a database's pages, in page order.
type Digests = iter.Seq2[[]byte, error]

// DigestsIn yields the digests in a file: snapshot.PageDigestSize bytes each.
func DigestsIn(r io.ReaderAt, pages int) Digests {
	return func(yield func([]byte, error) bool) {
		in := bufio.NewReaderSize(io.NewSectionReader(r, 0, int64(pages)*snapshot.PageDigestSize), 1<<18)
		digest := make([]byte, snapshot.PageDigestSize)
		for range pages {
			if _, err := io.ReadFull(in, digest); err != nil {
				yield(nil, fmt.Errorf("read page digests: %w", err))
				return
			}
			if !yield(digest, nil) {
				return
			}
		}
	}
}

// Differing returns the pages that differ between two databases with pages of the
// same size: pages that only one of them has, too. pages is the number of pages of the
// larger one.
func Differing(before, after Digests, pages int) (*PageSet, error) {
	set := NewPageSet(pages)
	nextOld, stopOld := iter.Pull2(before)
	defer stopOld()
	nextNew, stopNew := iter.Pull2(after)
	defer stopNew()
	for page := 1; ; page++ {
		x, err, hasOld := nextOld()
		if err != nil {
			return nil, err
		}
		y, err, hasNew := nextNew()
		if err != nil {
			return nil, err
		}
		if !hasOld && !hasNew {
			return set, nil
		}
		if hasOld != hasNew || !bytes.Equal(x, y) {
			set.Add(page)
		}
	}
}

// AllPages returns the set of all pages up to a number: for databases whose pages
// cannot be compared, because their sizes differ.
func AllPages(pages int) *PageSet {
	set := NewPageSet(pages)
	for page := 1; page <= pages; page++ {
		set.Add(page)
	}
	return set
}
