package main

import (
	"math"

	"github.com/lifeboat-sqlite/lifeboat/lifecycle"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// looked is how many of the newest snapshots are compared with each other.
const looked = 12

// describeTwo warns where the newest snapshots go back and forth between the
// contents of two databases, which have one bucket URL by mistake.
func (d *healthDocument) describeTwo(plausible []lifecycle.Decision) {
	last := plausible[max(0, len(plausible)-looked):]
	if returns(last) >= 2 || alternates(last) {
		d.Warnings = append(d.Warnings, "the newest snapshots go back and forth between two contents, as if two databases had this bucket URL: "+
			"give each a prefix of its own, and look at lifeboat show for each")
	}
}

// returns counts the snapshots that have the content of the last but one, or
// pages of it and hardly one of the last.
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

// alternates reports whether the sizes of the last six objects tell the same,
// which is all that encrypted ones show.
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
