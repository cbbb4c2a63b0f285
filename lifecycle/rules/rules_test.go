package rules

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/lifecycle"
	"github.com/lifeboat-sqlite/lifeboat/lifecycle/lifecycletest"
	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

func TestRulesGolden(t *testing.T) {
	for name, rules := range map[string][]s3Rule{
		"defaults": rulesFor("team/app", lifecycle.DefaultPolicy(), DefaultNoncurrent),
		"short":    rulesFor("a", lifecycle.Policy{lifecycle.Recent: 5, lifecycle.Monthly: lifecycle.Forever}, lifecycle.None),
		"long":     rulesFor(scope(strings.Repeat("very/long/", 30)+"prefix"), lifecycle.Policy{lifecycle.Recent: 5, lifecycle.Daily: 9, lifecycle.Weekly: lifecycle.Forever}, DefaultNoncurrent),
		"odd":      rulesFor(`x${y}&<"é`, lifecycle.Policy{lifecycle.Recent: 5, lifecycle.Daily: lifecycle.Forever}, 1),
	} {
		for _, format := range []string{"xml", "json", "terraform"} {
			text, err := Render(wrap(rules), format)
			if err != nil {
				t.Fatal(err)
			}
			lifecycletest.Golden(t, "rules-"+name+"-"+format, text)
		}
		for _, rule := range rules {
			if len(*rule.ID) > 255 {
				t.Errorf("%s: an ID of %d characters", name, len(*rule.ID))
			}
		}
	}
	if _, err := Render(nil, "yaml"); err == nil {
		t.Error("an unknown format is rendered")
	}
}

// foreign is what another tool or an operator may have put there.
func foreign() []s3Rule {
	return []s3Rule{
		{ID: new("logs"), Status: enabled, Filter: &s3Filter{Prefix: new("logs/")},
			Expiration: &s3Expiration{Days: new(int32(7))}},
		{Status: disabled, Prefix: new("old"),
			Transitions: []s3Transition{{Days: new(int32(30)), StorageClass: "GLACIER"}}},
	}
}

func TestMerge(t *testing.T) {
	want := rulesFor("app", lifecycle.DefaultPolicy(), DefaultNoncurrent)
	have := foreign()
	merged, changes := merge(have, "app", want)
	if len(changes) != len(want) || canonical(merged...) != canonical(append(foreign(), want...)...) {
		t.Fatalf("the first apply: %v, %v", merged, changes)
	}
	if _, changes := merge(merged, "app", want); len(changes) != 0 {
		t.Errorf("the second apply is not a no-op: %v", changes)
	}

	// A second series does not disturb the first, nor prefixes that begin alike.
	other := rulesFor("app2", lifecycle.Policy{lifecycle.Recent: 9, lifecycle.Daily: lifecycle.Forever}, lifecycle.None)
	both, changes := merge(merged, "app2", other)
	if len(changes) != len(other) || canonical(both...) != canonical(append(append([]s3Rule{}, merged...), other...)...) {
		t.Errorf("a second series: %v", changes)
	}
	if _, changes := merge(both, "app", want); len(changes) != 0 {
		t.Errorf("the first series is disturbed: %v", changes)
	}

	// A changed policy: one changed, one gone, one new.
	p := lifecycle.DefaultPolicy()
	p[lifecycle.Daily], p[lifecycle.Monthly], p[lifecycle.Yearly] = 20, lifecycle.Forever, lifecycle.Forever
	var lines []string
	after, changes := merge(both, "app", rulesFor("app", p, DefaultNoncurrent))
	for _, c := range changes {
		lines = append(lines, c.String())
	}
	lifecycletest.Golden(t, "merge-changes", strings.Join(lines, "\n")+"\n")
	if len(after) != len(both)-1 {
		t.Errorf("%d rules, want %d", len(after), len(both)-1)
	}

	// What MinIO drops is no change; what a hand has changed is one.
	dropped, _ := merge(nil, "app", want)
	dropped[len(dropped)-1].AbortIncompleteMultipartUpload = nil
	if _, changes := merge(dropped, "app", want); len(changes) != 0 {
		t.Errorf("a store without that part never comes to rest: %v", changes)
	}
	twice := append(rulesFor("app", lifecycle.DefaultPolicy(), DefaultNoncurrent), want[0])
	if merged, changes := merge(twice, "app", want); len(changes) != 1 || len(merged) != len(want) {
		t.Errorf("a rule that is there twice: %v", changes)
	}
}

