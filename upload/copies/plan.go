package copies

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// A Choice is which snapshots of a series are copied, besides all that they stand on.
// The zero value is all of them.
type Choice struct {
	// Since leaves out what was taken before this time.
	Since time.Time
	// Classes leaves out what has another class than one of these, if there are any.
	Classes []series.Class
}

func (c Choice) takes(s series.Snapshot) bool {
	return !s.ID.Time().Before(c.Since) && (len(c.Classes) == 0 || slices.Contains(c.Classes, s.Class))
}

// A Plan is what is to be copied, and what is not.
type Plan struct {
	// Copy is what is to be copied, in this order: the newest first, and each base
	// before what stands on it.
	Copy []series.Snapshot
	// There are the snapshots that the target has already.
	There []series.Snapshot
	// Left are those that are not copied, and need not be.
	Left []Left
	// Refused are those that cannot be copied.
	Refused []Refused
}

// A Left snapshot is not copied, for a reason that is no failure.
type Left struct {
	series.Snapshot
	Why string
}

// A Refused snapshot could not be copied.
type Refused struct {
	series.Snapshot
	Err error
}

// Bytes returns the size of all objects that are to be copied.
func (p Plan) Bytes() (bytes int64) {
	for _, s := range p.Copy {
		bytes += s.Object.Size
	}
	return bytes
}

// Compare returns what a copy would do whose source and target have these listings, each
// sorted by ID. Of the target it reads tags of bases.
func Compare(ctx context.Context, to bucket.Bucket, source, target []series.Snapshot, choice Choice) (Plan, error) {
	plan := newPlan(source, target, choice, series.Present(to))
	released, err := releasedBases(ctx, to, target, plan)
	if err != nil {
		return Plan{}, err
	}
	return plan.withoutThoseOn(released), nil
}

// newPlan compares the listings of the source and the target. now is the present by the
// target's clock.
func newPlan(source, target []series.Snapshot, choice Choice, now time.Time) Plan {
	p := planner{now: now, target: map[snapshot.ID]series.Snapshot{}, settled: map[snapshot.ID]bool{}}
	for _, s := range target {
		p.target[s.ID] = s
	}
	for _, s := range slices.Backward(source) {
		switch {
		case !choice.takes(s):
		case !s.Counts():
			p.leave(s, s.Why())
		default:
			for _, part := range s.Chain() {
				p.settle(part)
			}
		}
	}
	p.dropBroken(target)
	return p.plan
}

type planner struct {
	plan    Plan
	now     time.Time
	target  map[snapshot.ID]series.Snapshot
	settled map[snapshot.ID]bool // whether it is at the target in the end, with all that it stands on
}

// withoutThoseOn returns the plan without what would come to stand, also through others of
// the plan, on bases of which released is true.
func (p Plan) withoutThoseOn(released map[snapshot.ID]bool) Plan {
	left := map[snapshot.ID]bool{}
	kept := p.Copy[:0:0]
	for _, s := range p.Copy {
		switch {
		case released[s.Base]:
			p.Left = append(p.Left, Left{s, fmt.Sprintf("its base, %s, is released at the target, so that retention there may take it first", s.Base)})
		case slices.ContainsFunc(s.Chain(), func(part series.Snapshot) bool { return left[part.ID] }):
			p.Left = append(p.Left, Left{s, fmt.Sprintf("its base, %s, or one below that is not copied", s.Base)})
		default:
			kept = append(kept, s)
			continue
		}
		left[s.ID] = true
	}
	p.Copy = kept
	return p
}

// releasedBases returns which of the target's snapshots on which something is to stand
// have been released there. No release at the target waits for what is yet to come.
func releasedBases(ctx context.Context, to bucket.Bucket, target []series.Snapshot, p Plan) (map[snapshot.ID]bool, error) {
	released := map[snapshot.ID]bool{}
	for _, s := range p.Copy {
		i := slices.IndexFunc(target, func(t series.Snapshot) bool { return t.ID == s.Base })
		if _, known := released[s.Base]; known || i < 0 {
			continue
		}
		tags, _, err := series.ReadTags(ctx, to, target[i].Object)
		if err != nil && !errors.Is(err, bucket.ErrNotFound) && !errors.Is(err, bucket.ErrRefused) {
			return nil, err
		}
		_, err = series.ParseClass(tags[series.TagRetention])
		released[s.Base] = err == nil
	}
	return released, nil
}

// dropBroken leaves out what would not count at the target, as one that comes to stand on a
// snapshot that is broken there.
func (p *planner) dropBroken(target []series.Snapshot) {
	var objects []bucket.Object
	for _, t := range target {
		objects = append(objects, t.Object)
	}
	for _, s := range p.plan.Copy {
		s.Object.Modified = p.now
		objects = append(objects, s.Object)
	}
	broken := map[snapshot.ID]string{}
	for _, s := range series.Of(objects, p.now) {
		if !s.Counts() {
			broken[s.ID] = s.Why()
		}
	}
	p.plan.Copy = slices.DeleteFunc(p.plan.Copy, func(s series.Snapshot) bool {
		why, is := broken[s.ID]
		if is {
			p.leave(s, "at the target "+why)
		}
		return is
	})
}

func (p *planner) leave(s series.Snapshot, why string) {
	p.settled[s.ID] = false
	p.plan.Left = append(p.plan.Left, Left{s, why})
}

func (p *planner) refuse(s series.Snapshot, err error) {
	p.settled[s.ID] = false
	p.plan.Refused = append(p.plan.Refused, Refused{s, err})
}

// settle decides about a snapshot whose base is settled.
func (p *planner) settle(s series.Snapshot) {
	if _, done := p.settled[s.ID]; done {
		return
	}
	there, is := p.target[s.ID]
	base, baseIs := p.target[s.Base]
	switch {
	case is && (there.Object.Name != s.Object.Name || there.Object.Size != s.Object.Size):
		p.refuse(s, fmt.Errorf("%w: the target has %s of %d bytes, the source %s of %d", bucket.ErrExists,
			there.Object.Name, there.Object.Size, s.Object.Name, s.Object.Size))
	case is:
		p.settled[s.ID] = s.Full() || p.settled[s.Base]
		p.plan.There = append(p.plan.There, s)
	case s.ID.Time().After(p.now.Add(series.MaxAhead)):
		p.refuse(s, fmt.Errorf("%w: by the target's clock the snapshot lies in the future", upload.ErrClock))
	case !s.Full() && !p.settled[s.Base] && baseIs:
		p.leave(s, fmt.Sprintf("its base, %s, cannot be restored at the target", s.Base))
	case !s.Full() && !p.settled[s.Base]:
		p.leave(s, fmt.Sprintf("its base, %s, is not copied", s.Base))
	case !s.Full() && baseIs && p.now.After(base.LastCall()):
		p.leave(s, fmt.Sprintf("its base, %s, has been at the target for so long that retention there may take it first", s.Base))
	default:
		p.settled[s.ID] = true
		p.plan.Copy = append(p.plan.Copy, s)
	}
}
