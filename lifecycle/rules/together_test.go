package rules

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/lifecycle"
	"github.com/lifeboat-sqlite/lifeboat/lifecycle/lifecycletest"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
)

// A witness sees the documents that are written through it and its sisters.
type witness struct {
	bucket.Ruled
	seen *[]string
}

func (w witness) PutRules(ctx context.Context, rules bucket.Rules) error {
	*w.seen = append(*w.seen, string(rules.Document))
	return w.Ruled.PutRules(ctx, rules)
}

// The rules of several series of a bucket are written at once, and those of others stay.
func TestSeveralSeriesAtOnce(t *testing.T) {
	server := testserver.Start(t)
	name := server.Bucket(t)
	var seen []string
	// wrote checks how many rules of the three series each write since the last call had,
	// and how many of those are disabled. A slow store is written more than once.
	wrote := func(what string, want, disabled int) {
		t.Helper()
		if (len(seen) == 0) != (want == 0) {
			t.Errorf("%s: %d writes", what, len(seen))
		}
		for _, document := range seen {
			if has, off := strings.Count(document, "<ID>lifeboat/t/"), strings.Count(document, "<Status>Disabled"); has != want || off != disabled {
				t.Errorf("%s: a write has %d rules, %d disabled, want %d, %d", what, has, off, want, disabled)
			}
		}
		seen = nil
	}
	open := func(prefix string) bucket.Bucket {
		b, err := upload.OpenURL(t.Context(), bucket.URL{Bucket: name, Prefix: prefix}, upload.Options{})
		if err != nil {
			t.Fatal(err)
		}
		ruled, ok := bucket.As[bucket.Ruled](b)
		if !ok {
			t.Fatal("no rules")
		}
		return witness{ruled, &seen}
	}
	logs := s3Rule{ID: new("logs"), Status: enabled, Filter: &s3Filter{Prefix: new("logs/")}, Expiration: &s3Expiration{Days: new(int32(7))}}
	putRules(t, lifecycletest.Open(t, server, name), append([]s3Rule{logs}, rulesFor("other", lifecycle.DefaultPolicy(), lifecycle.None)...))
	o := lifecycle.Options{Terms: lifecycle.Terms{Policy: lifecycle.DefaultPolicy(), Hold: lifecycle.DefaultHold}, Settle: settle}
	propose := func() (all []*Proposal, sets []Set) {
		for _, prefix := range []string{"t/a", "t/b", "t/c"} {
			set := OfSeries(open(prefix))
			p, err := set.Propose(t.Context(), o, DefaultNoncurrent)
			if err != nil {
				t.Fatal(err)
			}
			all, sets = append(all, p), append(sets, set)
		}
		return all, sets
	}
	all, sets := propose()
	if _, err := ApplyAll(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	wrote("apply", 18, 0)
	again, _ := propose()
	for _, p := range again {
		if len(p.Changes) != 0 {
			t.Errorf("after all: %v", p.Changes)
		}
	}
	if _, err := ApplyAll(t.Context(), again); err != nil {
		t.Errorf("nothing to change: %v", err)
	}
	wrote("nothing to change", 0, 0)
	if n, err := FreezeAll(t.Context(), sets[:2], lifecycle.Options{Settle: settle}); n != 12 || err != nil {
		t.Errorf("froze %d: %v", n, err)
	}
	wrote("freeze", 18, 12)
	has, err := OfSeries(open("t/c")).Read(t.Context())
	if err != nil || has.Frozen() || len(has.rules) != 1+4*6 {
		t.Errorf("%d rules, frozen %v: %v", len(has.rules), has.Frozen(), err)
	}
	if has, err := sets[1].Read(t.Context()); err != nil || !has.Frozen() {
		t.Errorf("not frozen: %v", err)
	}
	if _, err := FreezeAll(t.Context(), append(sets, OfSeries(open("t/none"))), lifecycle.Options{Settle: settle}); !errors.Is(err, ErrNoRules) {
		t.Errorf("one without rules: %v", err)
	}
	wrote("one without rules", 0, 0)
	if n, err := ThawAll(t.Context(), sets, lifecycle.Options{Settle: settle}); n != 12 || err != nil {
		t.Errorf("thawed %d: %v", n, err)
	}
	wrote("thaw", 18, 0)
	// What one command changes meanwhile stops all.
	o.Policy[lifecycle.Daily] = 10
	stale, _ := propose()
	if _, err := sets[2].Freeze(t.Context(), lifecycle.Options{Settle: settle}); err != nil {
		t.Fatal(err)
	}
	seen = nil
	if _, err := ApplyAll(t.Context(), stale); !errors.Is(err, ErrChangedMeanwhile) || !strings.Contains(err.Error(), "t/c") {
		t.Errorf("stale: %v", err)
	}
	wrote("stale", 0, 0)
}