func TestFreezeAndThaw(t *testing.T) {
	rules, _ := merge(foreign(), "app", rulesFor("app", lifecycle.DefaultPolicy(), DefaultNoncurrent))
	rules, _ = merge(rules, "app2", rulesFor("app2", lifecycle.DefaultPolicy(), DefaultNoncurrent))
	before := canonical(rules...)
	frozen, n := switched(rules, "app", disabled)
	if n != 6 || canonical(rules...) != before {
		t.Errorf("freeze disabled %d rules, or changed its input", n)
	}
	for _, r := range frozen {
		if (r.Status == disabled) != (ours(r, "app") != "" || r.ID == nil) {
			t.Errorf("%s is %s", value(r.ID), r.Status)
		}
	}
	if !isFrozen(frozen, "app") || isFrozen(frozen, "app2") {
		t.Error("frozen is not seen, or seen elsewhere")
	}
	// A nightly apply must not thaw it.
	p := lifecycle.DefaultPolicy()
	p[lifecycle.Daily] = 21
	merged, changes := merge(frozen, "app", rulesFor("app", p, DefaultNoncurrent))
	if len(changes) != 1 || len(policyOf(merged, "app")) == 0 || policyOf(merged, "app").Keep(lifecycle.Recent) != lifecycle.Forever {
		t.Errorf("apply thaws: %v", changes)
	}
	if thawed, n := switched(frozen, "app", enabled); n != 6 || canonical(thawed...) != before {
		t.Errorf("thaw does not undo freeze")
	}
	// One that a hand has disabled freezes no other, and comes back.
	one, _ := merge(nil, "app", rulesFor("app", lifecycle.DefaultPolicy(), DefaultNoncurrent))
	one[2].Status = disabled
	merged, changes = merge(one, "app", rulesFor("app", p, DefaultNoncurrent))
	if isFrozen(one, "app") || len(changes) != 1 || canonical(merged...) != canonical(rulesFor("app", p, DefaultNoncurrent)...) {
		t.Errorf("one rule disabled: %v", changes)
	}
}

func TestPolicyOf(t *testing.T) {
	p := lifecycle.Policy{lifecycle.Recent: 4, lifecycle.Daily: 14, lifecycle.Yearly: lifecycle.Forever}
	rules, _ := merge(foreign(), "app", rulesFor("app", p, lifecycle.None))
	got := policyOf(rules, "app")
	for _, c := range lifecycle.Classes() {
		if got.Keep(c) != p.Keep(c) {
			t.Errorf("%s: %v, want %v", c, got.Keep(c), p.Keep(c))
		}
	}
	if policyOf(rules, "other").Keep(lifecycle.Recent) != lifecycle.Forever {
		t.Error("a series without rules expires")
	}
}

func TestWarnings(t *testing.T) {
	rule := func(id, prefix string, tags ...string) s3Rule {
		and := &s3And{Prefix: new(prefix)}
		for i := 0; i < len(tags); i += 2 {
			and.Tags = append(and.Tags, s3Tag{Key: new(tags[i]), Value: new(tags[i+1])})
		}
		return s3Rule{ID: new(id), Status: enabled,
			Filter: &s3Filter{And: and}, Expiration: &s3Expiration{Days: new(int32(30))}}
	}
	noncurrent := rule("noncurrent", "")
	noncurrent.Expiration, noncurrent.NoncurrentVersionExpiration = nil, &s3NoncurrentExpiration{NoncurrentDays: new(int32(3))}
	uploads := rule("uploads", "")
	uploads.Expiration, uploads.AbortIncompleteMultipartUpload = nil, &s3Abort{DaysAfterInitiation: new(int32(1))}
	off := rule("disabled", "")
	off.Status = disabled
	markers := rule("markers", "")
	markers.Expiration = &s3Expiration{ExpiredObjectDeleteMarker: new(true)}
	old := s3Rule{Status: enabled, Prefix: new("team"), Expiration: &s3Expiration{Days: new(int32(1))}}
	rules := append(append(foreign(), rulesFor("team/app", lifecycle.DefaultPolicy(), DefaultNoncurrent)...),
		rule("whole bucket", ""), rule("same prefix", "team/app/"), rule("begins alike", "team/ap"), rule("deeper", "team/app/2026"),
		rule("elsewhere", "team/app2/"), rule("sibling", "team/appendix"), rule("their tag", "", "temporary", "yes"),
		rule("held", "", series.TagRetention, series.Held(series.Daily)), rule("daily too", "team/app/", series.TagRetention, "daily"),
		rule("by name", "", series.TagDatabase, "app.db"), rule("drilled", "", series.TagVerified, "2026-11-01T00:00:00Z"), noncurrent, uploads, off, markers, old)
	rules = append(rules, rulesFor("team/app/inner", lifecycle.DefaultPolicy(), lifecycle.None)[:2]...)
	rules = append(rules, rulesFor("team", lifecycle.DefaultPolicy(), lifecycle.None)[:1]...)
	rules = append(rules, rulesFor("other", lifecycle.DefaultPolicy(), lifecycle.None)...)
	lifecycletest.Golden(t, "warnings", strings.Join(dangers(rules, "team/app"), "\n")+"\n")
	if w := dangers(rulesFor("app", lifecycle.DefaultPolicy(), DefaultNoncurrent), "app"); len(w) != 0 {
		t.Errorf("our own rules: %v", w)
	}
	if tooMany(make([]s3Rule, 1000)) != nil || tooMany(make([]s3Rule, 1001)) == nil {
		t.Error("the limit on rules")
	}
}

