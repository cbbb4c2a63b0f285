package main

import (
	"math"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/lifecycle"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

type sizeDocument struct {
	ID     string `json:"id"`
	Stored int64  `json:"stored"` // of the object, bytes
	Weight int64  `json:"weight"` // of the full one that it stands on, or is
}

const (
	sizesShown = 10
	week       = 7 * 24 * time.Hour
	// steadyWithin is the largest change of size, as a part, that is no trend.
	steadyWithin = 0.05
)

// trendOf returns how the size of the database develops, for which the weight of
// snapshots stands: the newest against the one of a week ago, or the oldest of a
// younger series. trend is "" for a single one.
func trendOf(all []lifecycle.Decision) (last []sizeDocument, weekAgo *sizeDocument, trend string) {
	size := func(of lifecycle.Decision) sizeDocument {
		return sizeDocument{string(of.ID), of.Object.Size, of.Weight()}
	}
	for _, p := range all[max(0, len(all)-sizesShown):] {
		last = append(last, size(p))
	}
	if len(all) < 2 {
		return last, nil, ""
	}
	newest, base := all[len(all)-1], all[0]
	for _, p := range all {
		if newest.ID.Time().Sub(p.ID.Time()) >= week {
			base = p
			ago := size(p)
			weekAgo = &ago
		}
	}
	if base.Weight() <= 0 {
		return last, weekAgo, "" // it was cut short, and compares with nothing
	}
	switch change := changeOf(base.Weight(), newest.Weight()); {
	case change > steadyWithin:
		return last, weekAgo, "growing"
	case change < -steadyWithin:
		return last, weekAgo, "shrinking"
	}
	return last, weekAgo, "steady"
}

// changeOf returns the change of a size, as a part of the old one.
func changeOf(from, to int64) float64 { return float64(to-from) / float64(max(from, 1)) }

// looked is how many of the newest snapshots are compared with each other.
const looked = 12

// mixed reports whether the newest snapshots go back and forth between the contents
// of two databases, which have one bucket URL by mistake.
func mixed(all []lifecycle.Decision) bool {
	last := all[max(0, len(all)-looked):]
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

// alternates reports whether the weights of the last six snapshots go back and forth.
// Encrypted ones show nothing else.
func alternates(all []lifecycle.Decision) bool {
	const enough = 6
	if len(all) < enough {
		return false
	}
	all = all[len(all)-enough:]
	for i := 1; i < enough; i++ {
		if math.Abs(changeOf(all[i-1].Weight(), all[i].Weight())) < 2*steadyWithin {
			return false
		}
		if i > 1 && math.Abs(changeOf(all[i-2].Weight(), all[i].Weight())) > steadyWithin/2 {
			return false
		}
	}
	return true
}
