package evidence

import (
	"cmp"
	"slices"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/lifecycle"
	"github.com/lifeboat-sqlite/lifeboat/restore/drill"
	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// How many rows the tables have at most.
const (
	gapsShown   = 20
	chainsShown = 20
	nextShown   = 20
	drillsShown = 30
)

// A Section is what the page says of one series. Sizes are in bytes.
type Section struct {
	Input
	Newest   *Newest // nil: none counts
	Proved   *drill.Recorded
	Failing  bool // the newest drill of all has not passed
	Copied   []CopyState
	Total    Count
	Kinds    [2]Count // full ones, differentials
	Classes  []ClassCount
	Broken   int
	Guarded  int // snapshots that are due, but stay by the shrink guard
	Points   Points
	Chains   []Chain
	Rest     Count // chains beside those, and their objects
	Strays   Count // differentials of which no full one is there
	Next     []lifecycle.Decision
	Leaving  int              // those that go, or are released, as things stand
	Untagged bool             // tags of Next are not known
	Drilled  []drill.Recorded // the newest first
	Costs    []Cost
	Timeline []Chart
	Sizes    *Chart // nil for less than two snapshots
	Recovery *Chart // nil for less than two measured drills
}

// A Count is of snapshots.
type Count struct {
	Snapshots int
	Stored    int64
}

func (c *Count) add(d lifecycle.Decision) {
	c.Snapshots, c.Stored = c.Snapshots+1, c.Stored+d.Object.Size
}

// ClassCount are the snapshots of one class.
type ClassCount struct {
	Class              series.Class
	Full, Differential int
	Stored             int64
	Oldest             time.Time
	Keep               string // how long they are kept, "" where it is decided elsewhere
}

// RetiredAt returns when it was retired, nil if it was not.
func (n Newest) RetiredAt() *time.Time {
	if at, retired := n.Retired(); retired {
		return &at
	}
	return nil
}

// Newest is the newest snapshot that counts.
type Newest struct {
	lifecycle.Decision
	Seen time.Time // when it was taken, or last confirmed
	Age  time.Duration
	// TooOld is its age, beyond the greatest.
	TooOld bool
	Chain  []series.Snapshot // the full one first
	Bytes  int64             // of the chain: what a restore fetches
}

// CopyState is what a second place lacks.
type CopyState struct {
	URL       string
	Err       string      // why it could not be listed, "" if it was
	Newest    snapshot.ID // "": no copy counts
	There     int         // snapshots that are there
	Stored    int64
	Missing   int           // snapshots that are in the first place alone
	Behind    time.Duration // from its newest to the first place's
	TooOld    bool          // its newest
	Differing int           // snapshots of which another object is there
	Unrelated int           // snapshots that are there alone
}

// A Chain is a full snapshot with all that stands on it.
type Chain struct {
	Full          lifecycle.Decision
	Differentials int
	Stored        int64 // of all
	Last          snapshot.ID
}

// A Cost is one line of the bill.
type Cost struct {
	What  string
	Basis string
	Money float64
}

// NewSection computes a section. Of its Input it keeps neither the decisions nor the
// drills and copies; Older counts the drills that are not in Drilled.
func NewSection(in Input, t Terms) Section {
	in = in.printable()
	s := Section{Input: in}
	if in.Err != "" {
		s.State, s.Well = "unknown", false
		return s
	}
	s.count()
	s.newest()
	s.drills()
	for _, c := range in.Copies {
		s.Copied = append(s.Copied, s.compare(c))
	}
	s.Points = pointsOf(in.Decisions, in.Policy, t.Every, in.Now)
	s.chains()
	s.next()
	s.costs(t.Prices)
	s.charts()
	s.Older += len(s.Input.Drills) - len(s.Drilled)
	s.Decisions, s.Input.Drills, s.Copies = nil, nil, nil // a fleet has many
	return s
}

func (s *Section) count() {
	rows := map[series.Class]*ClassCount{}
	for _, class := range series.Classes() {
		row := &ClassCount{Class: class}
		switch {
		case s.Policy != nil:
			row.Keep = s.Policy.Keep(class).String()
		case !s.Elsewhere:
			row.Keep = lifecycle.Forever.String()
		}
		rows[class] = row
	}
	for _, d := range s.Decisions {
		s.Total.add(d)
		row := rows[d.Class]
		if d.Full() {
			s.Kinds[0].add(d)
			row.Full++
		} else {
			s.Kinds[1].add(d)
			row.Differential++
		}
		if row.Oldest.IsZero() {
			row.Oldest = d.ID.Time()
		}
		row.Stored += d.Object.Size
		if d.Broken {
			s.Broken++
		}
		if d.Guarded {
			s.Guarded++
		}
	}
	for _, class := range series.Classes() {
		s.Classes = append(s.Classes, *rows[class])
	}
}

// newest finds the newest snapshot that counts. A confirmation in the future does not.
func (s *Section) newest() {
	for _, d := range slices.Backward(s.Decisions) {
		if !d.Counts() {
			continue
		}
		n := &Newest{Decision: d, Seen: d.Seen(), Chain: d.Snapshot.Chain()}
		if n.Seen.After(s.Now.Add(series.MaxAhead)) {
			n.Seen = d.ID.Time()
		}
		n.Age = max(s.Now.Sub(n.Seen), 0)
		n.TooOld = s.MaxAge > 0 && n.Age > s.MaxAge && !s.Well
		for _, part := range n.Chain {
			n.Bytes += part.Object.Size
		}
		s.Newest = n
		return
	}
}

func (s *Section) drills() {
	for _, r := range slices.Backward(s.Input.Drills) {
		if r.Proves(s.Now) && s.Proved == nil {
			proof := r
			s.Proved = &proof
		}
		if len(s.Drilled) == 0 {
			s.Failing = !r.Proves(s.Now)
		}
		if len(s.Drilled) < drillsShown {
			s.Drilled = append(s.Drilled, r)
		}
	}
}

// compare returns what a copy lacks.
func (s *Section) compare(c Copy) CopyState {
	state := CopyState{URL: c.URL, Err: c.Err, There: len(c.Snapshots)}
	there := map[snapshot.ID]bucket.Object{}
	for _, copied := range c.Snapshots {
		there[copied.ID] = copied.Object
		state.Stored += copied.Object.Size
	}
	var own []series.Snapshot
	for _, d := range s.Decisions {
		own = append(own, d.Snapshot)
		switch object, is := there[d.ID]; {
		case !is:
			state.Missing++
		case !isCopy(d.Object, object):
			state.Differing++
		}
		delete(there, d.ID)
	}
	state.Unrelated = len(there)
	newest, ok := series.NewestOf(CopiesOf(own, c.Snapshots))
	if !ok {
		return state
	}
	state.Newest = newest.ID
	if s.Newest != nil {
		state.Behind = max(s.Newest.ID.Time().Sub(newest.ID.Time()), 0)
		// An unchanged database has no newer snapshot that could be there.
		state.TooOld = s.MaxAge > 0 && state.Behind > 0 && c.Now.Sub(newest.ID.Time()) > s.MaxAge
	}
	return state
}

// A Word is a text of the overview.
type Word struct {
	Text  string
	Wrong bool
}

// CopyWord returns in a word how the second places are: the worst of them.
func (s Section) CopyWord() Word {
	worst, rank := Word{Text: "none named"}, 0
	for _, c := range s.Copied {
		word, its := Word{Text: "up to date"}, 1
		switch {
		case c.Err != "":
			word, its = Word{"not known", true}, 6
		case c.Differing > 0:
			word, its = Word{"differ", true}, 5
		case c.Newest == "":
			word, its = Word{"none there", true}, 4
		case c.TooOld:
			word, its = Word{clock(c.Behind) + " behind", true}, 3
		case c.Behind > 0:
			word, its = Word{clock(c.Behind) + " behind", false}, 2
		}
		if its > rank {
			worst, rank = word, its
		}
	}
	return worst
}

// CopiesOf returns those snapshots of a second place that the source has, too, under the
// same name and of the same size, with all that they stand on.
func CopiesOf(source, there []series.Snapshot) (copied []series.Snapshot) {
	own := map[snapshot.ID]bucket.Object{}
	for _, s := range source {
		own[s.ID] = s.Object
	}
	for _, s := range there {
		differs := func(part series.Snapshot) bool { return !isCopy(own[part.ID], part.Object) }
		if !slices.ContainsFunc(s.Chain(), differs) {
			copied = append(copied, s)
		}
	}
	return copied
}

// isCopy reports whether an object may be a copy of another, by what listings say.
func isCopy(own, there bucket.Object) bool {
	return own.Name == there.Name && own.Size == there.Size
}

// chains groups the snapshots by the full one at the bottom, the newest chain first.
func (s *Section) chains() {
	at := map[snapshot.ID]int{}
	var all []Chain
	for _, d := range s.Decisions {
		if d.Full() {
			at[d.ID] = len(all)
			all = append(all, Chain{Full: d, Stored: d.Object.Size, Last: d.ID})
			continue
		}
		i, known := at[d.Snapshot.Chain()[0].ID]
		if !known {
			s.Strays.add(d)
			continue
		}
		all[i].Differentials++
		all[i].Stored += d.Object.Size
		all[i].Last = d.ID
	}
	slices.SortStableFunc(all, func(a, b Chain) int { return cmp.Compare(b.Last, a.Last) })
	s.Chains = all[:min(len(all), chainsShown)]
	for _, c := range all[len(s.Chains):] {
		s.Rest.Snapshots += 1 + c.Differentials
		s.Rest.Stored += c.Stored
	}
}

func (s *Section) next() {
	s.Next = leaving(s.Decisions)
	s.Leaving = len(s.Next)
	s.Next = s.Next[:min(len(s.Next), nextShown)]
	s.Untagged = slices.ContainsFunc(s.Next, func(d lifecycle.Decision) bool { return !d.TagsKnown })
}

// Next returns what a page has as going next, so that its tags can be read.
func Next(all []lifecycle.Decision) []lifecycle.Decision {
	next := leaving(all)
	return next[:min(len(next), nextShown)]
}

// leaving returns what goes or is released, by the time when it does.
func leaving(all []lifecycle.Decision) (next []lifecycle.Decision) {
	for _, d := range all {
		if d.Action != lifecycle.ActKeep || !d.Expires.IsZero() {
			next = append(next, d)
		}
	}
	slices.SortStableFunc(next, func(a, b lifecycle.Decision) int {
		return cmp.Or(byTime(a.Expires, b.Expires), byTime(a.Due, b.Due))
	})
	return next
}

// byTime compares times, of which zero is never.
func byTime(a, b time.Time) int {
	switch {
	case a.IsZero() && b.IsZero():
		return 0
	case a.IsZero():
		return 1
	case b.IsZero():
		return -1
	}
	return a.Compare(b)
}

// month is what a bill is about.
const month = 30 * 24 * time.Hour

func (s *Section) costs(p Prices) {
	add := func(price, money float64, what, basis string) {
		if price > 0 {
			s.Costs = append(s.Costs, Cost{what, basis, money})
		}
	}
	add(p.Storage, p.storage(s.Total.Stored), "storage, a month", bytes(s.Total.Stored)+" that are there now")
	uploads := 0
	for _, d := range s.Decisions {
		if s.Now.Sub(d.ID.Time()) < month {
			uploads++
		}
	}
	add(p.Uploads, p.Uploads*float64(uploads)/1000, "uploads, a month", counted(uploads, "snapshot")+" of the last 30 days that are there now")
	if s.Newest != nil {
		add(p.Egress, p.egress(s.Newest.Bytes), "a restore of the newest", bytes(s.Newest.Bytes)+" in "+counted(len(s.Newest.Chain), "object"))
	}
}
