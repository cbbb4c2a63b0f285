package snapshot

import (
	"encoding/binary"
	"io"
	"math/bits"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/wal"
)

// A pageSet has the numbers of the pages in a differential. It takes about a bit and
// a half for each page of the database.
type pageSet struct {
	bits  []uint64
	ranks []uint32 // how many pages the words before hold
	pages int      // of the database
}

// newPageSet reads which pages a differential holds of a database with that many
// pages, on a base with so many. As a restore does, it refuses a list that is out of
// order, or lacks pages that the base does not have.
func newPageSet(leaves pageSource, pageSize, pages, basePages int) (*pageSet, error) {
	words := pages/64 + 1
	s := &pageSet{make([]uint64, words), make([]uint32, words), pages}
	lock := wal.LockPage(pageSize)
	before, behind := 0, 0
	for {
		entry, err := leaves.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		number := int(binary.BigEndian.Uint32(entry))
		if number <= before || number > pages || number == lock {
			return nil, damaged("page digests: page %d is out of place", number)
		}
		if before = number; number > basePages {
			behind++
		}
		s.bits[number/64] |= 1 << (number % 64)
	}
	if lock > basePages && lock <= pages {
		behind++
	}
	if behind < pages-basePages {
		return nil, damaged("page digests: of the pages behind page %d some are missing", basePages)
	}
	rank := 0
	for i, word := range s.bits {
		s.ranks[i] = uint32(rank)
		rank += bits.OnesCount64(word)
	}
	return s, nil
}

func (s *pageSet) has(page int) bool {
	return page <= s.pages && s.bits[page/64]&(1<<(page%64)) != 0
}

// rank returns how many pages of the set come before a page.
func (s *pageSet) rank(page int) int {
	return int(s.ranks[page/64]) + bits.OnesCount64(s.bits[page/64]&(1<<(page%64)-1))
}
