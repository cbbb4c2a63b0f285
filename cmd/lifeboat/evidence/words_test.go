package evidence

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/lifecycle"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// What reorders or hides text is escaped, as on a terminal: with it gpj.exe reads exe.jpg.
func TestPagePrintsWhatHides(t *testing.T) {
	const hidden = "a\u202egpj.exe\u200b\u0007"
	in := example(30)
	in.Name, in.URL, in.State, in.Verdict, in.Retention, in.Warnings = hidden, hidden, hidden, hidden, hidden, []string{hidden}
	in.Copies = []Copy{{URL: hidden, Err: hidden}}
	r := &in.Drills[0].Record
	r.Host, r.Tool, r.Check, r.Passed, r.Reason = hidden, hidden, hidden, false, hidden
	for i := range in.Decisions {
		in.Decisions[i].Reason = hidden
	}
	unread, failed := in, in
	unread.NoDrills, failed.Err = hidden, hidden
	page := pageOf(t, New([]Section{NewSection(in, terms), NewSection(unread, terms), NewSection(failed, terms)}, true, terms))
	if strings.ContainsAny(page, "\u202e\u200b\u0007") {
		t.Error("the page has characters that reorder or hide text")
	}
	if got := strings.Count(page, `a\u202egpj.exe\u200b\a`); got < 20 {
		t.Errorf("the text is on the page %d times", got)
	}
	if in.Warnings[0] != hidden || in.Drills[0].Record.Host != hidden {
		t.Error("the input has changed")
	}
}

// Where no policy is known, a class is kept for as long as its oldest snapshot is old: what
// has been pruned is no gap, and what did not run is one.
func TestSpansOfOldest(t *testing.T) {
	policy := lifecycle.DefaultPolicy()
	kept := func(all []lifecycle.Decision) []lifecycle.Decision {
		return slices.DeleteFunc(all, func(d lifecycle.Decision) bool {
			keep := policy.Keep(d.Class)
			return keep != lifecycle.Forever && now.Sub(d.ID.Time()) >= time.Duration(keep)*24*time.Hour
		})
	}
	var daily []time.Time
	for i, at := range hours(24 * 60) {
		if i%24 == 0 {
			daily = append(daily, at)
		}
	}
	for _, c := range []struct {
		name  string
		all   []lifecycle.Decision
		every time.Duration
		spans string
		gaps  int
	}{
		{"nothing has gone", taken(hours(24*40), nil), time.Hour, "0-0/1h0m0s", 0},
		{"nothing has gone, with a gap", taken(hours(24*40, 400, 401), nil), time.Hour, "0-0/1h0m0s", 1},
		{"pruned", kept(taken(hours(24*200), nil)), time.Hour, "0-5/1h0m0s 5-13/24h0m0s 13-57/168h0m0s 57-0/744h0m0s", 0},
		{"pruned, with a gap of hours", kept(taken(hours(24*200, 20, 21), nil)), time.Hour, "0-5/1h0m0s 5-13/24h0m0s 13-57/168h0m0s 57-0/744h0m0s", 1},
		{"one a day", kept(taken(daily, nil)), 24 * time.Hour, "0-14/24h0m0s 14-0/168h0m0s", 0},
	} {
		p := pointsOf(c.all, nil, c.every, now)
		var spans []string
		for _, s := range p.Spans {
			spans = append(spans, fmt.Sprintf("%d-%d/%v", s.From/(24*time.Hour), s.To/(24*time.Hour), s.Every))
		}
		if got := strings.Join(spans, " "); got != c.spans || len(p.Gaps) != c.gaps || p.Judged != (len(spans) > 1) {
			t.Errorf("%s: %s, %d gaps, want %s, %d: %+v", c.name, got, len(p.Gaps), c.spans, c.gaps, p.Gaps)
		}
	}
}

// The overview has the worst of the second places.
func TestCopyWord(t *testing.T) {
	states := []CopyState{{Newest: "x"}, {Newest: "x", Behind: time.Hour}, {Newest: "x", Behind: 2 * time.Hour, TooOld: true}, {}, {Differing: 1}, {Err: "x"}}
	want := []Word{{"up to date", false}, {"1h behind", false}, {"2h behind", true}, {"none there", true}, {"differ", true}, {"not known", true}}
	if got := (Section{}).CopyWord(); got != (Word{Text: "none named"}) {
		t.Errorf("%v", got)
	}
	for i := range states {
		if got := (Section{Copied: append(states[:i:i], states[0], states[i])}).CopyWord(); got != want[i] {
			t.Errorf("%v, want %v", got, want[i])
		}
	}
}

// A series that is not as it should be says why, and what its page lacks.
func TestPageOfTrouble(t *testing.T) {
	all := taken(hours(60), nil)
	var items []lifecycle.Item
	objects := []bucket.Object{{Name: now.Add(3*time.Hour).Format("20060102T150405Z") + "-aaaaaa.hourly.db.zst", Size: 5 << 20, Modified: now}}
	base := all[1].ID // a daily one
	for _, d := range all {
		if d.ID != all[0].ID && !d.Full() && base == all[1].ID {
			base = d.Base
		}
		objects = append(objects, d.Object)
	}
	objects = slices.DeleteFunc(objects, func(o bucket.Object) bool { return strings.HasPrefix(o.Name, string(base)) })
	strays, stored := 0, int64(0)
	for _, s := range series.Of(objects, now) {
		items = append(items, lifecycle.Item{Snapshot: s})
		if s.Broken {
			strays, stored = strays+1, stored+s.Object.Size
		}
	}
	in := Input{Name: "app.db", URL: "s3://b/app", Now: now, State: "too old", Verdict: "the newest snapshot is too old", MaxAge: time.Minute, Elsewhere: true, Retention: "by prune"}
	in.Decisions = lifecycle.Decide(items, lifecycle.Terms{}, now)
	in.Decisions[2].Guarded, in.Decisions[3].Action = true, lifecycle.ActRelease
	page := pageOf(t, New([]Section{NewSection(in, terms)}, false, terms))
	for _, want := range []string{
		"the newest snapshot is too old</p>", `<dd class="big wrong"><data class="age"`, `hourly, <span class="wrong">implausible</span>`,
		fmt.Sprintf("%s, %s, without the full one", counted(strays, "differential"), bytes(stored)),
		"1 snapshot that would be released or go stay", "When snapshots go is not known here. Retention: by prune.", "if none is pinned: not all of their tags were read",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %s", want)
		}
	}
	if strays == 0 {
		t.Error("no differential has lost its base")
	}
}
