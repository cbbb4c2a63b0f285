package main

import (
	"math"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/lifecycle"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

type sizeDocument struct {
	ID     string `json:"id"`
	Stored int64  `json:"stored"`
}

const (
	sizesShown = 10
	week       = 7 * 24 * time.Hour
	// steadyWithin is the largest change of size, as a part, that is no trend.
	steadyWithin = 0.05
)

// trendOf returns how the size of the objects develops: the newest against the one
// of a week ago, or the oldest of a younger series. trend is "" for a single one.
func trendOf(plausible []lifecycle.Decision) (last []sizeDocument, weekAgo *sizeDocument, trend string) {
	size := func(of lifecycle.Decision) sizeDocument { return sizeDocument{string(of.ID), of.Object.Size} }
	for _, p := range plausible[max(0, len(plausible)-sizesShown):] {
		last = append(last, size(p))
	}
	if len(plausible) < 2 {
		return last, nil, ""
	}
	newest, base := plausible[len(plausible)-1], plausible[0]
	for _, p := range plausible {
		if newest.ID.Time().Sub(p.ID.Time()) >= week {
			base = p
			weekAgo = &sizeDocument{string(p.ID), p.Object.Size}
		}
	}
	switch change := changed(base.Object.Size, newest.Object.Size); {
	case change > steadyWithin:
		return last, weekAgo, "growing"
	case change < -steadyWithin:
		return last, weekAgo, "shrinking"
	}
	return last, weekAgo, "steady"
}

// changed returns the change of a size, as a part of the old one.
func changed(from, to int64) float64 { return float64(to-from) / float64(max(from, 1)) }

// looked is how many of the newest snapshots are compared with each other.
const looked = 12

// mixed reports whether the newest snapshots go back and forth between the contents
// of two databases, which have one bucket URL by mistake.
func mixed(plausible []lifecycle.Decision) bool {
	last := plausible[max(0, len(plausible)-looked):]
	return returns(last) >= 2 || alternates(last)
}

// returns counts the snapshots whose content is that of the last but one, or shares
// pages with it and hardly one with the last.
func returns(all []lifecycle.Decision) (n int) {
	for i := 2; i < len(all); i++ {
		this, last, before := all[i].Tags, all[i-1].Tags, all[i-2].Tags
		digest := this[series.TagDigest]
		if digest == "" || last[series.TagDigest] == "" || digest == last[series.TagDigest] {
			continue
		}
		if digest == before[series.TagDigest] ||
			series.Compare(this, before) == series.Alike && series.Compare(this, last) != series.Alike {
			n++
		}
	}
	return n
}

// alternates reports whether the sizes of the last six objects go back and forth.
// Encrypted ones show nothing else.
func alternates(all []lifecycle.Decision) bool {
	const enough = 6
	if len(all) < enough {
		return false
	}
	all = all[len(all)-enough:]
	for i := 1; i < enough; i++ {
		if math.Abs(changed(all[i-1].Object.Size, all[i].Object.Size)) < 2*steadyWithin {
			return false
		}
		if i > 1 && math.Abs(changed(all[i-2].Object.Size, all[i].Object.Size)) > steadyWithin/2 {
			return false
		}
	}
	return true
}
