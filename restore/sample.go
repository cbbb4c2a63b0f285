package restore

import (
	"math/rand/v2"
	"slices"

	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// Sample returns the newest of the snapshots, which are sorted by ID, and up
// to n random older ones, the newest first. Implausible ones are never among
// them. Without a plausible one there is nothing to return.
func Sample(all []series.Snapshot, n int, random *rand.Rand) []series.Snapshot {
	plausible := slices.DeleteFunc(slices.Clone(all), func(s series.Snapshot) bool { return s.Implausible })
	if len(plausible) == 0 {
		return nil
	}
	last := len(plausible) - 1
	picked := random.Perm(last)
	picked = append(picked[:min(n, last)], last)
	slices.Sort(picked)
	var sample []series.Snapshot
	for _, i := range slices.Backward(picked) {
		sample = append(sample, plausible[i])
	}
	return sample
}
