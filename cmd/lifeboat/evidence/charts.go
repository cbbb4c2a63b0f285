package evidence

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/restore/drill"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// The geometry of charts, in units of their view box.
const (
	width     = 720
	left      = 74 // of what is drawn: labels stand before it
	right     = 10
	laneHigh  = 22
	axisHigh  = 24
	plotHigh  = 120
	plotAbove = 10
	letter    = 7 // at most, of a label
)

// A Chart is a drawing with its axes.
type Chart struct {
	ID     string // distinguishes the charts of a section
	Title  string
	Text   string // what it shows, in words
	Width  int
	Height int
	Labels []Label
	Lines  []string // paths of the grid
	Boxes  []Box
	Paths  []Path
	Legend []Legend
}

// A Label is a text at a place.
type Label struct {
	X, Y   string
	Anchor string // start, middle or end
	Text   string
}

// A Box is a rectangle of a kind.
type Box struct {
	Kind                string
	X, Y, Width, Height string
}

// A Path is a line, an area or many marks of a kind.
type Path struct {
	Kind string
	D    string
}

// Legend is what a kind stands for.
type Legend struct{ Kind, Text string }

// at writes a coordinate: a tenth of a unit is finer than a screen shows.
func at(x float64) string {
	return strings.TrimSuffix(strconv.FormatFloat(x, 'f', 1, 64), ".0")
}

// A span of time that is drawn from left to right.
type axis struct{ from, to time.Time }

func (a axis) x(t time.Time) float64 {
	whole := max(a.to.Sub(a.from), time.Second)
	part := float64(t.Sub(a.from)) / float64(whole)
	return left + min(max(part, 0), 1)*(width-left-right)
}

// recentDays is what the second timeline shows of a series that is older.
const recentDays = 14

func (s *Section) charts() {
	if len(s.Decisions) == 0 {
		return
	}
	first := s.Decisions[0].ID.Time()
	whole := axis{first, s.Now}
	s.Timeline = []Chart{s.timeline("time", "All snapshots, by class and kind", whole)}
	if since := s.Now.AddDate(0, 0, -recentDays); first.Before(since.AddDate(0, 0, -recentDays/2)) {
		s.Timeline = append(s.Timeline, s.timeline("days", fmt.Sprintf("The last %d days", recentDays), axis{since, s.Now}))
	}
	if len(s.Decisions) > 1 && first.Before(s.Now) {
		s.Sizes = s.sizes(whole)
	}
	s.Recovery = s.recovery()
}

// timeline draws a lane for each class, and one for gaps.
func (s *Section) timeline(id, title string, a axis) Chart {
	lanes := series.Classes()
	slices.Reverse(lanes)
	c := Chart{ID: id, Title: title, Width: width, Height: (len(lanes)+1)*laneHigh + axisHigh}
	marks := map[string]*marks{"full": {}, "diff": {}, "bad": {}}
	shown, fulls := 0, 0
	for _, d := range s.Decisions {
		if d.ID.Time().Before(a.from) {
			continue
		}
		shown++
		y, kind, high := slices.Index(lanes, d.Class)*laneHigh, "diff", 8
		if d.Full() {
			fulls, kind, high = fulls+1, "full", 16
		}
		if !d.Counts() {
			kind = "bad"
		}
		marks[kind].add(a.x(d.ID.Time()), y+(laneHigh-high)/2, high)
	}
	for i, class := range lanes {
		c.lane(i, string(class))
	}
	c.lane(len(lanes), "gaps")
	gaps := 0
	for _, gap := range s.Points.Gaps {
		end := gap.To
		if end.IsZero() {
			end = s.Now
		}
		if end.Before(a.from) {
			continue
		}
		gaps++
		x := a.x(gap.From)
		kind := "gap"
		if gap.Perhaps {
			kind = "perhaps"
		}
		c.Boxes = append(c.Boxes, Box{kind, at(x), strconv.Itoa(len(lanes)*laneHigh + 3), at(max(a.x(end)-x, 1)), strconv.Itoa(laneHigh - 6)})
	}
	c.ticks(a, (len(lanes)+1)*laneHigh)
	for _, kind := range []string{"diff", "full", "bad"} {
		if path := marks[kind].path(); path != "" {
			c.Paths = append(c.Paths, Path{kind, path})
		}
	}
	c.Text = fmt.Sprintf("%s since %s: %s, %s.", counted(shown, "snapshot"), minute(a.from), counted(fulls, "full one"), counted(shown-fulls, "differential"))
	if s.Points.Every > 0 {
		c.Text += fmt.Sprintf(" %s between recovery points.", counted(gaps, "gap"))
	}
	for _, l := range []Legend{{"full", "full"}, {"diff", "differential"}, {"bad", "broken or implausible"}, {"gap", "gap in the recovery points"}, {"perhaps", "gap, unless the database was unchanged"}} {
		if c.has(l.Kind) {
			c.Legend = append(c.Legend, l)
		}
	}
	return c
}

