package main

import (
	"cmp"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// text returns the list for people, "" for none.
func (d listDocument) text(p page, long bool) string {
	const kind = 4
	t := p.table(
		terminal.Column{Title: "SNAPSHOT"}, terminal.Column{Title: "TAKEN (UTC)", Drop: 1}, terminal.Column{Title: "AGE", Right: true, Drop: 3},
		terminal.Column{Title: "SIZE", Right: true}, terminal.Column{Title: "KIND", Drop: 2}, terminal.Column{Title: "KEPT UNTIL"})
	for _, s := range d.Snapshots {
		t.Row(s.ID, terminal.Moment(s.Taken, p.now), terminal.Age(s.Taken, p.now), terminal.Size(s.Stored), s.kindOrWrong(), s.kept())
		if s.Implausible || s.Broken {
			t.Colour(kind, terminal.Red)
			t.Note(strings.TrimSuffix(s.warning(), "\n"))
		}
		if s.Unknown {
			t.Note("unknown: this machine has neither uploaded nor verified it")
		}
		if long {
			for _, detail := range s.details() {
				t.Note(detail)
			}
		}
	}
	text := t.Text(p.width)
	if d.left > 0 {
		text += terminal.Sprintf("the newest %d of %s snapshots; all of them: lifeboat list %s | less\n",
			len(d.Snapshots), humanize.Comma(int64(len(d.Snapshots)+d.left)), terminal.Quote(d.URL))
	}
	return text
}

// kindOrWrong returns the kind of the snapshot, or the word for what is wrong with it.
func (d snapshotDocument) kindOrWrong() string {
	switch {
	case d.Implausible:
		return "implausible"
	case d.Broken:
		return "broken"
	}
	return d.Kind
}

// details are what list --long prints below a snapshot.
func (s retainedDocument) details() []string {
	details := []string{s.Class + ", retention is not known"}
	if s.Reason != "" {
		details[0] = cmp.Or(s.Retention, "no tag") + ": " + s.Reason
	}
	if s.Base != "" {
		details = append(details, s.kind())
	}
	details = append(details, "object "+s.Object, "uploaded "+terminal.Minute(s.Uploaded))
	if s.Encrypted {
		details = append(details, "encrypted by age")
	}
	for _, tag := range []struct{ name, before string }{
		{series.TagDigest, "digest "}, {series.TagDatabase, "database "}, {series.TagCheck, "checked: "},
		{series.TagConfirmed, "confirmed "}, {series.TagVerified, "verified "}, {series.TagRetired, "retired "},
	} {
		if value := s.Tags[tag.name]; value != "" {
			details = append(details, tag.before+value)
		}
	}
	return details
}
