package restore

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

func TestPick(t *testing.T) {
	const (
		a = "20261120T100000Z-aaaaaa"
		b = "20261121T100000Z-bbbbbb"
		c = "20261121T100000Z-cccccc"
		e = "20261121T120000Z-eeeeee" // its base is not there
		d = "20291121T100000Z-dddddd" // a clock that was ahead
	)
	all := []series.Snapshot{{Name: series.Name{ID: a}}, {Name: series.Name{ID: b}}, {Name: series.Name{ID: c}},
		{Name: series.Name{ID: e, Base: a}, Broken: true}, {Name: series.Name{ID: d}, Implausible: true}}
	at := func(text string) time.Time {
		parsed, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return parsed
	}
	tests := []struct {
		name string
		s    Selector
		want snapshot.ID
		err  error
	}{
		{"zero value", Selector{}, c, nil},
		{"latest", Selector{Which: latest}, c, nil},
		{"ID", Selector{Which: b}, b, nil},
		{"prefix", Selector{Which: "20261120"}, a, nil},
		{"implausible by ID", Selector{Which: d}, d, nil},
		{"broken by ID", Selector{Which: e}, e, nil},
		{"at, after the broken one", Selector{At: at("2026-11-21T13:00:00Z")}, c, nil},
		{"before, after the broken one", Selector{Before: "20261121T130000Z-000000"}, c, nil},
		{"ambiguous prefix", Selector{Which: "2026112"}, "", ErrAmbiguous},
		{"unknown", Selector{Which: "2025"}, "", ErrNoSnapshot},
		{"at the second", Selector{At: at("2026-11-21T10:00:00Z")}, c, nil},
		{"a second before", Selector{At: at("2026-11-21T09:59:59Z")}, a, nil},
		{"at, another zone", Selector{At: at("2026-11-21T10:59:59+01:00")}, a, nil},
		{"at, after the implausible one", Selector{At: at("2030-01-01T00:00:00Z")}, c, nil},
		{"at, before all", Selector{At: at("2026-01-01T00:00:00Z")}, "", ErrNoSnapshot},
		{"before", Selector{Before: c}, b, nil},
		{"before one that is not there", Selector{Before: "20261121T000000Z-000000"}, a, nil},
		{"before the first", Selector{Before: a}, "", ErrNoSnapshot},
		{"before the implausible one", Selector{Before: d}, c, nil},
	}
	for _, test := range tests {
		got, err := test.s.pick(all)
		if got.ID != test.want || !errors.Is(err, test.err) {
			t.Errorf("%s: got %q, %v", test.name, got.ID, err)
		}
	}
	_, err := Selector{Which: "2026112"}.pick(all)
	for _, id := range []string{a, b, c} {
		if !strings.Contains(err.Error(), id) {
			t.Errorf("the ambiguity does not name %s: %v", id, err)
		}
	}
	if _, err := (Selector{Which: a, Before: b}).pick(all); err == nil {
		t.Error("two ways at once were taken")
	}
	if _, err := (Selector{}).pick(nil); !errors.Is(err, ErrNoSnapshot) {
		t.Errorf("nothing there: %v", err)
	}
}