// has reports whether something of a kind is drawn.
func (c *Chart) has(kind string) bool {
	return slices.ContainsFunc(c.Paths, func(p Path) bool { return p.Kind == kind }) || slices.ContainsFunc(c.Boxes, func(b Box) bool { return b.Kind == kind })
}

// marks are strokes at places, each place once.
type marks struct {
	seen    map[string]bool
	strokes strings.Builder
}

func (m *marks) add(x float64, y, high int) {
	stroke := fmt.Sprintf("M%s %dv%d", at(x), y, high)
	if m.seen == nil {
		m.seen = map[string]bool{}
	}
	if !m.seen[stroke] {
		m.seen[stroke] = true
		m.strokes.WriteString(stroke)
	}
}

func (m *marks) path() string { return m.strokes.String() }

// lane draws the bottom line of a lane and its name.
func (c *Chart) lane(i int, name string) {
	c.Labels = append(c.Labels, Label{strconv.Itoa(left - 8), strconv.Itoa(i*laneHigh + laneHigh/2 + 4), "end", name})
	c.Lines = append(c.Lines, fmt.Sprintf("M%d %dH%d", left, (i+1)*laneHigh, width-right))
}

// ticks draws the axis of time below y.
func (c *Chart) ticks(a axis, y int) {
	for _, t := range ticksOf(a) {
		x := at(a.x(t.at))
		c.Lines = append(c.Lines, fmt.Sprintf("M%s 0V%d", x, y))
		c.Labels = append(c.Labels, Label{x, strconv.Itoa(y + 16), "middle", t.text})
	}
}

// A tick is a time with its text.
type tick struct {
	at   time.Time
	text string
}

// mostTicks is how many labels have room beside each other.
const mostTicks = 9

// ticksOf returns round times in a span, in UTC.
func ticksOf(a axis) []tick {
	for _, step := range []struct {
		hours, days, months int
		layout              string
	}{
		{1, 0, 0, "15:04"}, {3, 0, 0, "15:04"}, {6, 0, 0, "2 Jan 15h"}, {12, 0, 0, "2 Jan 15h"}, {0, 1, 0, "2 Jan"}, {0, 2, 0, "2 Jan"}, {0, 4, 0, "2 Jan"}, {0, 7, 0, "2 Jan"}, {0, 14, 0, "2 Jan"},
		{0, 0, 1, "Jan 2006"}, {0, 0, 3, "Jan 2006"}, {0, 0, 6, "Jan 2006"}, {0, 0, 12, "2006"}, {0, 0, 60, "2006"}, {0, 0, 1200, "2006"},
	} {
		from := a.from.UTC()
		t := time.Date(from.Year(), from.Month(), from.Day(), 0, 0, 0, 0, time.UTC)
		if step.months > 0 {
			t = time.Date(from.Year(), 1, 1, 0, 0, 0, 0, time.UTC)
		}
		var ticks []tick
		for !t.After(a.to) && len(ticks) <= mostTicks {
			if x := a.x(t); !t.Before(a.from) && x > left+16 && x+float64(len(step.layout))*letter/2 < width {
				ticks = append(ticks, tick{t, t.Format(step.layout)})
			}
			t = t.AddDate(0, step.months, step.days).Add(time.Duration(step.hours) * time.Hour)
		}
		if len(ticks) <= mostTicks {
			return ticks
		}
	}
	return nil
}

