package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
)

// load reads the configuration for a verb without a database on its command line.
// missing names the missing arguments.
func load(ctx context.Context, c *console, f configFlags, verb string, args []string, missing string) (schedule, error) {
	s, err := newSchedule(ctx, c, f, verb, args)
	if errors.Is(err, fs.ErrNotExist) && f.Config == "" {
		return s, usage("%s missing, and %s", missing, noConfig())
	}
	if err != nil {
		return s, err
	}
	for _, w := range s.warnings {
		c.log.Warn(w)
	}
	if s.found == 0 {
		return s, errNoneFound
	}
	return s, nil
}

// each calls do for every task, with a console of its own, and as many at once as
// the schedule allows, in the order of their bucket URLs: that makes few listings. It
// calls do even after ctx is done; do must check ctx itself.
func (s *schedule) each(c *console, do func(c *console, i int, t *task) error) error {
	var group errgroup.Group
	group.SetLimit(s.parallel)
	for _, i := range s.byURL() {
		t := s.tasks[i]
		group.Go(func() error {
			own := *c
			own.log = c.log.With("database", t.Path)
			if own.steps != nil {
				own.steps = own.steps.Of(t.Path)
			}
			if s.parallel > 1 {
				own.bars = nil // they show the stages of one task
			}
			return do(&own, i, t)
		})
	}
	return group.Wait()
}

// byURL returns the indices of the tasks in the order of their bucket URLs.
func (s *schedule) byURL() []int {
	order := make([]int, len(s.tasks))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		one, other := s.tasks[a].URL, s.tasks[b].URL
		return cmp.Or(cmp.Compare(one.Bucket, other.Bucket), cmp.Compare(one.Prefix+"/", other.Prefix+"/"))
	})
	return order
}

// An outcome is the result of one of several databases.
type outcome struct {
	path string
	done bool // as far as it could be
	exit int  // the code for this one alone
}

// verdictOf returns the error of a run over several databases, nil if all are well.
// combine makes its exit code from those of all. failed and undone describe those
// that failed, and those that were left when a signal came.
func verdictOf(ctx context.Context, all []outcome, failed, undone string, combine func(exits []int) int) error {
	var exits []int
	var bad, left []string
	for _, o := range all {
		exits = append(exits, o.exit)
		if o.exit != exitDone {
			bad = append(bad, fmt.Sprintf("%s (exit %d)", o.path, o.exit))
		}
		if !o.done {
			left = append(left, o.path)
		}
	}
	if len(bad) == 0 {
		return nil
	}
	text := fmt.Sprintf("%d of %d databases %s: %s", len(bad), len(all), failed, terminal.SomeOf(bad))
	if ctx.Err() != nil {
		text = fmt.Sprintf("%d of %d databases %s: %s", len(left), len(all), undone, terminal.SomeOf(left))
	}
	return &severalError{text, combine(exits)}
}

// exitOfAll returns one exit code for several databases. If all failed for one
// reason it is that code, so that a job can retry as it does for one database.
func exitOfAll(exits []int) int {
	code := exits[0]
	for _, e := range exits {
		switch {
		case e == code:
		case code == exitDone || e == exitDone || code == exitIncomplete || e == exitIncomplete:
			return exitIncomplete // some are safe
		default:
			code = exitFailed
		}
	}
	return code
}
