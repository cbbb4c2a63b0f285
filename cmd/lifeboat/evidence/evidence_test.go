package evidence

import (
	"errors"
	"fmt"
	"html"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/lifecycle"
	"github.com/lifeboat-sqlite/lifeboat/restore/drill"
	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

var now = time.Date(2026, 11, 24, 12, 30, 0, 0, time.UTC)

// taken returns the decisions about snapshots of those times, as backups make them: with
// their classes, and differentials where there is a base.
func taken(times []time.Time, policy lifecycle.Policy) []lifecycle.Decision {
	var objects []bucket.Object
	var previous time.Time
	newest := map[series.Class]bucket.Object{} // of each class: what can be a base
	for i, at := range times {
		name := series.Name{ID: snapshot.ID(at.Format("20060102T150405Z") + fmt.Sprintf("-%06x", i)), Class: series.ClassAt(previous, at)}
		size := int64(40_000_000 + 10_000*i)
		if bases := series.Bases(series.Of(slices.Collect(maps.Values(newest)), now), name.Class, at); len(bases) > 0 {
			name.Base, size = bases[0].ID, int64(300_000+1000*(i%50))
		}
		newest[name.Class] = bucket.Object{Name: name.String(), Size: size, Modified: at}
		objects = append(objects, newest[name.Class])
		previous = at
	}
	var items []lifecycle.Item
	for _, s := range series.Of(objects, now) {
		items = append(items, lifecycle.Item{Snapshot: s, Tags: bucket.Tags{series.TagRetention: series.Held(s.Class)}, TagsKnown: true})
	}
	return lifecycle.Decide(items, lifecycle.Terms{Hold: lifecycle.DefaultHold, Policy: policy}, now)
}

// hours returns so many times up to now, an hour apart, but for those that are left out.
func hours(n int, without ...int) (times []time.Time) {
	left := map[int]bool{}
	for _, i := range without {
		left[i] = true
	}
	for i := n; i > 0; i-- {
		if !left[i] {
			times = append(times, now.Add(-time.Duration(i)*time.Hour+10*time.Minute))
		}
	}
	return times
}

// drills returns records of so many drills, a week apart, of which the newest but one
// failed.
func drills(n int) (all []drill.Recorded) {
	for i := range n {
		at := now.AddDate(0, 0, -7*(n-1-i)).Add(-time.Hour)
		id := snapshot.ID(at.Add(-time.Hour).Format("20060102T150405Z") + "-3f9c2a")
		r := drill.Record{
			Format: 1, Tool: "lifeboat v1.4.0", Host: "drill-7d9f", Time: at, Snapshot: id, Passed: true, Frames: true, Check: snapshot.CheckQuick, Asked: 2, True: 2,
			Seconds: drill.Seconds{Fetch: 4 + float64(i%3), Decode: 2.5, Check: 1.5 + float64(i%2), Queries: 0.2},
		}
		if i == n-2 {
			r.Passed, r.True, r.Reason, r.Exit = false, 1, "query_false", 12
		}
		all = append(all, drill.Recorded{Entry: drill.Entry{Name: drill.Name{Time: at, Snapshot: id}, Object: bucket.Object{Modified: at}}, Record: r})
	}
	return all
}

// example is a series of so many hours with everything that a page shows.
func example(n int) Input {
	all := taken(hours(n, 5, 6, 7, 8, 30), lifecycle.DefaultPolicy())
	var there []series.Snapshot
	for _, d := range all[:len(all)-3] {
		there = append(there, d.Snapshot)
	}
	return Input{
		Name: "/srv/app/data.db", URL: "s3://backups/team/app", Now: now, State: "fresh", Well: true, Retention: "recent 4d, hourly 6d, daily 14d, weekly 60d, monthly 400d, yearly forever",
		Warnings: []string{"the bucket is not versioned"}, Decisions: all, Policy: lifecycle.DefaultPolicy(), Drills: drills(12),
		Copies: []Copy{{URL: "file:///mnt/nas/app", Now: now, Snapshots: there}, {URL: "s3://away/app", Err: "the store is unreachable"}},
	}
}

var terms = Terms{Tool: "lifeboat v1.4.0", Made: now, Every: time.Hour, Prices: Prices{Currency: "USD", Storage: 0.023, Uploads: 0.005, Egress: 0.09}}

func pageOf(t testing.TB, p Page) string {
	t.Helper()
	var b strings.Builder
	if err := p.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// A page asks for nothing from anywhere, has no script, and is not too large for 5,000
// snapshots.
func TestPageIsStatic(t *testing.T) {
	page := pageOf(t, New([]Section{NewSection(example(5005), terms)}, false, terms))
	if len(page) > 400<<10 {
		t.Errorf("%d bytes for 5,000 snapshots", len(page))
	}
	if got := strings.Count(page, "5,000 snapshots"); got < 2 {
		t.Errorf("5,000 snapshots are named %d times", got)
	}
	for _, outside := range []string{"<script", "<link", "<img", "<iframe", "@import", "url(", "src=", "http://", "https://", "javascript:", "onload", "ZgotmplZ"} {
		if strings.Contains(page, outside) {
			t.Errorf("the page has %s", outside)
		}
	}
}

// What comes from outside is text on the page, whatever it is.
func TestPageEscapes(t *testing.T) {
	const evil = `<script>alert("1")</script>'"&`
	in := example(30)
	in.Name, in.URL, in.State, in.Retention, in.Warnings = evil, "s3://"+evil, evil, evil, []string{evil}
	in.Copies = []Copy{{URL: evil, Err: evil}, {URL: evil}}
	in.Drills[0].Record.Host, in.Drills[0].Record.Tool, in.Drills[0].Record.Check = evil, evil, evil
	in.Drills[0].Record.Passed, in.Drills[0].Record.Reason = false, evil
	for i := range in.Decisions {
		in.Decisions[i].Reason = evil
	}
	failed := in
	failed.Err = evil
	without := in
	without.NoDrills = evil
	money := terms
	money.Prices.Currency, money.Tool = evil, evil
	sections := []Section{NewSection(in, money), NewSection(failed, money), NewSection(without, money)}
	for _, page := range []string{pageOf(t, New(sections, true, money)), pageOf(t, New(sections[:1], false, money))} {
		if strings.Contains(page, "<script") || strings.Contains(page, `alert("`) || strings.Contains(page, "ZgotmplZ") {
			t.Error("markup from outside is on the page")
		}
		if got := strings.Count(html.UnescapeString(page), evil); got < 10 {
			t.Errorf("the text is on the page %d times", got)
		}
	}
}

// A series without anything has a page, too.
func TestEmptyPage(t *testing.T) {
	for _, in := range []Input{{URL: "s3://b/app", Now: now, State: "no snapshot"}, {URL: "s3://b/app", Now: now, Decisions: taken(hours(1), nil)}} {
		page := pageOf(t, New([]Section{NewSection(in, Terms{Made: now})}, false, Terms{Made: now}))
		for _, want := range []string{">never<", "Nothing goes", "No drill is recorded"} {
			if !strings.Contains(page, want) {
				t.Errorf("%s is not on the page of %d snapshots", want, len(in.Decisions))
			}
		}
	}
}

// Gaps are what is longer than the schedule, or than what is kept of it at that age. A
// database that was confirmed meanwhile has none, and one whose tags were not read may
// have none.
func TestPoints(t *testing.T) {
	policy := lifecycle.DefaultPolicy()
	day := 24 * time.Hour
	all := taken(hours(24*20, 3, 4, 50), policy)
	p := pointsOf(all, policy, time.Hour, now)
	if len(p.Gaps) != 2 || p.Gaps[0].Length != 3*time.Hour || p.Gaps[1].Length != 2*time.Hour || p.Gaps[0].Perhaps || p.Gaps[0].Every != time.Hour {
		t.Fatalf("%+v", p.Gaps)
	}
	if from, to := now.Add(-5*time.Hour+10*time.Minute), now.Add(-2*time.Hour+10*time.Minute); !p.Gaps[0].From.Equal(from) || !p.Gaps[0].To.Equal(to) {
		t.Errorf("gap from %v to %v, want %v to %v", p.Gaps[0].From, p.Gaps[0].To, from, to)
	}
	var spans []string
	for _, s := range p.Spans {
		spans = append(spans, fmt.Sprintf("%d-%d/%v", s.From/day, s.To/day, s.Every))
	}
	if got, want := strings.Join(spans, " "), "0-4/1h0m0s 4-6/1h0m0s 6-14/24h0m0s 14-60/168h0m0s 60-400/744h0m0s 400-0/8784h0m0s"; got != want {
		t.Errorf("spans %s, want %s", got, want)
	}
	sum := 0
	for _, s := range p.Spans {
		sum += s.Points
	}
	if sum != len(all) || p.Spans[0].Longest != 3*time.Hour || p.Spans[0].Gaps != 2 {
		t.Errorf("%d points of %d: %+v", sum, len(all), p.Spans)
	}

	for i := range all {
		if all[i].ID.Time().Equal(p.Gaps[0].From) {
			all[i].Tags[series.TagConfirmed] = p.Gaps[0].From.Add(2 * time.Hour).Format(time.RFC3339)
		}
		if all[i].ID.Time().Equal(p.Gaps[1].From) {
			all[i].Tags, all[i].TagsKnown = nil, false
		}
	}
	again := pointsOf(all, policy, time.Hour, now)
	if len(again.Gaps) != 1 || !again.Gaps[0].From.Equal(p.Gaps[1].From) || !again.Gaps[0].Perhaps {
		t.Errorf("with a confirmation, and tags that were not read: %+v", again.Gaps)
	}
	if doubtful := Doubtful(Input{Decisions: all, Policy: policy, Now: now}, time.Hour, 5); len(doubtful) != 1 || !doubtful[0].ID.Time().Equal(p.Gaps[1].From) {
		t.Errorf("doubtful: %v", doubtful)
	}

	// What has gone by retention is no gap.
	kept := all[:0:0]
	for _, d := range taken(hours(24*20), policy) {
		age := now.Sub(d.ID.Time())
		if keep := policy.Keep(d.Class); keep == lifecycle.Forever || age < time.Duration(keep)*day {
			kept = append(kept, d)
		}
	}
	if p := pointsOf(kept, policy, time.Hour, now); len(kept) > 24*7 || len(p.Gaps) != 0 {
		t.Errorf("%d are left: %+v", len(kept), p.Gaps)
	}
	// The newest is too old.
	if p := pointsOf(taken(hours(48)[:40], policy), policy, time.Hour, now); len(p.Gaps) != 1 || !p.Gaps[0].To.IsZero() || p.Gaps[0].Length < 8*time.Hour {
		t.Errorf("%+v", p.Gaps)
	}
	// Without a schedule the newest snapshots show it.
	if p := pointsOf(taken(hours(48, 7), nil), nil, 0, now); p.Every != time.Hour || !p.Inferred || len(p.Gaps) != 1 || len(p.Spans) != 1 {
		t.Errorf("%+v", p)
	}
	if p := pointsOf(taken(hours(1), nil), nil, 0, now); p.Every != 0 || len(p.Gaps) != 0 {
		t.Errorf("%+v", p)
	}
}

// Spans end where classes do, in whatever order a policy has them.
func TestSpans(t *testing.T) {
	for want, policy := range map[string]lifecycle.Policy{
		"0-0":                   nil,
		"0-2 2-4 4-7 7-16":      {lifecycle.Recent: 2},
		"0-1 1-3 3-6 6-30":      {lifecycle.Recent: 1, lifecycle.Weekly: 30, lifecycle.Monthly: 30, lifecycle.Yearly: 30},
		"0-1 1-0":               {lifecycle.Recent: 1, lifecycle.Hourly: lifecycle.Forever},
		"0-1 1-3 3-6 6-15 15-0": {lifecycle.Recent: 1, lifecycle.Monthly: lifecycle.Forever},
	} {
		var got []string
		for _, s := range spansOf(policy, time.Hour) {
			got = append(got, fmt.Sprintf("%d-%d", s.From/(24*time.Hour), s.To/(24*time.Hour)))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%v: %v, want %s", policy, got, want)
		}
	}
}

// Only a drill that passed, at a time that can be right, is a proof.
func TestProved(t *testing.T) {
	in := example(30)
	if s := NewSection(in, terms); !s.Proved.Time.Equal(in.Drills[11].Time) || s.Failing || len(s.Drilled) != 12 {
		t.Errorf("%+v", s.Proved)
	}
	in.Drills[11].Err = errors.New("damaged")
	if s := NewSection(in, terms); !s.Proved.Time.Equal(in.Drills[9].Time) || !s.Failing {
		t.Errorf("%+v", s.Proved)
	}
	in.Drills = in.Drills[10:]
	if s := NewSection(in, terms); s.Proved != nil || !s.Failing {
		t.Errorf("%+v", s.Proved)
	}
}

// Only what the first place has, too, in the same size, is a copy.
func TestCopies(t *testing.T) {
	in := example(30)
	of := func(decisions []lifecycle.Decision) (all []series.Snapshot) {
		for _, d := range decisions {
			all = append(all, d.Snapshot)
		}
		return all
	}
	last := len(in.Decisions) - 1
	cut := of(in.Decisions)
	cut[last].Object.Size--
	in.Copies = []Copy{{Snapshots: of(in.Decisions)}, {Snapshots: cut}, {Snapshots: of(taken(hours(3), nil))}, {Snapshots: cut[last:]}}
	for i, want := range []CopyState{
		{Newest: in.Decisions[last].ID, There: last + 1},
		{Newest: in.Decisions[last-1].ID, There: last + 1, Differing: 1, Behind: time.Hour},
		{There: 3, Missing: last + 1, Unrelated: 3},
		{There: 1, Missing: last, Differing: 1},
	} {
		got := NewSection(in, terms).Copied[i]
		if got.Stored = 0; got != want {
			t.Errorf("place %d: %+v, want %+v", i, got, want)
		}
	}
}

// Every mark of a timeline is in its lane, and each snapshot is marked.
func TestTimeline(t *testing.T) {
	in := example(24 * 40)
	s := NewSection(in, terms)
	if len(s.Timeline) != 2 {
		t.Fatalf("%d timelines", len(s.Timeline))
	}
	whole := s.Timeline[0]
	if want := fmt.Sprintf("%d full ones, ", s.Kinds[0].Snapshots); !strings.Contains(whole.Text, want) || !strings.Contains(whole.Text, "2 gaps") {
		t.Errorf("%s: want %s and 2 gaps", whole.Text, want)
	}
	classes := series.Classes()
	for _, d := range in.Decisions {
		lane := 0
		for i := range classes {
			if classes[len(classes)-1-i] == d.Class {
				lane = i
			}
		}
		x := at(axis{in.Decisions[0].ID.Time(), now}.x(d.ID.Time()))
		mark := fmt.Sprintf("M%s %dv8", x, lane*laneHigh+7)
		if d.Full() {
			mark = fmt.Sprintf("M%s %dv16", x, lane*laneHigh+3)
		}
		found := false
		for _, p := range whole.Paths {
			found = found || strings.Contains(p.D, mark)
		}
		if !found {
			t.Fatalf("%s (%s) has no mark %s", d.ID, d.Class, mark)
		}
	}
	for _, m := range regexp.MustCompile(`M([\d.]+) `).FindAllStringSubmatch(whole.Paths[0].D, -1) {
		var x float64
		if _, err := fmt.Sscan(m[1], &x); err != nil || x < left || x > width-right {
			t.Errorf("a mark at %s", m[1])
		}
	}
}

// The axis has a few round times, whatever it spans.
func TestTicks(t *testing.T) {
	for _, span := range []time.Duration{time.Minute, 5 * time.Hour, 30 * time.Hour, 8 * 24 * time.Hour, 100 * 24 * time.Hour, 900 * 24 * time.Hour, 20 * 366 * 24 * time.Hour} {
		ticks := ticksOf(axis{now.Add(-span), now})
		if len(ticks) > mostTicks || len(ticks) == 0 && span > 2*time.Hour {
			t.Errorf("%v: %d ticks", span, len(ticks))
		}
	}
}

func TestWords(t *testing.T) {
	for want, got := range map[string]string{
		"250ms": clock(250 * time.Millisecond), "1.5s": clock(1500 * time.Millisecond), "5m": clock(5 * time.Minute), "5m 3s": clock(303 * time.Second), "1h 5m": clock(65 * time.Minute),
		"3d 4h": clock(76 * time.Hour), "2d": clock(48 * time.Hour), "1.5 GiB": bytes(3 << 29), "1 gap": counted(1, "gap"), "5,000 gaps": counted(5000, "gap"),
		"1.50 USD": money(1.5, "USD"), "0.0012": money(0.0012, ""), "less than 0.0001 USD": money(0.00001, "USD"), "never": day(time.Time{}),
	} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func BenchmarkPage(b *testing.B) {
	in := example(5005)
	for b.Loop() {
		if err := New([]Section{NewSection(in, terms)}, false, terms).Write(io.Discard); err != nil {
			b.Fatal(err)
		}
	}
}
