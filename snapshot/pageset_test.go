package snapshot

import (
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/wal"
)

// listedPages yields page numbers as the page digests of a differential.
type listedPages []int

func (l *listedPages) next() ([]byte, error) {
	if len(*l) == 0 {
		return nil, io.EOF
	}
	number := (*l)[0]
	*l = (*l)[1:]
	return appendNumbered(nil, uint32(number), make([]byte, PageDigestSize)), nil
}

// In a chain that grows and shrinks, around the page that SQLite never uses too, each
// page is found in the newest archive that holds it.
func TestFindPages(t *testing.T) {
	random := rand.New(rand.NewPCG(2, 3))
	const pageSize = 65536
	lock := wal.LockPage(pageSize)
	for range 30 {
		count := lock - 40 + random.IntN(80)
		r := &PageReader{archives: []*Archive{{manifest: Manifest{Kind: KindFull, PageSize: pageSize, PageCount: count}}}}
		places := map[int]Place{}
		for page := 1; page <= count; page++ {
			places[page] = Place{0, (page - 1) / 64}
		}
		for i := range 1 + random.IntN(3) {
			base := count
			count = lock - 40 + random.IntN(80)
			var listed listedPages
			for page := 1; page <= count; page++ {
				if page != lock && (page > base || random.IntN(5) == 0) {
					places[page] = Place{i + 1, len(listed) / 64}
					listed = append(listed, page)
				}
			}
			for page := count + 1; page <= base; page++ {
				delete(places, page)
			}
			held := len(listed)
			set, err := newPageSet(&listed, pageSize, count, base)
			if err != nil {
				t.Fatal(err)
			}
			r.sets = append(r.sets, set)
			r.archives = append(r.archives, &Archive{manifest: Manifest{Kind: KindDifferential, PageSize: pageSize, PageCount: count, Pages: held}})
		}
		for page := 1; page <= count; page++ {
			want, there := places[page]
			if got, found := r.Find(page); found != there || found && got != want {
				t.Fatalf("page %d of %d: %v, %v; want %v, %v", page, count, got, found, want, there)
			}
		}
	}
}

// A list of pages that no writer makes is refused.
func TestPageSetRefuses(t *testing.T) {
	lock := wal.LockPage(65536)
	for what, test := range map[string]struct {
		listed       listedPages
		pages, bases int
	}{
		"not in order":    {listedPages{1, 3, 2}, 10, 10},
		"twice":           {listedPages{1, 3, 3}, 10, 10},
		"page 0":          {listedPages{0, 3}, 10, 10},
		"behind the end":  {listedPages{1, 11}, 10, 10},
		"the lock page":   {listedPages{1, lock}, lock + 1, lock + 1},
		"one is missing":  {listedPages{1, 11, 13}, 13, 10},
		"all are missing": {listedPages{1}, 13, 10},
	} {
		listed := slices.Clone(test.listed)
		if _, err := newPageSet(&listed, 65536, test.pages, test.bases); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