// sizes draws what is stored now by the time when it was taken.
func (s *Section) sizes(a axis) *Chart {
	c := &Chart{ID: "size", Title: "What is stored, by when it was taken", Width: width, Height: plotAbove + plotHigh + axisHigh}
	total := float64(max(s.Total.Stored, 1))
	y := func(size float64) string { return at(plotAbove + plotHigh*(1-size/total)) }
	var area strings.Builder
	fmt.Fprintf(&area, "M%d %d", left, plotAbove+plotHigh)
	sum, last := int64(0), ""
	for i, d := range s.Decisions {
		sum += d.Object.Size
		x := at(a.x(d.ID.Time()))
		if i+1 < len(s.Decisions) && at(a.x(s.Decisions[i+1].ID.Time())) == x {
			continue // the next one is drawn at the same place
		}
		if step := y(float64(sum)); step != last {
			fmt.Fprintf(&area, "H%sV%s", x, step)
			last = step
		}
	}
	fmt.Fprintf(&area, "H%dV%dZ", width-right, plotAbove+plotHigh)
	c.Paths = []Path{{"area", area.String()}}
	c.scale(func(part float64) string { return bytes(int64(part * total)) })
	c.ticks(a, plotAbove+plotHigh)
	c.Text = fmt.Sprintf("%s in %s, of which %s is in full ones.", bytes(s.Total.Stored), counted(s.Total.Snapshots, "object"), bytes(s.Kinds[0].Stored))
	return c
}

// scale draws the vertical axis.
func (c *Chart) scale(text func(part float64) string) {
	for _, part := range []float64{0, 0.5, 1} {
		y := plotAbove + plotHigh*(1-part)
		c.Labels = append(c.Labels, Label{strconv.Itoa(left - 8), at(y + 4), "end", text(part)})
		c.Lines = append(c.Lines, fmt.Sprintf("M%d %sH%d", left, at(y), width-right))
	}
}

// stages are those of a drill, in the order in which they are drawn.
var stages = []struct {
	kind, text string
	of         func(drill.Seconds) float64
}{
	{"fetch", "fetch", func(s drill.Seconds) float64 { return s.Fetch }},
	{"decode", "decode", func(s drill.Seconds) float64 { return s.Decode }},
	{"check", "check", func(s drill.Seconds) float64 { return s.Check }},
	{"queries", "queries", func(s drill.Seconds) float64 { return s.Queries }},
}

// recovery draws the seconds of the drills that rebuilt a database, the newest at the
// right.
func (s *Section) recovery() *Chart {
	var measured []drill.Recorded
	longest := 0.0
	for _, r := range s.Drilled {
		if _, is := r.Record.Recovery(); is && r.Err == nil {
			measured = append(measured, r)
			sum := 0.0
			for _, stage := range stages {
				sum += max(stage.of(r.Record.Seconds), 0)
			}
			longest = max(longest, sum)
		}
	}
	if len(measured) < 2 || longest <= 0 {
		return nil
	}
	slices.Reverse(measured)
	c := &Chart{ID: "drills", Title: "Seconds of each drill, by stage", Width: width, Height: plotAbove + plotHigh + axisHigh}
	step := float64(width-left-right) / float64(len(measured))
	for i, r := range measured {
		x, y := left+step*(float64(i)+0.15), float64(plotAbove+plotHigh)
		for _, stage := range stages {
			high := plotHigh * max(stage.of(r.Record.Seconds), 0) / longest
			y -= high
			c.Boxes = append(c.Boxes, Box{stage.kind, at(x), at(y), at(step * 0.7), at(high)})
		}
		if every := (len(measured) + mostTicks - 1) / mostTicks; i%every == 0 {
			c.Labels = append(c.Labels, Label{at(x + step*0.35), strconv.Itoa(plotAbove + plotHigh + 16), "middle", r.Time.UTC().Format("2 Jan")})
		}
	}
	c.scale(func(part float64) string { return clock(time.Duration(part * longest * float64(time.Second))) })
	c.Text = fmt.Sprintf("%s that rebuilt the database from nothing; the longest took %s.", counted(len(measured), "drill"), clock(time.Duration(longest*float64(time.Second))))
	for _, stage := range stages {
		c.Legend = append(c.Legend, Legend{stage.kind, stage.text})
	}
	return c
}
