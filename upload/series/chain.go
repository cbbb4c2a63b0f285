package series

import (
	"fmt"
	"slices"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
)

// maxLate is how much later than its base's period allows a differential may have been
// uploaded: see LastCall.
const maxLate = 48 * time.Hour

// LastCall returns until when what stands on the snapshot may be uploaded, by the clock
// of the store: its period in whole days, and two days, after the snapshot was
// uploaded itself. Its class is kept longer by as much than that of what stands on it,
// so that it outlives that. In the series of a backup what stands on it is uploaded much earlier,
// in a copy of a series as late as the copy is made.
func (s Snapshot) LastCall() time.Time {
	return s.Object.Modified.Add(s.Class.lateStands())
}

func (c Class) lateStands() time.Duration { return c.Stands().Truncate(24*time.Hour) + maxLate }

// StandsInCopies returns for how long after a snapshot of the class others that stand on
// it, also through others, may be uploaded to a copy of its series: 0 where none can. Each
// of a chain may come as late as the LastCall of its own base.
func (c Class) StandsInCopies() time.Duration {
	switch c {
	case Recent:
		return 0
	case Hourly:
		return c.lateStands()
	case Daily:
		return c.lateStands() + Hourly.StandsInCopies()
	}
	return c.lateStands() + Daily.StandsInCopies()
}

// Chain returns the snapshot and all that it stands on, the full one first. Of a
// broken one it is what is there. A snapshot that no listing has linked stands alone.
func (s Snapshot) Chain() []Snapshot {
	chain := []Snapshot{s}
	for s.base != nil {
		s = *s.base
		chain = append(chain, s)
	}
	slices.Reverse(chain)
	return chain
}

// On returns the snapshot with the base that it stands on.
func (s Snapshot) On(base Snapshot) Snapshot {
	s.base = &base
	return s
}

// Weight is what the shrink guard compares: the size in bytes of the full one that
// the snapshot stands on, 0 if it does not count.
func (s Snapshot) Weight() int64 {
	if !s.Counts() {
		return 0
	}
	return s.Chain()[0].Object.Size
}

// link lets each of the snapshots, which are sorted by ID and judged, know its base
// among them, and judges whether its chain holds.
func link(all []Snapshot) {
	bases := make(map[snapshot.ID]*Snapshot)
	for _, s := range all {
		if !s.Full() {
			bases[s.Base] = nil
		}
	}
	for i := range all {
		s := &all[i]
		if !s.Full() {
			// The base sorts before it, or must not be its base.
			if s.base = bases[s.Base]; s.base != nil && s.Base >= s.ID {
				s.base = nil
			}
			s.broken = s.whyBroken()
			s.Broken = s.broken != ""
		}
		if _, isBase := bases[s.ID]; isBase {
			copied := *s // callers sort and cut the slice
			bases[s.ID] = &copied
		}
	}
}

// whyBroken returns in words why the differential cannot be counted on, or "".
func (s *Snapshot) whyBroken() string {
	if s.base == nil {
		return fmt.Sprintf("its base, %s, is not there", s.Base)
	}
	if err := s.mayStandOn(s.base.Name); err != nil {
		return err.Error()
	}
	switch {
	case s.base.Implausible:
		return fmt.Sprintf("the time of its base, %s, is implausible", s.Base)
	case s.base.Broken:
		return fmt.Sprintf("its base, %s, is broken: %s", s.Base, s.base.broken)
	case s.Object.Modified.After(s.base.LastCall()):
		return fmt.Sprintf("it was uploaded so long after its base, %s, that it may lose that", s.Base)
	}
	return ""
}

// Bases returns the snapshots that a differential of that class, taken at that time,
// may stand on as far as names and the listing tell, the newest first.
func Bases(all []Snapshot, class Class, taken time.Time) []Snapshot {
	name := Name{ID: snapshot.NewID(taken), Class: class}
	var bases []Snapshot
	for _, s := range slices.Backward(all) {
		if s.Counts() && s.ID.Time().Before(taken.Truncate(time.Second)) && name.mayStandOn(s.Name) == nil {
			bases = append(bases, s)
		}
	}
	return bases
}

// NewestOf returns the newest of the snapshots that counts: one that is neither
// implausible nor broken. They are sorted by ID.
func NewestOf(all []Snapshot) (Snapshot, bool) {
	for _, s := range slices.Backward(all) {
		if s.Counts() {
			return s, true
		}
	}
	return Snapshot{}, false
}
