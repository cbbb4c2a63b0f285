package evidence

import (
	"slices"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/lifecycle"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// Points are the recovery points that there are, against those that there should be.
type Points struct {
	Every    time.Duration // how often a backup runs, 0: not known
	Inferred bool          // from the newest snapshots
	Judged   bool          // the ages of Spans are those of the oldest snapshots
	Spans    []Span
	Gaps     []Gap // the newest first
	More     int   // gaps that are not among them
}

// A Span is an age for which recovery points have the same distance: of the schedule for
// the youngest, and of the class that is kept so long for older ones.
type Span struct {
	From, To time.Duration // age; To is 0 without end
	Class    series.Class  // the shortest that is kept so long
	Every    time.Duration // the distance that there should be
	limit    time.Duration // beyond which it is a gap
	Points   int
	Longest  time.Duration // distance there is
	Gaps     int
}

// A Gap is a time from which nothing can be restored, longer than it should be.
type Gap struct {
	From, To time.Time // To is zero if it has not ended
	Length   time.Duration
	Every    time.Duration // what it should have been
	// Perhaps: an unchanged database may have been confirmed meanwhile, which the tags of
	// the snapshot before would say, but they were not read.
	Perhaps bool
}

// periods are how far apart the snapshots of a class are.
var periods = map[series.Class]time.Duration{
	series.Hourly: time.Hour, series.Daily: 24 * time.Hour, series.Weekly: 7 * 24 * time.Hour, series.Monthly: 31 * 24 * time.Hour, series.Yearly: 366 * 24 * time.Hour,
}

// sampled is from how many of the newest distances the schedule is inferred.
const sampled = 32

// pointsOf computes the recovery points of a series.
func pointsOf(all []lifecycle.Decision, policy lifecycle.Policy, every time.Duration, now time.Time) Points {
	all = slices.DeleteFunc(slices.Clone(all), func(d lifecycle.Decision) bool { return !d.Counts() })
	p := Points{Every: every}
	if p.Every == 0 {
		p.Every, p.Inferred = inferred(all), true
	}
	if p.Every == 0 {
		return p
	}
	p.Spans = spansOf(policy, p.Every)
	if policy == nil {
		p.Spans = spansOfOldest(all, p.Every, now)
		p.Judged = len(p.Spans) > 1
	}
	for i, d := range all {
		span := p.spanAt(now.Sub(d.ID.Time()))
		span.Points++
		end, ended := now, i+1 < len(all)
		if ended {
			end = all[i+1].ID.Time()
		}
		from := seen(d, end)
		length := end.Sub(from)
		if span.Longest = max(span.Longest, length); length <= span.limit {
			continue
		}
		span.Gaps++
		gap := Gap{From: from, Length: length, Every: span.Every, Perhaps: !d.TagsKnown}
		if ended {
			gap.To = end
		}
		p.Gaps = append(p.Gaps, gap)
	}
	slices.Reverse(p.Gaps)
	p.More = max(0, len(p.Gaps)-gapsShown)
	return p
}

// Shown are the gaps that are listed.
func (p Points) Shown() []Gap { return p.Gaps[:min(len(p.Gaps), gapsShown)] }

// seen returns when a snapshot was what the database held, for the last time that its tags
// tell, and no later than end.
func seen(d lifecycle.Decision, end time.Time) time.Time {
	at := d.Seen()
	if at.After(end) {
		return d.ID.Time()
	}
	return at
}

// inferred returns the median distance of the newest snapshots, 0 for less than two.
func inferred(all []lifecycle.Decision) time.Duration {
	all = all[max(0, len(all)-sampled-1):]
	var distances []time.Duration
	for i := 1; i < len(all); i++ {
		distances = append(distances, all[i].ID.Time().Sub(all[i-1].ID.Time()))
	}
	if len(distances) == 0 {
		return 0
	}
	slices.Sort(distances)
	return max(distances[len(distances)/2].Round(time.Minute), time.Minute)
}

// firstSpan returns the span of the schedule.
func firstSpan(every time.Duration) Span {
	return Span{Class: series.Recent, Every: every, limit: every * 3 / 2}
}

// spanAfter returns the span of a class from an age on. The first snapshot of a period is
// taken up to one run after it has begun.
func spanAfter(from time.Duration, class series.Class, every time.Duration) Span {
	return Span{From: from, Class: class, Every: max(every, periods[class]), limit: periods[class] + every*3/2}
}

// spansOfOldest returns the spans where no policy is known: each class is kept for as long
// as its oldest snapshot is old. What is before that one without a gap belongs to it.
func spansOfOldest(all []lifecycle.Decision, every time.Duration, now time.Time) []Span {
	taken := func(i int) time.Time { return all[i].ID.Time() }
	var spans []Span
	end := time.Duration(0)
	for _, class := range series.Classes() {
		span := spanAfter(end, class, every)
		if end == 0 && periods[class] <= every {
			span = firstSpan(every)
		}
		oldest := slices.IndexFunc(all, func(d lifecycle.Decision) bool { return d.Class == class })
		for oldest > 0 && taken(oldest).Sub(taken(oldest-1)) <= span.limit {
			oldest--
		}
		if oldest == 0 {
			return append(spans, span) // none is older
		}
		if oldest < 0 {
			continue
		}
		if age := now.Sub(taken(oldest)) + time.Second; age > end {
			span.To, end = age, age
			spans = append(spans, span)
		}
	}
	return spans
}

// spansOf returns the spans of a policy.
func spansOf(policy lifecycle.Policy, every time.Duration) []Span {
	spans := []Span{firstSpan(every)}
	for _, class := range series.Classes()[1:] {
		last := &spans[len(spans)-1]
		keep := policy.Keep(last.Class)
		if keep == lifecycle.Forever {
			return spans
		}
		last.To = time.Duration(keep) * 24 * time.Hour
		next := spanAfter(last.To, class, every)
		if policy.Keep(class) != lifecycle.Forever && time.Duration(policy.Keep(class))*24*time.Hour <= last.To {
			last.Class = class // it ends no later
			continue
		}
		spans = append(spans, next)
	}
	if keep := policy.Keep(series.Yearly); keep != lifecycle.Forever {
		spans[len(spans)-1].To = time.Duration(keep) * 24 * time.Hour
	}
	return spans
}

// spanAt returns the span of an age: the last one for what is older than all.
func (p *Points) spanAt(age time.Duration) *Span {
	for i := range p.Spans {
		if s := &p.Spans[i]; s.To == 0 || age < s.To {
			return s
		}
	}
	return &p.Spans[len(p.Spans)-1]
}

// Doubtful returns the snapshots whose tags would say whether a gap behind them is one,
// at most so many: those of the newest gaps.
func Doubtful(in Input, every time.Duration, most int) []lifecycle.Item {
	from := map[time.Time]bool{}
	for _, gap := range pointsOf(in.Decisions, in.Policy, every, in.Now).Gaps {
		if gap.Perhaps && len(from) < most {
			from[gap.From] = true
		}
	}
	var doubtful []lifecycle.Item
	for _, d := range in.Decisions {
		if d.Counts() && !d.TagsKnown && from[d.ID.Time()] {
			doubtful = append(doubtful, d.Item)
		}
	}
	return doubtful
}
