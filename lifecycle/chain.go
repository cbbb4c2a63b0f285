package lifecycle

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// A wait is how long a snapshot has to be held, as far as the listing tells.
type wait struct {
	// due is when the hold is over, for the snapshot and for all that stands on it.
	// Zero: something is not superseded.
	due time.Time
	// on stands on the snapshot and is due last; "" if the snapshot itself is.
	on snapshot.ID
	// retired: it is the newest of a series whose database is gone.
	retired bool
}

// longer reports whether a ends after b.
func (a wait) longer(b wait) bool {
	if a.due.IsZero() || b.due.IsZero() {
		return a.due.IsZero() && !b.due.IsZero()
	}
	return a.due.After(b.due)
}

// waits returns, for items sorted by ID, when each is due. One that does not count
// supersedes nothing, and what it stands on does not wait for it. The newest has no
// successor; if it is retired, as far as its tags are known, it waits for none.
func waits(items []Item, hold time.Duration) []wait {
	all := make([]wait, len(items))
	above := map[snapshot.ID]wait{}
	var successor *Item
	for i, item := range slices.Backward(items) {
		if successor != nil {
			all[i].due = latest(item.Object.Modified, successor.Object.Modified).Add(hold)
		} else if at, retired := item.Retired(); retired && item.Counts() {
			all[i] = wait{due: at, retired: true}
		}
		if on, found := above[item.ID]; found && on.longer(all[i]) {
			all[i] = on
		}
		if !item.Counts() {
			continue
		}
		successor = &items[i]
		if mine := (wait{due: all[i].due, on: item.ID}); !item.Full() {
			if other, found := above[item.Base]; !found || mine.longer(other) {
				above[item.Base] = mine
			}
		}
	}
	return all
}

// keepBases changes decisions, which are sorted by ID, about bases: one is not
// released while anything that stays stands on it, such as a pinned snapshot, and
// does not expire before what stands on it.
func keepBases(decisions []Decision) {
	stays, left := map[snapshot.ID]snapshot.ID{}, map[snapshot.ID]snapshot.ID{}
	for i := range slices.Backward(decisions) {
		d := &decisions[i]
		if on, found := stays[d.ID]; found && d.Action != ActKeep {
			d.keep(fmt.Sprintf("stays because %s, which stands on it, does", on))
		}
		if on, found := left[d.ID]; found && d.Action == ActExpire {
			d.Reason += fmt.Sprintf(", but %s stands on it", on)
			d.Action = ActKeep
			if d.unreleased() {
				d.Action = ActRelease
			}
		}
		if d.Full() || !d.Counts() {
			continue
		}
		if d.Action == ActKeep && d.unreleased() {
			stays[d.Base] = d.ID
		}
		if d.Action != ActExpire {
			left[d.Base] = d.ID
		}
	}
}

// keep turns the decision into one that keeps the snapshot.
func (d *Decision) keep(why string) {
	d.Action = ActKeep
	d.Reason += "; " + why
	if d.unreleased() {
		d.Expires = time.Time{}
	}
}

// inOrder returns the decisions with an action, in the order in which Release and
// Prune carry them out: what is due first comes first. A base is due no earlier
// than what stands on it, which has a shorter class. So whenever the order breaks
// off, all that stands on the bases so far is done, and of what was due before the
// last one nothing is left to do.
func inOrder(decisions []Decision, action Action) []*Decision {
	var order []*Decision
	for i := range decisions {
		if d := &decisions[i]; d.Action == action {
			order = append(order, d)
		}
	}
	slices.SortFunc(order, func(a, b *Decision) int {
		return cmp.Or(a.Due.Compare(b.Due), byLength(a.Class, b.Class), cmp.Compare(a.ID, b.ID))
	})
	return order
}

// byLength compares classes, the shorter one first.
func byLength(a, b series.Class) int {
	switch {
	case a.Longer(b):
		return 1
	case b.Longer(a):
		return -1
	}
	return 0
}