// The rules of a series inside are one warning, not one each.
func TestRulesInside(t *testing.T) {
	have := rulesFor("web/app", lifecycle.DefaultPolicy(), lifecycle.None)
	w := dangers(have, "web")
	if len(w) != 1 || !strings.Contains(w[0], "5 rules, such as lifeboat/web/app/recent, are for snapshots under \"web/app/\", and one of") {
		t.Errorf("warnings %q", w)
	}
}

// A rule whose filter was changed by hand still has our ID, and is not trusted
// for it.
func TestRuleAstray(t *testing.T) {
	want := rulesFor("app", lifecycle.DefaultPolicy(), lifecycle.None)
	for what, test := range map[string]struct {
		spoil         func(rules []s3Rule)
		warns, change string
		monthly       lifecycle.Keep
	}{
		"no tag": {func(rules []s3Rule) {
			rules[2].Filter = &s3Filter{Prefix: new("app/")}
		}, "rule lifeboat/app/daily also takes held", `14d for "app/" -> 14d for "app/" with lifeboat-retention=daily`, 14},
		"another class's tag": {func(rules []s3Rule) {
			rules[2].Filter.And.Tags[0].Value = new("monthly")
		}, "rule lifeboat/app/daily also takes monthly", `14d for "app/" with lifeboat-retention=monthly -> 14d for "app/" with lifeboat-retention=daily`, 14},
		"another prefix": {func(rules []s3Rule) {
			rules[2].Filter.And.Prefix = new("app/2")
		}, "lies inside the other", `14d for "app/2" with`, lifecycle.DefaultPolicy()[lifecycle.Monthly]},
		"tidy expires": {func(rules []s3Rule) {
			rules[len(rules)-1].Expiration = &s3Expiration{Days: new(int32(3))}
		}, "rule lifeboat/app/tidy also takes held", "3d, unfinished uploads 7d -> lone delete markers", 3},
	} {
		have := rulesFor("app", lifecycle.DefaultPolicy(), lifecycle.None)
		test.spoil(have)
		if w := dangers(have, "app"); len(w) != 1 || !strings.Contains(w[0], test.warns) {
			t.Errorf("%s: warnings %q", what, w)
		}
		merged, changes := merge(have, "app", want)
		if len(changes) != 1 || !strings.Contains(changes[0].String(), test.change) || canonical(merged...) != canonical(want...) {
			t.Errorf("%s: %v", what, changes)
		}
		if keep := policyOf(have, "app").Keep(lifecycle.Monthly); keep != test.monthly {
			t.Errorf("%s: monthly ones are kept for %v", what, keep)
		}
	}
}

func TestChangeTellsSizes(t *testing.T) {
	have := rulesFor("app", lifecycle.DefaultPolicy(), lifecycle.None)
	have[2].Filter.And.ObjectSizeGreaterThan, have[2].Filter.And.ObjectSizeLessThan = new(int64(5)), new(int64(9))
	_, changes := merge(have, "app", rulesFor("app", lifecycle.DefaultPolicy(), lifecycle.None))
	if len(changes) != 1 || !strings.Contains(changes[0].String(), "lifeboat-retention=daily over 5 bytes under 9 bytes -> 14d for") {
		t.Errorf("%v", changes)
	}
}

// The shrink guard keeps a snapshot only until --ignore-shrink overrides it, so it
// does not hide what a policy would take.
func TestSooner(t *testing.T) {
	var items []lifecycle.Item
	for i := range 40 {
		taken := lifecycletest.At("2026-10-01 23:00").AddDate(0, 0, i)
		name := series.Name{ID: snapshot.NewID(taken), Class: lifecycle.Daily}
		if taken.Day() == 1 {
			name.Class = lifecycle.Monthly
		}
		items = append(items, lifecycle.Item{Snapshot: series.Snapshot{Name: name, Object: bucket.Object{Size: 1000, Modified: taken}}})
	}
	items[1].Tags, items[1].TagsKnown = bucket.Tags{series.TagRetention: "daily"}, true
	items[39].Object.Size = 1
	p := lifecycle.DefaultPolicy()
	p[lifecycle.Daily], p[lifecycle.Monthly] = 20, 300
	terms := lifecycle.Terms{Policy: p, Hold: lifecycle.DefaultHold}
	now := lifecycletest.At("2026-11-10")
	if sooner := sooner(items, lifecycle.DefaultPolicy(), terms, now); len(sooner) != 2 || sooner[0].Class != lifecycle.Monthly || sooner[1].Class != lifecycle.Monthly {
		t.Errorf("longer for daily, shorter for monthly: %s", print(sooner))
	}
	terms.Policy = lifecycle.DefaultPolicy()
	if sooner := sooner(items, p, terms, now); len(sooner) != 37 {
		t.Errorf("shorter for daily: %d\n%s", len(sooner), print(sooner))
	}
	if sooner := sooner(items, policyOf(nil, "app"), terms, now); len(sooner) != 39 {
		t.Errorf("from no rules: %d", len(sooner))
	}
}

