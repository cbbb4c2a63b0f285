package copies

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

var now = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// named is a snapshot that was taken on a day of November, and its base.
func named(day, hour int, class series.Class, base ...series.Name) series.Name {
	id := snapshot.ID(fmt.Sprintf("202611%02dT%02d0000Z-%06d", day, hour, hour))
	n := series.Name{ID: id, Class: class}
	if len(base) > 0 {
		n.Base = base[0].ID
	}
	return n
}

// listed returns the snapshots of these names, uploaded that long after they were taken.
func listed(late time.Duration, names ...series.Name) []series.Snapshot {
	var objects []bucket.Object
	for _, n := range names {
		objects = append(objects, bucket.Object{Name: n.String(), Size: 100, Modified: n.ID.Time().Add(late)})
	}
	return series.Of(objects, now)
}

func ids(of []series.Snapshot) string {
	var all []string
	for _, s := range of {
		all = append(all, string(s.ID[6:11]))
	}
	return strings.Join(all, " ")
}

var (
	monday     = named(23, 0, series.Weekly)
	tuesday    = named(24, 0, series.Daily, monday)
	tuesday7   = named(24, 7, series.Hourly, tuesday)
	wednesday  = named(25, 0, series.Daily, monday)
	wednesday9 = named(25, 9, series.Recent)
	all        = []series.Name{monday, tuesday, tuesday7, wednesday, wednesday9}
)

// Bases come before what stands on them, and the newest chain before older ones.
func TestPlanOrder(t *testing.T) {
	for name, c := range map[string]struct {
		target []series.Name
		choice Choice
		copy   string
		there  string
	}{
		"all":                       {nil, Choice{}, "25T09 23T00 25T00 24T00 24T07", ""},
		"some are there":            {all[:2], Choice{}, "25T09 25T00 24T07", "23T00 24T00"},
		"all are there":             {all, Choice{}, "", "25T09 23T00 25T00 24T00 24T07"},
		"a base is not":             {[]series.Name{monday, tuesday7}, Choice{}, "25T09 25T00 24T00", "23T00 24T07"},
		"a class with its chain":    {nil, Choice{Classes: []series.Class{series.Hourly}}, "23T00 24T00 24T07", ""},
		"two classes":               {nil, Choice{Classes: []series.Class{series.Recent, series.Weekly}}, "25T09 23T00", ""},
		"since, with what it needs": {nil, Choice{Since: wednesday.ID.Time()}, "25T09 23T00 25T00", ""},
		"since the future":          {nil, Choice{Since: now}, "", ""},
	} {
		p := newPlan(listed(time.Minute, all...), listed(time.Hour, c.target...), c.choice, wednesday9.ID.Time().Add(time.Hour))
		if ids(p.Copy) != c.copy || ids(p.There) != c.there || len(p.Left)+len(p.Refused) > 0 || p.Bytes() != int64(100*len(p.Copy)) {
			t.Errorf("%s: copies %s, has %s, %+v %+v, want %s and %s", name, ids(p.Copy), ids(p.There), p.Left, p.Refused, c.copy, c.there)
		}
	}
}

// What could lose its base at the target is not copied, and what stands on that neither.
func TestPlanAge(t *testing.T) {
	target := listed(time.Hour, monday, tuesday)
	for age, want := range map[time.Duration]string{
		3*24*time.Hour + time.Hour:               "24T07",
		3*24*time.Hour + time.Hour + time.Second: "",
	} {
		p := newPlan(listed(time.Minute, monday, tuesday, tuesday7), target, Choice{}, tuesday.ID.Time().Add(age))
		if ids(p.Copy) != want || (len(p.Left) == 0) != (want != "") || len(p.Refused) > 0 {
			t.Errorf("%v after the daily one was taken: copies %q, want %q; left: %+v", age, ids(p.Copy), want, p.Left)
		}
	}
	on := named(24, 7, series.Recent, tuesday7)
	on.ID = on.ID[:11] + "30" + on.ID[13:]
	late := newPlan(listed(time.Minute, monday, tuesday, tuesday7, on), target, Choice{}, tuesday.ID.Time().Add(5*24*time.Hour))
	if ids(late.Copy) != "" || len(late.Left) != 2 || !strings.Contains(late.Left[1].Why, "is not copied") {
		t.Errorf("a chain on a base that is too old there: %+v", late)
	}
}

