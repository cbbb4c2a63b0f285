package rules

import (
	"encoding/xml"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/lifecycle"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

func configuration(document string) (c Configuration, err error) {
	c.rules, c.lost, err = fromXML([]byte(document))
	return c, err
}

// node is an element of a document, compared without what means nothing.
type node struct {
	XMLName xml.Name
	Attrs   []xml.Attr `xml:",any,attr"`
	Text    string     `xml:",chardata"`
	Nodes   []node     `xml:",any"`
}

func (n node) String() string {
	text := n.Text
	if t, err := time.Parse(time.RFC3339, strings.TrimSpace(text)); err == nil {
		text = t.UTC().Format(time.RFC3339)
	}
	if len(n.Nodes) > 0 {
		text = strings.TrimSpace(text)
	}
	var parts []string
	for _, a := range n.Attrs {
		if a.Name.Local != "xmlns" && a.Name.Space != "xmlns" {
			parts = append(parts, fmt.Sprintf("@%s=%q", a.Name.Local, a.Value))
		}
	}
	for _, c := range n.Nodes {
		parts = append(parts, c.String())
	}
	slices.Sort(parts) // the order of elements means nothing inside a rule
	return fmt.Sprintf("<%s %q %s>", n.XMLName.Local, text, parts)
}

// rulesIn returns the rules of a document, read by another way than the
// product's, those of the series and others.
func rulesIn(t *testing.T, document string, scope scope) (mine, others []string) {
	var root node
	if err := xml.Unmarshal([]byte(document), &root); err != nil {
		t.Fatalf("what was taken is no XML: %v\n%s", err, document)
	}
	for _, n := range root.Nodes {
		id := ""
		for _, c := range n.Nodes {
			if c.XMLName.Local == "ID" {
				id = c.Text
			}
		}
		if ours(s3Rule{ID: &id}, scope) != "" {
			mine = append(mine, n.String())
		} else {
			others = append(others, n.String())
		}
	}
	if text := strings.TrimSpace(root.Text); text != "" {
		others = append(others, text)
	}
	return mine, others
}

// Whatever a bucket has for rules: either writing is refused, or those of
// others survive as they were and ours are as they should be.
func FuzzMerge(f *testing.F) {
	const empty = `<LifecycleConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">%s</LifecycleConfiguration>`
	add := func(document, prefix string) {
		f.Add(document, prefix, false, int32(14), int32(30))
		f.Add(document, prefix, true, int32(14), int32(30))
	}
	own, err := toXML(append(foreign(), rulesFor("app", lifecycle.DefaultPolicy(), DefaultNoncurrent)...))
	if err != nil {
		f.Fatal(err)
	}
	add(string(own), "app")
	add(string(own), "app2")
	add(strings.ReplaceAll(string(own), "Enabled", "Disabled"), "app")
	for _, rules := range []string{"",
		`<Rule><ID>lifeboat/app/daily</ID><Filter><Prefix>app/</Prefix></Filter><Status>Enabled</Status><Expiration><Days>3</Days></Expiration></Rule>`,
		`<Rule><ID>a</ID><Filter> <Prefix> x </Prefix> </Filter><Status>Enabled</Status><Expiration><Date>2030-01-01T00:00:00.000Z</Date></Expiration></Rule>`,
		`<Rule kind="x"><Prefix>old/</Prefix><Status>Disabled</Status><Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration></Rule>`,
		`<Rule>not here<Filter/><Status>Enabled</Status><Expiration/></Rule>`,
		`<Rule><ID>b</ID><Filter><And><Prefix>x/</Prefix><Tag><Key>k</Key><Value></Value></Tag><Tag><Key>l</Key><Value>m</Value></Tag>` +
			`<ObjectSizeGreaterThan>5</ObjectSizeGreaterThan></And></Filter><Status>Disabled</Status>` +
			`<Transition><Days>30</Days><StorageClass>GLACIER</StorageClass></Transition><Transition><Days>90</Days><StorageClass>DEEP_ARCHIVE</StorageClass></Transition>` +
			`<NoncurrentVersionTransition><NoncurrentDays>5</NoncurrentDays><StorageClass>ONEZONE_IA</StorageClass></NoncurrentVersionTransition>` +
			`<NoncurrentVersionExpiration><NewerNoncurrentVersions>3</NewerNoncurrentVersions><NoncurrentDays>9</NoncurrentDays></NoncurrentVersionExpiration>` +
			`<AbortIncompleteMultipartUpload><DaysAfterInitiation>2</DaysAfterInitiation></AbortIncompleteMultipartUpload></Rule>`,
		`<Rule><ID>c</ID><ID>d</ID><Filter/><Status>Enabled</Status><Expiration><Days>030</Days></Expiration><DelMarkerExpiration><Days>5</Days></DelMarkerExpiration></Rule>`,
		strings.Repeat("<a>", 40) + strings.Repeat("</a>", 40),
	} {
		add(fmt.Sprintf(empty, rules), "app")
	}
	f.Fuzz(func(t *testing.T, document, prefix string, tree bool, daily, noncurrent int32) {
		u, err := bucket.ParseURL("s3://bucket/" + prefix)
		if err != nil {
			return
		}
		s := scope(u.Prefix)
		if tree {
			s = treeScope(u.Prefix)
		}
		policy := lifecycle.DefaultPolicy()
		policy[lifecycle.Daily] = lifecycle.Keep(daily)
		if policy.Validate(lifecycle.DefaultHold) != nil {
			policy = lifecycle.DefaultPolicy()
		}
		want := rulesFor(s, policy, lifecycle.Keep(max(0, min(noncurrent, lifecycle.MaxDays))))
		before, err := configuration(document)
		if err != nil || len(before.lost) > 0 {
			return // refused
		}
		merged, changes := merge(before.rules, s, want)
		for _, c := range changes {
			_ = c.String()
		}
		dangers(merged, s)
		policyOf(before.rules, s)
		written, err := toXML(merged)
		if err != nil {
			return // refused
		}
		_, othersBefore := rulesIn(t, document, s)
		mine, others := rulesIn(t, string(written), s)
		if !slices.Equal(othersBefore, others) {
			t.Errorf("the rules of others were\n%s\nand are\n%s", othersBefore, others)
		}
		if isFrozen(before.rules, s) {
			want, _ = switched(want, s, disabled)
		}
		plain, err := toXML(want)
		if err != nil {
			t.Fatal(err)
		}
		right, _ := rulesIn(t, string(plain), s)
		slices.Sort(mine)
		slices.Sort(right)
		if !slices.Equal(mine, right) {
			t.Errorf("our rules should be\n%s\nand are\n%s", right, mine)
		}
		// A store has them now as they were written: they are read as what they
		// were, and there is nothing left to do.
		after, err := configuration(string(written))
		if err != nil || len(after.lost) > 0 {
			t.Fatalf("what was written cannot be read: %v, %v", err, after.lost)
		}
		after.scope = s
		wroteMine, wroteOthers := split(merged, s)
		if wrong := notKept(after, before, wroteOthers); wrong != "" {
			t.Error(wrong)
		}
		if has, _ := split(after.rules, s); !sameMine(has, wroteMine) {
			t.Error("ours are not what was written")
		}
		if _, changes := merge(after.rules, s, want); len(changes) > 0 {
			t.Errorf("the second apply is not a no-op: %v", changes)
		}
	})
}
