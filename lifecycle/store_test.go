package lifecycle

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
)

// open opens the series "app" in a bucket as the server's user.
func open(t testing.TB, server *testserver.Server, bucketName string) bucket.Bucket {
	t.Helper()
	server.Setenv(t)
	b, err := upload.OpenURL(t.Context(), bucket.URL{Bucket: bucketName, Prefix: "app"}, upload.Options{RetryFor: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// put stores a snapshot whose ID is of the given time.
func put(t testing.TB, b bucket.Bucket, taken time.Time, retention, text string) bucket.Object {
	t.Helper()
	done, err := b.Put(t.Context(), series.ObjectName(snapshot.NewID(taken)), bucket.PutOptions{
		MaxSize: int64(len(text)),
		Tags:    bucket.Tags{series.TagRetention: retention, series.TagDatabase: "app.db"},
	}, func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return done.Object
}

func retentions(t testing.TB, b bucket.Bucket) []string {
	t.Helper()
	items, err := Load(t.Context(), b, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, item := range items {
		all = append(all, item.Tags[series.TagRetention])
	}
	return all
}

func equal(t testing.TB, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func apply(t testing.TB, b bucket.Bucket, p Policy) (*Proposal, []string) {
	t.Helper()
	proposal, err := Propose(t.Context(), b, Terms{Policy: p, Hold: DefaultHold, Settle: settle}, DefaultNoncurrent)
	if err != nil {
		t.Fatal(err)
	}
	notes, err := proposal.Apply(t.Context(), b)
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
		t.Run(name, func(t *testing.T) { test(t, open(t, server, server.Bucket(t))) })
	}
	t.Run("locked", func(t *testing.T) { testLocked(t, server) })
	t.Run("denied", func(t *testing.T) {
		b := open(t, server.As(t, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:ListBucket","Resource":"arn:aws:s3:::*"}]}`), server.Bucket(t))
		if _, err := Read(t.Context(), b); !errors.Is(err, bucket.ErrRefused) || !strings.Contains(err.Error(), "s3:GetLifecycleConfiguration") {
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
			Expiration: &s3Expiration{Date: new(at("2099-01-01"))}},
		{ID: new("all"), Status: enabled, Filter: &s3Filter{Prefix: new("")},
			NoncurrentVersionExpiration: &s3NoncurrentExpiration{NoncurrentDays: new(int32(9)), NewerNoncurrentVersions: new(int32(2))}},
	}
	putRules(t, b, others)
	put(t, b, time.Now().Add(-50*time.Hour), "daily", "x")
	hour := time.Now().Add(-time.Hour).Truncate(time.Hour) // no boundary of a class between the two, whatever the time of day
	put(t, b, hour, series.Held, "x")
	put(t, b, hour.Add(time.Minute), series.Held, "x")

	proposal, notes := apply(t, b, DefaultPolicy())
	if len(proposal.Changes) != 6 || len(notes) != 1 || !strings.Contains(notes[0], "unfinished uploads") {
		t.Errorf("first: %v, %v", proposal.Changes, notes)
	}
	if w := strings.Join(proposal.Warnings, "\n"); !strings.Contains(w, "rule all also takes held") || !strings.Contains(w, "not versioned") {
		t.Errorf("warnings: %s", w)
	}
	if len(proposal.Sooner) != 2 { // the one released, and the one that will be: the newest does not expire
		t.Errorf("sooner: %s", print(proposal.Sooner))
	}
	after, err := Read(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	if !sameRules(slices.DeleteFunc(slices.Clone(after.rules), func(r s3Rule) bool { return ours(r, "app") != "" }), others) {
		t.Errorf("rules of others: %s", canonical(after.rules...))
	}
	again, _ := apply(t, b, DefaultPolicy())
	if len(again.Changes) != 0 || len(again.Sooner) != 0 {
		t.Errorf("second: %v, sooner %d", again.Changes, len(again.Sooner))
	}

	p := DefaultPolicy()
	p[Daily] = 10
	stale, err := Propose(t.Context(), b, Terms{Policy: p, Hold: DefaultHold, Settle: settle}, DefaultNoncurrent)
	if err != nil || len(stale.Changes) != 1 || len(stale.Sooner) != 1 {
		t.Fatalf("a shorter time: %v, sooner %v, %v", stale.Changes, stale.Sooner, err)
	}
	if n, err := Freeze(t.Context(), b, settle); n != 6 || err != nil {
		t.Errorf("froze %d: %v", n, err)
	}
	if n, err := Freeze(t.Context(), b, settle); n != 0 || err != nil {
		t.Errorf("froze %d twice: %v", n, err)
	}
	if _, err := stale.Apply(t.Context(), b); !errors.Is(err, ErrChangedMeanwhile) {
		t.Errorf("a stale proposal: %v", err)
	}
	if proposal, _ := apply(t, b, DefaultPolicy()); len(proposal.Changes) != 0 || len(proposal.Sooner) != 0 {
		t.Errorf("frozen, the same policy: %v, sooner %s", proposal.Changes, print(proposal.Sooner))
	}
	if proposal, _ := apply(t, b, p); len(proposal.Sooner) != 1 || !strings.Contains(strings.Join(proposal.Warnings, "\n"), "frozen") {
		t.Errorf("frozen, a shorter time: sooner %s, and warnings %q", print(proposal.Sooner), proposal.Warnings)
	}
	if c, err := Read(t.Context(), b); err != nil || !isFrozen(c.rules, "app") || policyOf(c.rules, "app").Keep(Recent) != Forever {
		t.Errorf("apply has thawed: %v", err)
	}
	if n, err := Thaw(t.Context(), b, settle); n != 6 || err != nil {
		t.Errorf("thawed %d: %v", n, err)
	}
	if c, err := Read(t.Context(), b); err != nil || policyOf(c.rules, "app").Keep(Daily) != 10 || len(c.rules) != 9 {
		t.Errorf("after all: %s", canonical(c.rules...))
	}
}

// MinIO has elements of its own, which S3 does not know.
func testLostIsRefused(t *testing.T, b bucket.Bucket) {
	const document = `<LifecycleConfiguration><Rule><ID>markers</ID><Status>Enabled</Status><Filter><Prefix>x/</Prefix></Filter>` +
		`<DelMarkerExpiration><Days>3</Days></DelMarkerExpiration></Rule></LifecycleConfiguration>`
	putDocument(t, b, []byte(document))
	proposal, err := Propose(t.Context(), b, Terms{Policy: DefaultPolicy(), Hold: DefaultHold, Settle: settle}, DefaultNoncurrent)
	if err != nil {
		t.Fatal(err)
	}
	_, err = proposal.Apply(t.Context(), b)
	var lost *LostError
	if !errors.As(err, &lost) || len(lost.Lost) != 1 || !strings.Contains(err.Error(), "DelMarkerExpiration") || len(lost.Rules) != 6 {
		t.Fatalf("not refused: %v", err)
	}
	if after, err := Read(t.Context(), b); err != nil || len(after.rules) != 1 || !slices.Equal(after.lost, lost.Lost) {
		t.Errorf("after the refusal: %v, %v", after, err)
	}
}

// Expiry really happens: with the rules of Rules, but for a day that is past,
// what is released goes, and what is held or pinned stays.
func testExpiry(t *testing.T, b bucket.Bucket) {
	for i, retention := range []string{series.Held, series.Pinned, series.Held, series.Held, series.Held} {
		put(t, b, time.Now().Add(time.Duration(i-10)*24*time.Hour), retention, "0123456789")
	}
	put(t, b, time.Now(), series.Held, "0123456789")
	later := timed{b, time.Now().Add(DefaultHold + time.Hour)}
	result, err := Release(t.Context(), later, Options{})
	if err != nil || len(result.Released) != 4 {
		t.Fatalf("released %v: %v", result.Released, err)
	}
	all := retentions(t, b)
	if all[0] == series.Held || all[1] != series.Pinned || all[5] != series.Held || len(all) != 6 {
		t.Errorf("after the release: %v", all)
	}
	rules := rulesFor("app", Policy{Recent: 4}, DefaultNoncurrent)
	for i := range rules[:6] {
		rules[i].Expiration = &s3Expiration{Date: new(at("2020-01-01"))}
	}
	putRules(t, b, rules)
	equal(t, "after the rules have come", retentions(t, b), series.Pinned, series.Held)

	// Retagged into a rule that is past due, a snapshot is gone at once: that
	// is no failure of the release.
	put(t, b, time.Now(), series.Held, "0123456789")
	result, err = Release(t.Context(), later, Options{All: true})
	if err != nil || len(result.Released) != 1 {
		t.Errorf("released %v: %v", result.Released, err)
	}
	equal(t, "after the last release", retentions(t, b), series.Pinned, series.Held)
}

// When a snapshot goes by Decide is when it goes by the store.
func testDates(t *testing.T, b bucket.Bucket) {
	apply(t, b, DefaultPolicy())
	classes := append(Classes(), series.Held, series.Pinned)
	for i, class := range classes {
		put(t, b, time.Now().Add(time.Duration(i-20)*time.Hour), string(class), "x")
	}
	put(t, b, time.Now(), series.Held, "x")
	items, err := Load(t.Context(), b, time.Time{})
	if err != nil || len(items) != len(classes)+1 {
		t.Fatalf("%d items: %v", len(items), err)
	}
	for _, d := range Decide(items, Terms{Policy: DefaultPolicy(), Hold: DefaultHold}, time.Now()) {
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
	if err != nil || !when.Equal(at("2026-12-04")) || rule != "lifeboat/app/daily" {
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
	b := open(t, server, name)
	for i := range 3 {
		put(t, b, time.Now().Add(time.Duration(i-3)*time.Hour), series.Held, "x")
	}
	if proposal, _ := apply(t, b, DefaultPolicy()); strings.Contains(strings.Join(proposal.Warnings, "\n"), "not versioned") {
		t.Errorf("warnings for a versioned bucket: %v", proposal.Warnings)
	}
	later := timed{b, time.Now().Add(DefaultHold + 2*day)}
	if result, err := Release(t.Context(), later, Options{}); err != nil || len(result.Released) != 2 {
		t.Errorf("released %v: %v", result.Released, err)
	}
	if _, deleted, err := Prune(t.Context(), later, Terms{Policy: Policy{Recent: 4}, Hold: DefaultHold}, nil); err != nil || deleted != 2 {
		t.Errorf("deleted %d: %v", deleted, err)
	}
	equal(t, "after prune", retentions(t, b), series.Held)
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
	proposal, err := Propose(t.Context(), b, Terms{Policy: DefaultPolicy(), Hold: DefaultHold, Settle: settle}, None)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := proposal.Apply(t.Context(), b); !errors.Is(err, ErrTooManyRules) || !strings.Contains(err.Error(), "1001 rules") {
		t.Errorf("applied beyond the limit: %v", err)
	}
}

// A directory keeps tags beside the snapshots and has no rules: prune deletes
// both, and nothing that is pinned or the newest.
func TestPruneDirectory(t *testing.T) {
	b, err := upload.OpenURL(t.Context(), bucket.URL{Dir: filepath.Join(t.TempDir(), "series")}, upload.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 30 {
		put(t, b, time.Now().Add(time.Duration(i-30)*time.Hour), series.Held, "0123456789")
	}
	now := time.Now().Add(DefaultHold + 2*time.Hour)
	if result, err := Release(t.Context(), timed{b, now}, Options{}); err != nil || len(result.Released) != 29 {
		t.Fatalf("released %d: %v", len(result.Released), err)
	}
	items, err := Load(t.Context(), b, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Pin(t.Context(), timed{b, now}, items[3].ID, Terms{Hold: DefaultHold, Settle: settle}, nil); err != nil {
		t.Fatal(err)
	}
	terms := Terms{Policy: Policy{Recent: 4}, Hold: DefaultHold}
	if _, deleted, err := Prune(t.Context(), timed{b, now.Add(day)}, terms, nil); err != nil || deleted != 28 {
		t.Fatalf("deleted %d: %v", deleted, err)
	}
	equal(t, "after prune", retentions(t, b), series.Pinned, series.Held)
	var names bytes.Buffer
	for object, err := range b.List(t.Context(), "") {
		names.WriteString(object.Name + "\n")
		if err != nil {
			t.Fatal(err)
		}
	}
	if strings.Count(names.String(), "\n") != 2 {
		t.Errorf("left behind: %s", names.String())
	}
}