func TestPlanRefuses(t *testing.T) {
	source := listed(time.Minute, all...)
	other := listed(time.Minute, monday)
	other[0].Object.Size = 99
	p := newPlan(source, other, Choice{}, now)
	if len(p.Refused) != 1 || !errors.Is(p.Refused[0].Err, bucket.ErrExists) || ids(p.Copy) != "25T09" || len(p.Left) != 3 {
		t.Errorf("another object is there: %+v", p)
	}
	between := append(listed(time.Minute, monday, tuesday)[1:], other...)
	p = newPlan(source, between, Choice{}, now)
	if ids(p.There) != "24T00" || ids(p.Copy) != "25T09" || len(p.Left) != 2 || !strings.Contains(p.Left[1].Why, "cannot be restored at the target") {
		t.Errorf("another object is there below a base that is there: %+v", p)
	}
	ahead := listed(time.Hour, monday, tuesday)
	ahead[0].Object.Modified = monday.ID.Time().Add(-time.Hour) // as a disk has it whose files came by another way
	p = newPlan(source, ahead, Choice{}, wednesday9.ID.Time().Add(time.Hour))
	if ids(p.Copy) != "25T09" || len(p.Left) != 2 || !strings.Contains(p.Left[0].Why, "implausible") || !strings.Contains(p.Left[1].Why, "is broken") {
		t.Errorf("a base is there that does not count: %+v", p)
	}
	later := append(slices.Clone(all), named(26, 0, series.Daily, monday), named(27, 0, series.Weekly), named(28, 0, series.Daily, named(27, 0, series.Weekly)))
	p = newPlan(listed(time.Minute, later...), ahead, Choice{}, named(28, 1, series.Recent).ID.Time())
	if ids(p.Copy) != "27T00 28T00 25T09" || len(p.Left) != 3 {
		t.Errorf("later differentials on a base that does not count there, up to the next full one: %+v", p)
	}
	full := monday
	full.Class = series.Yearly
	p = newPlan(source, listed(time.Minute, full), Choice{}, now)
	if len(p.Refused) != 1 || !errors.Is(p.Refused[0].Err, bucket.ErrExists) {
		t.Errorf("the same ID has another name there: %+v", p)
	}
	p = newPlan(source, nil, Choice{}, monday.ID.Time().Add(-6*time.Minute))
	if len(p.Refused) != 5 || !errors.Is(p.Refused[0].Err, upload.ErrClock) || len(p.Copy) != 0 {
		t.Errorf("the target's clock is behind: %+v", p)
	}
	broken := listed(time.Minute, monday, tuesday7, wednesday9)
	p = newPlan(broken, nil, Choice{}, now)
	if ids(p.Copy) != "25T09 23T00" || len(p.Left) != 1 || !strings.Contains(p.Left[0].Why, "is not there") {
		t.Errorf("one is broken at the source: %+v", p)
	}
}

// What is in a plan counts at the target when it has been copied, whenever that is within
// the time that the plan allows.
func TestPlanKeepsChains(t *testing.T) {
	for hours := range 24 * 12 {
		at := wednesday9.ID.Time().Add(time.Duration(hours) * time.Hour)
		there := listed(time.Hour, monday, tuesday)
		p := newPlan(listed(time.Minute, all...), there, Choice{}, at)
		objects := []bucket.Object{there[0].Object, there[1].Object}
		for _, s := range p.Copy {
			s.Object.Modified = at
			objects = append(objects, s.Object)
		}
		for _, s := range series.Of(objects, at) {
			if !s.Counts() {
				t.Errorf("%d hours later: %s does not count: %s", hours, s.ID, s.Why())
			}
		}
		if slices.ContainsFunc(p.Left, func(l Left) bool { return l.ID == wednesday.ID }) != (at.After(there[0].LastCall())) {
			t.Errorf("%d hours later: left are %+v", hours, p.Left)
		}
	}
}
