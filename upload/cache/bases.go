package cache

import (
	"slices"
	"strings"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// maxEntries is how many entries are kept of a series: those of the newest snapshots,
// beside those that can still be a base.
const maxEntries = 256

// sift returns the entries that are kept, sorted by name, and the names of the objects
// that keep their page digests. A snapshot that is taken after now can stand on those:
// on the newest of each class in the same period.
func sift(entries []Entry, now time.Time) (kept []Entry, pages []string) {
	slices.SortFunc(entries, func(a, b Entry) int { return strings.Compare(a.Object.Name, b.Object.Name) })
	var all []series.Snapshot
	for _, e := range entries {
		if name, ok := series.ParseName(e.Object.Name); ok {
			all = append(all, series.Snapshot{Name: name, Object: e.Object})
		}
	}
	// The next snapshot is at least a second younger than the newest one. All that it
	// can stand on, a differential of the shortest class can; the others of these are
	// what the newest of a class may stand on itself.
	bases := series.Bases(all, series.Recent, now.Add(time.Second))
	var classes []series.Class
	needed := map[string]bool{}
	for _, s := range bases {
		needed[s.Object.Name] = true
		if !slices.Contains(classes, s.Class) {
			classes, pages = append(classes, s.Class), append(pages, s.Object.Name)
		}
	}
	for i, e := range entries {
		if len(entries)-i <= maxEntries || needed[e.Object.Name] {
			kept = append(kept, e)
		}
	}
	return kept, pages
}
