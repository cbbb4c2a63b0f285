package rules

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/lifecycle"
	"github.com/lifeboat-sqlite/lifeboat/lifecycle/lifecycletest"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
)

func equal(t testing.TB, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func apply(t testing.TB, b bucket.Bucket, p lifecycle.Policy) (*Proposal, []string) {
	t.Helper()
	proposal, err := OfSeries(b).Propose(t.Context(), lifecycle.Options{Terms: lifecycle.Terms{Policy: p, Hold: lifecycle.DefaultHold}, Settle: settle}, DefaultNoncurrent)
	if err != nil {
		t.Fatal(err)
	}
	notes, err := proposal.Apply(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return proposal, notes
}

func putRules(t testing.TB, b bucket.Bucket, rules []s3Rule) {
	t.Helper()
	document, err := toXML(rules)
	if err != nil {
		t.Fatal(err)
	}
	putDocument(t, b, document)
}

func putDocument(t testing.TB, b bucket.Bucket, document []byte) {
	t.Helper()
	ruled, ok := bucket.As[bucket.Ruled](b)
	if !ok {
		t.Fatalf("%T has no rules", b)
	}
	if err := ruled.PutRules(t.Context(), bucket.Rules{Document: document}); err != nil {
		t.Fatal(err)
	}
}

func TestStore(t *testing.T) {
	server := testserver.Start(t)
	for name, test := range map[string]func(*testing.T, bucket.Bucket){
		"apply":  testApply,
		"lost":   testLostIsRefused,
		"expiry": testExpiry,
		"dates":  testDates,
		"limits": testRuleLimit,
	} {
		t.Run(name, func(t *testing.T) { test(t, lifecycletest.Open(t, server, server.Bucket(t))) })
	}
	t.Run("locked", func(t *testing.T) { testLocked(t, server) })
	t.Run("denied", func(t *testing.T) {
		b := lifecycletest.Open(t, server.As(t, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:ListBucket","Resource":"arn:aws:s3:::*"}]}`), server.Bucket(t))
		if _, err := OfSeries(b).Read(t.Context()); !errors.Is(err, bucket.ErrRefused) || !strings.Contains(err.Error(), "s3:GetLifecycleConfiguration") {
			t.Errorf("without permission: %v", err)
		}
	})
}

func testApply(t *testing.T, b bucket.Bucket) {
	others := []s3Rule{
		{ID: new("logs"), Status: enabled, Filter: &s3Filter{Prefix: new("logs/")},
			Expiration: &s3Expiration{Days: new(int32(7))}},
		{ID: new("tagged"), Status: disabled, Filter: &s3Filter{And: &s3And{
			Prefix: new("x/"), Tags: []s3Tag{{Key: new("a"), Value: new("b")}, {Key: new("c"), Value: new("d")}}}},
			Expiration: &s3Expiration{Date: new(lifecycletest.At("2099-01-01"))}},
		{ID: new("all"), Status: enabled, Filter: &s3Filter{Prefix: new("")},
			NoncurrentVersionExpiration: &s3NoncurrentExpiration{NoncurrentDays: new(int32(9)), NewerNoncurrentVersions: new(int32(2))}},
	}
	putRules(t, b, others)
	lifecycletest.Put(t, b, time.Now().Add(-50*time.Hour), "daily", "x")
	hour := time.Now().Add(-time.Hour).Truncate(time.Hour) // no boundary of a class between the two, whatever the time of day
	lifecycletest.Put(t, b, hour, series.Held(series.Recent), "x")
	lifecycletest.Put(t, b, hour.Add(time.Minute), series.Held(series.Recent), "x")

	proposal, notes := apply(t, b, lifecycle.DefaultPolicy())
	if len(proposal.Changes) != 6 || len(notes) != 1 || !strings.Contains(notes[0], "unfinished uploads") {
		t.Errorf("first: %v, %v", proposal.Changes, notes)
	}
	if w := strings.Join(proposal.Warnings, "\n"); !strings.Contains(w, "rule all also takes held") || !strings.Contains(w, "not versioned") {
		t.Errorf("warnings: %s", w)
	}
	if len(proposal.Sooner) != 2 { // the one released, and the one that will be: the newest does not expire
		t.Errorf("sooner: %s", print(proposal.Sooner))
	}
	after, err := OfSeries(b).Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !sameRules(slices.DeleteFunc(slices.Clone(after.rules), func(r s3Rule) bool { return ours(r, "app") != "" }), others) {
		t.Errorf("rules of others: %s", canonical(after.rules...))
	}
	again, _ := apply(t, b, lifecycle.DefaultPolicy())
	if len(again.Changes) != 0 || len(again.Sooner) != 0 {
		t.Errorf("second: %v, sooner %d", again.Changes, len(again.Sooner))
	}

	p := lifecycle.DefaultPolicy()
	p[lifecycle.Daily] = 10
	stale, err := OfSeries(b).Propose(t.Context(), lifecycle.Options{Terms: lifecycle.Terms{Policy: p, Hold: lifecycle.DefaultHold}, Settle: settle}, DefaultNoncurrent)
	if err != nil || len(stale.Changes) != 1 || len(stale.Sooner) != 1 {
		t.Fatalf("a shorter time: %v, sooner %v, %v", stale.Changes, stale.Sooner, err)
	}
	if n, err := OfSeries(b).Freeze(t.Context(), lifecycle.Options{Settle: settle}); n != 6 || err != nil {
		t.Errorf("froze %d: %v", n, err)
	}
	if n, err := OfSeries(b).Freeze(t.Context(), lifecycle.Options{Settle: settle}); n != 0 || err != nil {
		t.Errorf("froze %d twice: %v", n, err)
	}
	if _, err := stale.Apply(t.Context()); !errors.Is(err, ErrChangedMeanwhile) {
		t.Errorf("a stale proposal: %v", err)
	}
	if proposal, _ := apply(t, b, lifecycle.DefaultPolicy()); len(proposal.Changes) != 0 || len(proposal.Sooner) != 0 {
		t.Errorf("frozen, the same policy: %v, sooner %s", proposal.Changes, print(proposal.Sooner))
	}
	if proposal, _ := apply(t, b, p); len(proposal.Sooner) != 1 || !strings.Contains(strings.Join(proposal.Warnings, "\n"), "frozen") {
		t.Errorf("frozen, a shorter time: sooner %s, and warnings %q", print(proposal.Sooner), proposal.Warnings)
	}
	if c, err := OfSeries(b).Read(t.Context()); err != nil || !isFrozen(c.rules, "app") || policyOf(c.rules, "app").Keep(lifecycle.Recent) != lifecycle.Forever {
		t.Errorf("apply has thawed: %v", err)
	}
	if n, err := OfSeries(b).Thaw(t.Context(), lifecycle.Options{Settle: settle}); n != 6 || err != nil {
		t.Errorf("thawed %d: %v", n, err)
	}
	if c, err := OfSeries(b).Read(t.Context()); err != nil || policyOf(c.rules, "app").Keep(lifecycle.Daily) != 10 || len(c.rules) != 9 {
		t.Errorf("after all: %s", canonical(c.rules...))
	}
}

// MinIO has elements of its own, which S3 does not know.
func testLostIsRefused(t *testing.T, b bucket.Bucket) {
	const document = `<LifecycleConfiguration><Rule><ID>markers</ID><Status>Enabled</Status><Filter><Prefix>x/</Prefix></Filter>` +
		`<DelMarkerExpiration><Days>3</Days></DelMarkerExpiration></Rule></LifecycleConfiguration>`
	putDocument(t, b, []byte(document))
	proposal, err := OfSeries(b).Propose(t.Context(), lifecycle.Options{Terms: lifecycle.Terms{Policy: lifecycle.DefaultPolicy(), Hold: lifecycle.DefaultHold}, Settle: settle}, DefaultNoncurrent)
	if err != nil {
		t.Fatal(err)
	}
	_, err = proposal.Apply(t.Context())
	var lost *LostError
	if !errors.As(err, &lost) || len(lost.Lost) != 1 || !strings.Contains(err.Error(), "DelMarkerExpiration") || len(lost.Rules) != 6 {
		t.Fatalf("not refused: %v", err)
	}
	if after, err := OfSeries(b).Read(t.Context()); err != nil || len(after.rules) != 1 || !slices.Equal(after.lost, lost.Lost) {
		t.Errorf("after the refusal: %v, %v", after, err)
	}
}

// Expiry really happens: with the rules of For, but for a day that is past,
// what is released goes, and what is held or pinned stays.
func testExpiry(t *testing.T, b bucket.Bucket) {
	for i, retention := range []string{series.Held(series.Daily), series.Pinned, series.Held(series.Daily), series.Held(series.Daily), series.Held(series.Daily)} {
		lifecycletest.Put(t, b, time.Now().Add(time.Duration(i-10)*24*time.Hour), retention, "0123456789")
	}
	lifecycletest.Put(t, b, time.Now(), series.Held(series.Daily), "0123456789")
	later := lifecycletest.Timed{Bucket: b, Now: time.Now().Add(lifecycle.DefaultHold + time.Hour)}
	result, err := lifecycle.Release(t.Context(), later, lifecycle.Options{})
	if err != nil || len(result.Released) != 4 {
		t.Fatalf("released %v: %v", result.Released, err)
	}
	all := lifecycletest.Retentions(t, b)
	if all[0] == series.Held(series.Daily) || all[1] != series.Pinned || all[5] != series.Held(series.Daily) || len(all) != 6 {
		t.Errorf("after the release: %v", all)
	}
	rules := rulesFor("app", lifecycle.Policy{lifecycle.Recent: 4}, DefaultNoncurrent)
	for i := range rules[:6] {
		rules[i].Expiration = &s3Expiration{Date: new(lifecycletest.At("2020-01-01"))}
	}
	putRules(t, b, rules)
	equal(t, "after the rules have come", lifecycletest.Retentions(t, b), series.Pinned, series.Held(series.Daily))

	// Retagged into a rule that is past due, a snapshot is gone at once: that
	// is no failure of the release.
	lifecycletest.Put(t, b, time.Now(), series.Held(series.Daily), "0123456789")
	result, err = lifecycle.ReleaseAll(t.Context(), later, lifecycle.Options{})
	if err != nil || len(result.Released) != 1 {
		t.Errorf("released %v: %v", result.Released, err)
	}
	equal(t, "after the last release", lifecycletest.Retentions(t, b), series.Pinned, series.Held(series.Daily))
}

// When a snapshot goes by Decide is when it goes by the store.
func testDates(t *testing.T, b bucket.Bucket) {
	apply(t, b, lifecycle.DefaultPolicy())
	classes := append(lifecycle.Classes(), lifecycle.Class(series.Held(series.Daily)), series.Pinned)
	for i, class := range classes {
		lifecycletest.Put(t, b, time.Now().Add(time.Duration(i-20)*time.Hour), string(class), "x")
	}
	lifecycletest.Put(t, b, time.Now(), series.Held(series.Daily), "x")
	items, err := lifecycle.Load(t.Context(), b, time.Time{})
	if err != nil || len(items) != len(classes)+1 {
		t.Fatalf("%d items: %v", len(items), err)
	}
	for _, d := range lifecycle.Decide(items, lifecycle.Terms{Policy: lifecycle.DefaultPolicy(), Hold: lifecycle.DefaultHold}, time.Now()) {
		when, rule, err := Expiration(t.Context(), b, d.Object)
		if err != nil {
			t.Fatal(err)
		}
		wantRule, want := "", time.Time{}
		if class := d.Released(); class != "" && !d.Expires.IsZero() {
			wantRule, want = "lifeboat/app/"+string(class), d.Expires
		}
		if !when.Equal(want) || rule != wantRule {
			t.Errorf("%s: the store expires it at %v by %q, want %v by %q", d.Tags[series.TagRetention], when, rule, want, wantRule)
		}
	}
	if _, _, err := Expiration(t.Context(), b, bucket.Object{Name: "nothing"}); !errors.Is(err, bucket.ErrNotFound) {
		t.Errorf("of what is not there: %v", err)
	}
}

func TestParseExpiration(t *testing.T) {
	when, rule, err := parseExpiration(`expiry-date="Fri, 04 Dec 2026 00:00:00 GMT", rule-id="lifeboat%2Fapp%2Fdaily"`)
	if err != nil || !when.Equal(lifecycletest.At("2026-12-04")) || rule != "lifeboat/app/daily" {
		t.Errorf("AWS: %v, %q, %v", when, rule, err)
	}
	for _, bad := range []string{"x", `expiry-date="tomorrow", rule-id="r"`, `expiry-date="Fri, 04 Dec 2026 00:00:00 GMT"`} {
		if when, rule, err := parseExpiration(bad); err == nil {
			t.Errorf("%s is read as %v, %q", bad, when, rule)
		}
	}
}

// In a bucket with Object Lock, prune and rules only hide what is locked: the
// version stays, and cannot be deleted.
func testLocked(t *testing.T, server *testserver.Server) {
	name, root := "locked", server.Client(t)
	if err := root.CreateLocked(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	if err := root.LockAll(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	b := lifecycletest.Open(t, server, name)
	for i := range 3 {
		lifecycletest.Put(t, b, time.Now().Add(time.Duration(i-3)*time.Hour), series.Held(series.Daily), "x")
	}
	if proposal, _ := apply(t, b, lifecycle.DefaultPolicy()); strings.Contains(strings.Join(proposal.Warnings, "\n"), "not versioned") {
		t.Errorf("warnings for a versioned bucket: %v", proposal.Warnings)
	}
	later := lifecycletest.Timed{Bucket: b, Now: time.Now().Add(lifecycle.DefaultHold + 7*24*time.Hour)}
	if result, err := lifecycle.Release(t.Context(), later, lifecycle.Options{}); err != nil || len(result.Released) != 2 {
		t.Errorf("released %v: %v", result.Released, err)
	}
	if _, deleted, err := lifecycle.Prune(t.Context(), later, lifecycle.Options{Terms: lifecycle.Terms{Policy: lifecycle.Policy{lifecycle.Recent: 4}, Hold: lifecycle.DefaultHold}}); err != nil || deleted != 2 {
		t.Errorf("deleted %d: %v", deleted, err)
	}
	equal(t, "after prune", lifecycletest.Retentions(t, b), series.Held(series.Daily))
	versions, err := root.Versions(t.Context(), name, "")
	if err != nil {
		t.Fatal(err)
	}
	markers := 0
	for _, v := range versions {
		if v.Deleted {
			markers++
		} else if root.Delete(t.Context(), name, v.Name, v.Version) == nil {
			t.Errorf("%s: a locked version was deleted", v.Name)
		}
	}
	if len(versions) != 5 || markers != 2 {
		t.Errorf("%d versions, %d of them delete markers", len(versions), markers)
	}
}

func testRuleLimit(t *testing.T, b bucket.Bucket) {
	var many []s3Rule
	for i := range 995 {
		prefix := new("other/" + hex.EncodeToString([]byte{byte(i >> 8), byte(i)}))
		many = append(many, s3Rule{ID: prefix, Status: enabled,
			Filter: &s3Filter{Prefix: prefix}, Expiration: &s3Expiration{Days: new(int32(7))}})
	}
	putRules(t, b, many)
	proposal, err := OfSeries(b).Propose(t.Context(), lifecycle.Options{Terms: lifecycle.Terms{Policy: lifecycle.DefaultPolicy(), Hold: lifecycle.DefaultHold}, Settle: settle}, lifecycle.None)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := proposal.Apply(t.Context()); !errors.Is(err, ErrTooManyRules) || !strings.Contains(err.Error(), "1001 rules") {
		t.Errorf("applied beyond the limit: %v", err)
	}
}

// print writes decisions for a failure.
func print(decisions []lifecycle.Decision) string {
	var b strings.Builder
	for _, d := range decisions {
		fmt.Fprintf(&b, "%s %s %s\n", d.ID, d.Action, d.Reason)
	}
	return b.String()
}
