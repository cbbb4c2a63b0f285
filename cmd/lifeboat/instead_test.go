package main

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/lifecycle"
	"github.com/lifeboat-sqlite/lifeboat/lifecycle/lifecycletest"
	"github.com/lifeboat-sqlite/lifeboat/lifecycle/rules"
	"github.com/lifeboat-sqlite/lifeboat/restore"
	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket/buckettest"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
)

// A treeOfSix is a series:
//
//	older, a full one
//	week, a full one, and on it day, on which are hour and, on that, recent, and sibling
type treeOfSix struct {
	bucket                                  bucket.Bucket
	older, week, day, hour, recent, sibling snapshot.ID
}

func newTreeOfSix(t *testing.T) treeOfSix {
	t.Helper()
	b, err := upload.Open(t.Context(), "file://"+t.TempDir(), upload.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return newTreeIn(t, b)
}

func newTreeIn(t *testing.T, b bucket.Bucket) treeOfSix {
	t.Helper()
	db := filepath.Join(t.TempDir(), "app.db")
	sqlite(t, db, "CREATE TABLE t (x); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 100) INSERT INTO t SELECT randomblob(1000) FROM n")
	s := buckettest.NewSeries(t, b, db)
	x := treeOfSix{bucket: b, older: s.Full(series.Daily), week: s.Full(series.Weekly)}
	x.day = s.On(x.week, series.Daily)
	x.hour = s.On(x.day, series.Hourly)
	x.recent = s.On(x.hour, series.Recent)
	x.sibling = s.On(x.day, series.Hourly)
	return x
}

func (x treeOfSix) listed(t *testing.T) []series.Snapshot {
	t.Helper()
	all, err := series.Snapshots(t.Context(), x.bucket, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// What is taken instead is the newest older one that does not need what is lost, or else
// the newest.
func TestInsteadOf(t *testing.T) {
	x := newTreeOfSix(t)
	all := x.listed(t)
	for _, c := range []struct {
		name         string
		all          []series.Snapshot
		wanted, lost snapshot.ID
		want         snapshot.ID
	}{
		{"itself", all, x.recent, x.recent, x.hour},
		{"its base", all, x.recent, x.hour, x.day},
		{"the full one", all, x.recent, x.week, x.older},
		{"a base of the newest", all, x.sibling, x.day, x.week},
		{"itself, the newest", all, x.sibling, x.sibling, x.recent},
		{"the oldest of all", all, x.older, x.older, x.sibling},
		{"the full one, without an older one", all[1:], x.hour, x.week, ""},
		{"the base, where it is the oldest", all[2:], x.hour, x.day, ""},
	} {
		if got, found := insteadOf(c.all, c.wanted, c.lost); got.ID != c.want || found != (c.want != "") {
			t.Errorf("lost %s: %s, want %s", c.name, got.ID, c.want)
		}
	}
}

// Retention may take a base before what stands on it, once the time of both is over: that
// is no failure of a drill of all snapshots. It is one as long as the snapshot is held, or
// released with time left, or where no rule says how long that is.
func TestBaseWentByRetention(t *testing.T) {
	server := testserver.Start(t)
	b := lifecycletest.Open(t, server, server.Bucket(t))
	x := newTreeIn(t, b)
	if err := b.Delete(t.Context(), x.listed(t)[3].Object); err != nil {
		t.Fatal(err)
	}
	recent := x.listed(t)[3]
	if recent.ID != x.recent || !recent.Broken {
		t.Fatalf("%s: %s", recent.Name, recent.Why())
	}
	tryAt := func(when time.Duration, tag string, want bool) {
		t.Helper()
		later := lifecycletest.Timed{Bucket: b, Now: time.Now().Add(when)}
		if err := b.SetTags(t.Context(), recent.Object, bucket.Tags{series.TagRetention: tag}); err != nil {
			t.Fatal(err)
		}
		_, err := restore.Verify(t.Context(), b, recent, restore.VerifyOptions{Fast: true})
		if exitCode(err) != exitDamaged || wentByRetention(t.Context(), later, recent, err) != want {
			t.Errorf("%s after %v: want gone: %v; %v", tag, when, want, err)
		}
	}
	const month = 30 * 24 * time.Hour
	tryAt(month, string(series.Recent), false) // there are no rules
	proposal, err := rules.OfSeries(b).Propose(t.Context(), lifecycle.Options{Terms: lifecycle.Terms{Policy: lifecycle.DefaultPolicy()}, Settle: 100 * time.Millisecond}, rules.DefaultNoncurrent)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := proposal.Apply(t.Context()); err != nil {
		t.Fatal(err)
	}
	tryAt(0, string(series.Recent), false)
	tryAt(month, string(series.Yearly), false) // kept forever
	tryAt(month, series.Held(series.Recent), false)
	tryAt(month, series.Pinned, false)
	tryAt(month, string(series.Recent), true)
}

// A base that goes after the listing is no excuse for a snapshot that is still there.
func TestBaseGoesAfterTheListing(t *testing.T) {
	x := newTreeOfSix(t)
	all := x.listed(t)
	recent := all[4]
	if err := x.bucket.Delete(t.Context(), all[3].Object); err != nil {
		t.Fatal(err)
	}
	_, err := restore.Verify(t.Context(), x.bucket, recent, restore.VerifyOptions{Fast: true})
	if exitCode(err) != exitDamaged || wentByRetention(t.Context(), x.bucket, recent, err) {
		t.Errorf("the base went: %v", err)
	}
	if err := x.bucket.Delete(t.Context(), recent.Object); err != nil {
		t.Fatal(err)
	}
	_, err = restore.Verify(t.Context(), x.bucket, recent, restore.VerifyOptions{Fast: true})
	if !wentByRetention(t.Context(), x.bucket, recent, err) {
		t.Errorf("both went: %v", err)
	}
}

// A snapshot that was released and has lost its base is broken for status, too, unless a
// policy says that its own time is over.
func TestStatusOfReleasedBroken(t *testing.T) {
	x := newTreeOfSix(t)
	listed := x.listed(t)
	if err := x.bucket.Delete(t.Context(), listed[3].Object); err != nil {
		t.Fatal(err)
	}
	var items []lifecycle.Item
	for _, s := range x.listed(t) {
		items = append(items, lifecycle.Item{Snapshot: s, Tags: bucket.Tags{series.TagRetention: string(s.Class)}, TagsKnown: true})
	}
	const month = 30 * 24 * time.Hour
	for _, c := range []struct {
		policy lifecycle.Policy
		after  time.Duration
		want   int
	}{{nil, month, 1}, {lifecycle.DefaultPolicy(), 0, 1}, {lifecycle.DefaultPolicy(), month, 0}} {
		var d healthDocument
		d.describe(items, lifecycle.Terms{Policy: c.policy}, time.Now().Add(c.after))
		if len(d.Broken) != c.want {
			t.Errorf("%v after %v: %v, want %d", c.policy, c.after, d.Broken, c.want)
		}
	}
}

// Status warns of a base of the newest snapshot that was released,
// but not of a retired series.
func TestStatusOfReleasedBase(t *testing.T) {
	x := newTreeOfSix(t)
	chain := x.listed(t)[5].Chain()
	warnings := func() string {
		t.Helper()
		items, err := lifecycle.Survey(t.Context(), x.bucket, lifecycle.DefaultHold)
		if err != nil {
			t.Fatal(err)
		}
		d := healthDocument{URL: x.bucket.URL().String()}
		d.describe(items, lifecycle.Terms{}, time.Now())
		return strings.Join(d.Warnings, "\n")
	}
	tag := func(s series.Snapshot, tags bucket.Tags) {
		t.Helper()
		if err := x.bucket.SetTags(t.Context(), s.Object, tags); err != nil {
			t.Fatal(err)
		}
	}
	tag(x.listed(t)[4], bucket.Tags{series.TagRetention: string(series.Recent)}) // nothing stands on it
	if got := warnings(); strings.Contains(got, "released") {
		t.Errorf("all of the chain is held: %s", got)
	}
	tag(chain[0], bucket.Tags{series.TagRetention: string(series.Weekly)})
	want := "the newest snapshot needs " + string(x.week) + ", which was released, so retention may take it: run lifeboat lifecycle release file://"
	if got := warnings(); !strings.Contains(got, want) || strings.Contains(got, "\n") {
		t.Errorf("its base is released: %s", got)
	}
	tag(chain[2], bucket.Tags{series.TagRetention: string(series.Hourly), series.TagRetired: "2026-11-29T12:00:00Z"})
	if got := warnings(); strings.Contains(got, "released") {
		t.Errorf("the series is retired: %s", got)
	}
}
