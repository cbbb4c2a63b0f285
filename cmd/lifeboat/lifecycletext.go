package main

import (
	"cmp"
	"strings"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
)

// text returns the document for people. verb is what happened to the changes: "would
// change", "changed", or "" for none.
func (d rulesDocument) text(verb string, p page) string {
	var b strings.Builder
	if verb == "" {
		if d.Frozen {
			terminal.Fprintf(&b, "frozen: nothing of this %s expires until lifeboat lifecycle thaw\n", d.Scope)
		}
		writeRules(&b, p, "rules of this "+d.Scope, d.Rules)
		writeRules(&b, p, "rules of the tree around it", d.Around)
		writeRules(&b, p, "other rules in the bucket", d.Foreign)
	} else if len(d.Changes) == 0 {
		b.WriteString("nothing to change: the bucket has these rules\n")
	} else {
		terminal.Fprintf(&b, "%s:\n", verb)
		for _, change := range d.Changes {
			terminal.Fprintf(&b, "  %s\n", change)
		}
	}
	if len(d.Sooner) > 0 {
		terminal.Fprintf(&b, "existing snapshots expire sooner by this (%d):\n", len(d.Sooner))
		for _, s := range d.Sooner {
			terminal.Fprintf(&b, "  %s  %s, goes %s\n", s.ID, s.Class, terminal.Day(s.Expires))
		}
	}
	if len(d.Shorter) > 0 {
		terminal.Fprintf(&b, "series of this tree (%d folders) keep snapshots for less time by this:\n", d.Below)
		for _, line := range d.Shorter {
			terminal.Fprintf(&b, "  %s\n", line)
		}
	}
	for _, warning := range d.Warnings {
		b.WriteString(p.warning(warning))
	}
	return b.String()
}

func writeRules(b *strings.Builder, p page, title string, rules []ruleDocument) {
	if len(rules) == 0 {
		return
	}
	t := p.table(terminal.Column{}, terminal.Column{Min: 24}, terminal.Column{Min: 20, Wrap: true})
	for _, r := range rules {
		t.Row("", cmp.Or(r.ID, "(without a name)"), r.Does)
	}
	b.WriteString(title + ":\n" + t.Text(p.width))
}
