package main

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/restore/drill"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// A draw of several databases for a drill looks at drawnFrom times as many as it takes,
// at least at drawnFromLeast, and lists the records of each. So what it costs does not
// grow with the fleet, and those that it takes are among the tenth of all that was drilled
// longest ago.
const (
	drawnFrom      = 10
	drawnFromLeast = 100
)

// verifyingParallel is how many databases are drilled at once by default: each needs
// room for a database and for its check.
const verifyingParallel = 2

func (v *verifyCmd) atOnce(inFile int) int {
	return cmp.Or(int(v.Parallel), inFile, verifyingParallel)
}

// reportsOfRun implements reporting.
func (v *verifyCmd) reportsOfRun() (string, reportFlags, configFlags) {
	return "verify", v.ofRun(), v.configFlags
}

// runAll drills the newest snapshot of each database, or of --sample of them.
func (v *verifyCmd) runAll(ctx context.Context, c *console, s *schedule) error {
	if v.Sample > 0 {
		shuffled := rand.Perm(len(s.tasks))
		looked := shuffled[:min(len(shuffled), max(drawnFrom*int(v.Sample), drawnFromLeast))]
		last, err := s.lastDrills(ctx, c, looked)
		if err != nil {
			return err
		}
		drawn := longestAgo(looked, last, int(v.Sample))
		var tasks []*task
		for _, i := range drawn {
			s.tasks[i].other.(*verifyCmd).Sample = 0
			tasks = append(tasks, s.tasks[i])
		}
		s.tasks = tasks
	}
	stop := c.startWorkers(s.parallel)
	j := v.newJoint(ctx, c, s, "verified")
	j.brief = true
	return errors.Join(j.runOwn(), stop())
}

// lastDrills returns when the last recorded drill of each of some tasks was, the zero
// time for none that is found. A series that cannot be read has none: its drill shows why.
func (s *schedule) lastDrills(ctx context.Context, c *console, of []int) (map[int]time.Time, error) {
	looking := schedule{parallel: lookingParallel}
	for _, i := range of {
		looking.tasks = append(looking.tasks, s.tasks[i])
	}
	last := map[int]time.Time{}
	var collecting sync.Mutex
	err := looking.each(c, func(c *console, n int, t *task) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		drilled, err := lastDrill(ctx, c, t)
		if err != nil {
			c.log.Debug("when the last drill was is not known", "reason", err)
		}
		collecting.Lock()
		defer collecting.Unlock()
		last[of[n]] = drilled
		return nil
	})
	return last, err
}

// lastDrill returns when the last recorded drill of a series ended, whatever its result,
// the zero time for none.
func lastDrill(ctx context.Context, c *console, t *task) (time.Time, error) {
	if t.Err != nil {
		return time.Time{}, t.Err
	}
	place, err := seriesFlags{bucketURL{t.URL}, duration(t.other.patience())}.place().open(ctx, c, upload.Options{})
	if err != nil {
		return time.Time{}, err
	}
	all, err := drill.List(ctx, place, time.Time{})
	return lastOf(all, series.Present(place)), err
}

// lastOf returns the time of the last record, the zero time for none. One from the future
// does not count: it would put off all drills of its series.
func lastOf(all []drill.Entry, now time.Time) time.Time {
	for _, entry := range slices.Backward(all) {
		if !entry.Implausible(now) {
			return entry.Time
		}
	}
	return time.Time{}
}

// longestAgo returns the n of some whose time is the oldest, in the order in which they
// are given where the times are the same.
func longestAgo(of []int, last map[int]time.Time, n int) []int {
	sorted := slices.Clone(of)
	slices.SortStableFunc(sorted, func(a, b int) int { return last[a].Compare(last[b]) })
	return sorted[:min(n, len(sorted))]
}
