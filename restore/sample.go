package restore

import (
	"log/slog"
	"math/rand/v2"
	"slices"

	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// Sample returns the newest of the snapshots, which are sorted by ID, and up to n
// random older ones, the newest first. Implausible ones are never among them; if one
// would be newer, log gets a warning, as in Select (nil discards it). Without a plausible one the sample
// is empty.
func Sample(all []series.Snapshot, n int, random *rand.Rand, log *slog.Logger) []series.Snapshot {
	plausible := slices.DeleteFunc(slices.Clone(all), func(s series.Snapshot) bool { return s.Implausible })
	if len(plausible) == 0 {
		return nil
	}
	last := len(plausible) - 1
	warnLeftOut(log, plausible[last], all)
	picked := random.Perm(last)
	picked = append(picked[:min(n, last)], last)
	slices.Sort(picked)
	var sample []series.Snapshot
	for _, i := range slices.Backward(picked) {
		sample = append(sample, plausible[i])
	}
	return sample
}
