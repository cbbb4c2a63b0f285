package main

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/restore/drill"
)

func float(t *testing.T, text string) float64 {
	t.Helper()
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// A chartScale turns a place in a drawing into what it stands for, as two of the drawing's own
// labels say.
type chartScale struct{ at0, value0, at1, value1 float64 }

func (s chartScale) value(at float64) float64 {
	return s.value0 + (at-s.at0)/(s.at1-s.at0)*(s.value1-s.value0)
}

// unit is what one unit of the drawing stands for.
func (s chartScale) unit() float64 { return math.Abs((s.value1 - s.value0) / (s.at1 - s.at0)) }

// timeScale reads the labels below a drawing, which are times of the years up to now, and
// checks that all of them are on one line. Values are in Unix seconds.
func (f shownFigure) timeScale(t *testing.T, from, now time.Time) chartScale {
	t.Helper()
	type tick struct{ x, at float64 }
	var ticks []tick
	for _, l := range f.labels {
		if l.anchor != "middle" {
			continue
		}
		at, err := time.Parse("2 Jan 2006", l.text+now.Format(" 2006"))
		if err != nil {
			t.Fatalf("a label that is no day: %q", l.text)
		}
		if at.After(now) {
			at = at.AddDate(-1, 0, 0)
		}
		if at.Before(from.Truncate(24*time.Hour)) || at.After(now) {
			t.Errorf("the label %s is beside %v to %v", l.text, from, now)
		}
		ticks = append(ticks, tick{l.x, float64(at.Unix())})
	}
	if len(ticks) < 3 {
		t.Fatalf("%s: %d labels", f.caption, len(ticks))
	}
	last := ticks[len(ticks)-1]
	s := chartScale{ticks[0].x, ticks[0].at, last.x, last.at}
	for _, tick := range ticks {
		if math.Abs(s.value(tick.x)-tick.at) > s.unit()/4 {
			t.Errorf("%s: a label of %v stands at %v", f.caption, time.Unix(int64(tick.at), 0).UTC(), time.Unix(int64(s.value(tick.x)), 0).UTC())
		}
	}
	return s
}

// sizeScale reads the labels beside a drawing, of which the one in the middle says half of
// the upper one. That one says the whole, which is known; parse returns what a label says,
// and how far it is rounded.
func (f shownFigure) sizeScale(t *testing.T, whole float64, parse func(string) (value, rounded float64)) chartScale {
	t.Helper()
	var side []shownLabel
	for _, l := range f.labels {
		if l.anchor == "end" {
			side = append(side, l)
		}
	}
	if len(side) != 3 {
		t.Fatalf("%s: labels %v", f.caption, side)
	}
	slices.SortFunc(side, func(a, b shownLabel) int { return int(b.y - a.y) })
	const below = 4 // the middle of a label is above its line
	high, rounded := parse(side[2].text)
	half, halfRounded := parse(side[1].text)
	if zero, _ := parse(side[0].text); zero != 0 || math.Abs(high-whole) > rounded || math.Abs(whole/2-half) > halfRounded || math.Abs(side[1].y*2-side[0].y-side[2].y) > 0.1 {
		t.Errorf("%s: labels %v", f.caption, side)
	}
	return chartScale{side[0].y - below, 0, side[2].y - below, whole}
}

func labelSize(text string) (value, rounded float64) {
	var unit string
	if _, err := fmt.Sscan(text, &value, &unit); err != nil {
		return math.NaN(), 0
	}
	times := map[string]float64{"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}[unit]
	if strings.Contains(text, ".") {
		return value * times, 0.051 * times
	}
	return value * times, 0.51 * times
}

func labelSeconds(text string) (value, rounded float64) {
	d, err := time.ParseDuration(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		return math.NaN(), 0
	}
	return d.Seconds(), 0.051
}

var (
	strokes = regexp.MustCompile(`M([\d.]+) (\d+)v(\d+)`)
	steps   = regexp.MustCompile(`H([\d.]+)V([\d.]+)`)
)

// checkTimeline holds every mark of a timeline against the snapshots, and the other way
// round: its place says when and of which class, and its kind which.
func (w *reportTruth) checkTimeline(t *testing.T, f shownFigure, from time.Time) {
	t.Helper()
	s := f.timeScale(t, from, w.to)
	lanes := map[int]string{} // by their place
	for _, l := range f.labels {
		if l.anchor == "end" {
			lanes[int(l.y-4)/22] = l.text
		}
	}
	near := 0.06*s.unit() + s.unit()/4 + w.to.Sub(w.from).Seconds()
	shown := map[string]bool{}
	for kind, path := range f.paths {
		if kind == "grid" {
			continue
		}
		for _, m := range strokes.FindAllStringSubmatch(path, -1) {
			at, lane := s.value(float(t, m[1])), lanes[int(float(t, m[2])+float(t, m[3])/2)/22]
			found := false
			for _, snapshot := range w.all {
				if math.Abs(at-float64(snapshot.taken.Unix())) > near {
					continue
				}
				if snapshot.class == lane && (snapshot.base == "") == (kind == "full") {
					found, shown[snapshot.id] = true, true
				}
			}
			if !found {
				t.Errorf("%s: a mark %s in %s at %v is of no snapshot", f.caption, kind, lane, time.Unix(int64(at), 0).UTC())
			}
		}
	}
	for _, snapshot := range w.all {
		if after := snapshot.taken.Sub(from).Seconds(); after > near && !shown[snapshot.id] {
			t.Errorf("%s: %s has no mark", f.caption, snapshot.name)
		}
	}
	w.checkGaps(t, f, s, from, lanes)
}

// checkGaps holds the boxes of a timeline against the gaps in the recovery points.
func (w *reportTruth) checkGaps(t *testing.T, f shownFigure, s chartScale, from time.Time, lanes map[int]string) {
	t.Helper()
	_, _, gaps := w.points(w.to)
	gaps = slices.DeleteFunc(gaps, func(g missing) bool { return !g.to.IsZero() && g.to.Before(from) })
	if len(f.boxes) != len(gaps) {
		t.Fatalf("%s: %d boxes for %d gaps", f.caption, len(f.boxes), len(gaps))
	}
	near := s.unit()/2 + w.to.Sub(w.from).Seconds()
	for i, box := range f.boxes {
		begin, end := latestOf(gaps[i].from, from), gaps[i].to
		if end.IsZero() {
			end = w.to
		}
		x, wide := float(t, box["x"]), float(t, box["width"])
		widest := math.Max(float64(end.Unix()), float64(begin.Unix())+s.unit()) // it can be seen
		if math.Abs(s.value(x)-float64(begin.Unix())) > near || math.Abs(s.value(x+wide)-widest) > near || lanes[int(float(t, box["y"]))/22] != "gaps" || box["class"] != "gap" {
			t.Errorf("%s: a box %v from %v to %v is of no gap, want %v to %v", f.caption, box, time.Unix(int64(s.value(x)), 0).UTC(), time.Unix(int64(s.value(x+wide)), 0).UTC(), begin, end)
		}
	}
}

// checkSizes holds every step of the drawing of sizes against the sum of what was taken
// until then.
func (w *reportTruth) checkSizes(t *testing.T, f shownFigure) {
	t.Helper()
	s := f.timeScale(t, w.all[0].taken, w.to)
	y := f.sizeScale(t, float64(sumOf(w.all)), labelSize)
	near := 0.06*s.unit() + s.unit()/4 + w.to.Sub(w.from).Seconds()
	drawn := steps.FindAllStringSubmatch(f.paths["area"], -1)
	sum := int64(0)
	for i, snapshot := range w.all {
		sum += snapshot.size
		if i+1 < len(w.all) && w.all[i+1].taken.Sub(snapshot.taken).Seconds() < 2*near {
			continue // the next one can be at the same place
		}
		high := -1.0
		for _, step := range drawn {
			if s.value(float(t, step[1])) <= float64(snapshot.taken.Unix())+near {
				high = y.value(float(t, step[2]))
			}
		}
		if math.Abs(high-float64(sum)) > 0.06*y.unit() {
			t.Errorf("%s: %.0f bytes up to %s, want %d", f.caption, high, snapshot.id, sum)
		}
	}
	if len(drawn) < 20 || !strings.HasPrefix(f.paths["area"], "M") {
		t.Errorf("%s: %d steps", f.caption, len(drawn))
	}
}

// checkDrills holds every box of the drawing of drills against the seconds in the records.
func (w *reportTruth) checkDrills(t *testing.T, f shownFigure) {
	t.Helper()
	y := f.sizeScale(t, w.longestDrill().Seconds(), labelSeconds)
	of := map[string]func(drill.Seconds) float64{
		"fetch": func(s drill.Seconds) float64 { return s.Fetch }, "decode": func(s drill.Seconds) float64 { return s.Decode },
		"check": func(s drill.Seconds) float64 { return s.Check }, "queries": func(s drill.Seconds) float64 { return s.Queries },
	}
	measured := slices.DeleteFunc(slices.Clone(w.drills), func(r drill.Record) bool { return !r.Frames })
	slices.Reverse(measured)
	if len(f.boxes) != len(of)*len(measured) {
		t.Fatalf("%s: %d boxes", f.caption, len(f.boxes))
	}
	for i, r := range measured {
		bottom := y.at0
		for _, box := range f.boxes[i*len(of) : (i+1)*len(of)] {
			high := float(t, box["height"])
			if got, want := high*y.unit(), of[box["class"]](r.Seconds); math.Abs(got-want) > 0.06*y.unit() {
				t.Errorf("%s of %s: %.2f s, want %.2f", box["class"], r.Snapshot, got, want)
			}
			if math.Abs(float(t, box["y"])+high-bottom) > 0.3 {
				t.Errorf("%s of %s does not stand on the box below it", box["class"], r.Snapshot)
			}
			bottom = float(t, box["y"])
		}
		box := f.boxes[i*len(of)]
		middle := float(t, box["x"]) + float(t, box["width"])/2
		if !slices.ContainsFunc(f.labels, func(l shownLabel) bool {
			return math.Abs(l.x-middle) < 0.2 && l.text == r.Time.UTC().Format("2 Jan")
		}) {
			t.Errorf("the bar of %s has no label %s", r.Snapshot, r.Time.UTC().Format("2 Jan"))
		}
	}
}

// checkFigures holds the drawings of a page against what is in the bucket.
func (w *reportTruth) checkFigures(t *testing.T, figures []shownFigure) {
	t.Helper()
	for _, f := range figures {
		if f.label != f.caption {
			t.Errorf("a drawing is called %q, and below it stands %q", f.label, f.caption)
		}
	}
	want := 3
	if len(w.drills) > 0 {
		want = 4
	}
	if len(figures) != want {
		t.Fatalf("%d drawings, want %d", len(figures), want)
	}
	w.checkTimeline(t, figures[0], w.all[0].taken)
	w.checkTimeline(t, figures[1], w.to.AddDate(0, 0, -14))
	w.checkSizes(t, figures[2])
	if want == 4 {
		w.checkDrills(t, figures[3])
	}
}
