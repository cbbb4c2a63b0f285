package rules

import (
	"strings"
	"testing"
)

// What stores make of a rule and still mean it, and what means something else.
func TestRulesAreComparedByMeaning(t *testing.T) {
	const (
		tag  = "<Tag><Key>lifeboat-retention</Key><Value>daily</Value></Tag>"
		more = "<Tag><Key>a</Key><Value>b</Value></Tag>"
	)
	for name, c := range map[string]struct {
		written, have string
		same          bool
	}{
		"a filter without And":        {"<Filter><And><Prefix>app/</Prefix>" + tag + "</And></Filter>", "<Filter><Prefix>app/</Prefix>" + tag + "</Filter>", true},
		"its tag first":               {"<Filter><And><Prefix>app/</Prefix>" + tag + "</And></Filter>", "<Filter>" + tag + "<Prefix>app/</Prefix></Filter>", true},
		"tags in another order":       {"<Filter><And><Prefix/>" + tag + more + "</And></Filter>", "<Filter><And>" + more + tag + "</And></Filter>", true},
		"a prefix in its old place":   {"<Filter><Prefix>app/</Prefix></Filter>", "<Prefix>app/</Prefix>", true},
		"And with one predicate":      {"<Filter><Prefix>app/</Prefix></Filter>", "<Filter><And><Prefix>app/</Prefix></And></Filter>", true},
		"everything":                  {"<Filter/>", "<Filter><Prefix></Prefix></Filter>", true},
		"false that was left out":     {"<Filter/><Expiration><Days>5</Days></Expiration>", "<Filter/><Expiration><Days>5</Days><ExpiredObjectDeleteMarker>false</ExpiredObjectDeleteMarker></Expiration>", true},
		"transitions in other orders": {"<Filter/><Transition><Days>1</Days><StorageClass>A</StorageClass></Transition><Transition><Days>2</Days><StorageClass>B</StorageClass></Transition>", "<Filter/><Transition><Days>2</Days><StorageClass>B</StorageClass></Transition><Transition><Days>1</Days><StorageClass>A</StorageClass></Transition>", true},

		"a tag that is gone":     {"<Filter><And><Prefix>app/</Prefix>" + tag + "</And></Filter>", "<Filter><Prefix>app/</Prefix></Filter>", false},
		"another value":          {"<Filter>" + tag + "</Filter>", "<Filter>" + strings.Replace(tag, "daily", "recent", 1) + "</Filter>", false},
		"another prefix":         {"<Filter><Prefix>app/</Prefix></Filter>", "<Prefix>app</Prefix>", false},
		"a size":                 {"<Filter/>", "<Filter><ObjectSizeGreaterThan>1</ObjectSizeGreaterThan></Filter>", false},
		"a prefix that is gone":  {"<Filter><And><Prefix>app/</Prefix>" + tag + "</And></Filter>", "<Filter>" + tag + "</Filter>", false},
		"a status that is other": {"<Filter/><Status>Enabled</Status>", "<Filter/><Status>Disabled</Status>", false},
		"other days":             {"<Filter/><Expiration><Days>5</Days></Expiration>", "<Filter/><Expiration><Days>6</Days></Expiration>", false},
	} {
		rules := func(text string) []s3Rule {
			if !strings.Contains(text, "<Status>") {
				text += "<Status>Enabled</Status>"
			}
			return rulesOf(t, "<LifecycleConfiguration><Rule><ID>a</ID>"+text+"</Rule><Rule><ID>z</ID><Status>Enabled</Status></Rule></LifecycleConfiguration>")
		}
		written, have := rules(c.written), rules(c.have)
		if got := sameRules(written, []s3Rule{have[1], have[0]}); got != c.same {
			t.Errorf("%s: same is %v\n%s\n%s", name, got, canonical(written...), canonical(have...))
		}
	}
	// Comparing changes nothing.
	rule := s3Rule{Prefix: new("app/"), Expiration: &s3Expiration{ExpiredObjectDeleteMarker: new(false)}}
	canonical(rule)
	if rule.Filter != nil || rule.Prefix == nil || rule.Expiration.ExpiredObjectDeleteMarker == nil {
		t.Errorf("the rule is now %+v", rule)
	}
}