// rulesOf reads the rules of a document.
func rulesOf(t *testing.T, document string) []s3Rule {
	t.Helper()
	rules, _, err := fromXML([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

func TestLost(t *testing.T) {
	const document = `<?xml version="1.0" encoding="UTF-8"?>
<LifecycleConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">%s
  <Rule><ID>a</ID><Filter><Prefix></Prefix></Filter><Status>Enabled</Status>
    <Expiration><Date>2030-01-01T00:00:00.000Z</Date></Expiration></Rule>
  <Rule><ID>b &amp; c</ID><Filter><And><Prefix>x/</Prefix><Tag><Key>k</Key><Value></Value></Tag><Tag><Key>l</Key><Value>m</Value></Tag>
    <ObjectSizeGreaterThan>5</ObjectSizeGreaterThan></And></Filter><Status>Disabled</Status>
    <Transition><Days>30</Days><StorageClass>GLACIER</StorageClass></Transition><Transition><Days>90</Days><StorageClass>DEEP_ARCHIVE</StorageClass></Transition>
    <NoncurrentVersionExpiration><NewerNoncurrentVersions>3</NewerNoncurrentVersions><NoncurrentDays>9</NoncurrentDays></NoncurrentVersionExpiration>
    <AbortIncompleteMultipartUpload><DaysAfterInitiation>2</DaysAfterInitiation></AbortIncompleteMultipartUpload>%s</Rule>
  <Rule><ID>d</ID><Prefix>old/</Prefix><Status>Enabled</Status><Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker>%s</Expiration></Rule>
  <Rule><ID>e</ID><Filter></Filter><Status>Enabled</Status><Expiration><Days>5</Days></Expiration></Rule>
</LifecycleConfiguration>`
	for want, parts := range map[string][3]string{
		"": {},
		"LifecycleConfiguration[1]/Rule[2]/DelMarkerExpiration[1]/Days[1]=5":               {"", "<DelMarkerExpiration><Days>5</Days></DelMarkerExpiration>", ""},
		"LifecycleConfiguration[1]/Rule[3]/Expiration[1]/ExpiredObjectAllVersions[1]=":     {"", "", "<ExpiredObjectAllVersions/>"},
		"LifecycleConfiguration[1]/Rule[3]/Expiration[1]=never":                            {"", "", "never"},
		"LifecycleConfiguration[1]/Owner[1]/@by=you,LifecycleConfiguration[1]/Owner[1]=me": {`<Owner by="you">me</Owner>`, "", ""},
		"LifecycleConfiguration[1]/Owner[1]=me":                                            {"<Owner>me</Owner>", "", ""},
		"LifecycleConfiguration[1]/Rule[2]/Transition[3]/Class[1]=Z":                       {"", "<Transition><Class>Z</Class></Transition>", ""},
	} {
		sent := fmt.Sprintf(document, parts[0], parts[1], parts[2])
		_, lost, err := fromXML([]byte(sent))
		if err != nil || strings.Join(lost, ",") != want {
			t.Errorf("lost %q, %v; want %q", lost, err, want)
		}
	}
	if _, _, err := fromXML([]byte("<Rule>")); err == nil {
		t.Error("half a document is taken")
	}
	if _, _, err := fromXML([]byte(strings.Repeat("<a>", 99) + strings.Repeat("</a>", 99))); err == nil {
		t.Error("a document without a floor is taken")
	}
}

// A printed document and what the SDK would send are the same.
func TestRenderedXMLIsRead(t *testing.T) {
	rules := append(rulesFor(`a&b/<c>`, lifecycle.DefaultPolicy(), DefaultNoncurrent), foreign()...)
	text, err := Render(wrap(rules), "xml")
	if err != nil {
		t.Fatal(err)
	}
	if got := rulesOf(t, text); !reflect.DeepEqual(canonical(got...), canonical(rules...)) {
		t.Errorf("%s is read as\n%s", text, canonical(got...))
	}
}
