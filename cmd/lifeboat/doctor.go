package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/doctor"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// doctorCmd gives up sooner than other commands: a person waits for it.
type doctorCmd struct {
	URL      bucketURL `arg:"" name:"bucket-url" help:"Where the snapshots are or will be: s3://bucket/prefix or file:///dir."`
	RetryFor duration  `default:"15s" placeholder:"15s" group:"Store" help:"How long to retry a store that fails."`
	JSON     bool      `name:"json" help:"Print one JSON document."`
}

// doctorDocument is what doctor prints with --json.
type doctorDocument struct {
	URL       string            `json:"url"`
	Backup    bool              `json:"backup"`    // a backup would work
	Restore   bool              `json:"restore"`   // a restore would work
	Retention string            `json:"retention"` // rules, prune, or unproven: rules if the store takes them
	Checks    []findingDocument `json:"checks"`
	Left      []string          `json:"left"`             // what could not be cleaned up
	Newest    *snapshotDocument `json:"newest,omitempty"` // of the series that is there; absent: none, or it was not looked for

	broken *snapshotDocument // the last of the series, if it is
}

type findingDocument struct {
	Check   string        `json:"check"`
	Answer  doctor.Answer `json:"answer"` // yes, no, refused, not tried
	Detail  string        `json:"detail,omitempty"`
	Meaning string        `json:"meaning"`
}

// Run implements the command. The report is printed also where the
// examination broke off.
func (d *doctorCmd) Run(ctx context.Context, c *console) error {
	b, err := seriesFlags{d.URL, d.RetryFor}.open(ctx, c, upload.Options{})
	if err != nil {
		return err
	}
	report, err := doctor.Examine(ctx, b)
	document := documentOf(report)
	var notLooked error
	if err == nil && document.Restore {
		document.Newest, document.broken, notLooked = newestIn(ctx, b)
	}
	printing := c.result(d.JSON, document, document.text(report, err, c.page()))
	return errors.Join(err, notLooked, printing, whatWorks(report, err))
}

// newestIn returns the newest snapshot of the series that is there, if one is, and the
// last one, if that is broken.
func newestIn(ctx context.Context, b bucket.Bucket) (newest, broken *snapshotDocument, err error) {
	tail, _, err := series.Tail(ctx, b)
	if err != nil || len(tail) == 0 {
		return nil, nil, err
	}
	if found, ok := series.NewestOf(tail); ok {
		newest = new(describeSnapshot(found))
	}
	if last := tail[len(tail)-1]; last.Broken {
		broken = new(describeSnapshot(last))
	}
	return newest, broken, nil
}

func documentOf(r doctor.Report) doctorDocument {
	d := doctorDocument{
		URL: r.URL.String(), Backup: r.CanBackup(), Restore: r.CanRestore(), Retention: "prune",
		Checks: []findingDocument{}, Left: append([]string{}, r.Left...),
	}
	switch r.Rules() {
	case doctor.Yes:
		d.Retention = "rules"
	case doctor.NotTried:
		d.Retention = "unproven"
	}
	for _, f := range r.Findings {
		d.Checks = append(d.Checks, findingDocument(f))
	}
	return d
}

// text returns the checks for people, without those that the end of a broken
// examination left, and what they come to.
func (d doctorDocument) text(r doctor.Report, broken error, p page) string {
	var b strings.Builder
	findings := untilBroken(r.Findings)
	t := p.table(terminal.Column{Title: "CHECK"}, terminal.Column{Title: "ANSWER"}, terminal.Column{Title: "WHAT IT MEANS", Min: 20, Wrap: true})
	for _, f := range findings {
		meaning := f.Meaning
		if f.Detail != "" && (broken == nil || f.Detail != broken.Error()) { // which is printed below
			meaning += " (" + f.Detail + ")"
		}
		t.Row(f.Check, string(f.Answer), meaning)
	}
	b.WriteString(t.Text(p.width))
	if left := len(r.Findings) - len(findings); left > 0 {
		terminal.Fprintf(&b, "%d more checks were not tried\n", left)
	}
	for _, name := range r.Left {
		terminal.Fprintf(&b, "left behind, because these credentials may not delete it: %s\n", name)
	}
	if broken == nil {
		b.WriteString(d.sum(r, p))
	}
	return b.String()
}

// sum returns the last lines: what is there, and what would work.
func (d doctorDocument) sum(r doctor.Report, p page) string {
	t := p.facts()
	if n := d.Newest; n != nil {
		t.Row("newest snapshot", fmt.Sprintf("%s, taken %s: %s", n.ID, terminal.Ago(n.Taken, p.now), n.kind()))
	}
	if d.broken != nil {
		t.Row("last snapshot", fmt.Sprintf("%s is broken: %s", d.broken.ID, d.broken.Why))
		t.Colour(1, terminal.Red)
	}
	for _, verb := range []struct {
		name  string
		lacks []string
	}{{"backup", r.LacksForBackup()}, {"restore", r.LacksForRestore()}} {
		if len(verb.lacks) == 0 {
			t.Row(verb.name, "yes")
			continue
		}
		t.Row(verb.name, "no ("+strings.Join(verb.lacks, "; ")+")")
		t.Colour(1, terminal.Red)
	}
	t.Row("retention by rules", retentionMeans[r.Rules()])
	return t.Text(p.width)
}

// retentionMeans is what an answer of Report.Rules means.
var retentionMeans = map[doctor.Answer]string{
	doctor.Yes:      "yes",
	doctor.No:       "no: by lifeboat prune",
	doctor.Refused:  "not known: these credentials may not see the rules",
	doctor.NotTried: "not known: lifeboat lifecycle apply finds out",
}

// untilBroken returns the findings up to the one at which an examination broke off, and
// all of one that did not.
func untilBroken(findings []doctor.Finding) []doctor.Finding {
	end := len(findings)
	for end > 0 && findings[end-1].Answer == doctor.NotTried && findings[end-1].Detail == "" {
		end--
	}
	return findings[:end]
}

// whatWorks returns the error that the exit code comes from, nil if a backup and a
// restore would work. What the keys of
// one role are refused is as it should be; what the store cannot do is not.
func whatWorks(r doctor.Report, broken error) error {
	backup, restore := r.CanBackup(), r.CanRestore()
	switch {
	case broken != nil, backup && restore:
		return nil
	case !backup && !restore:
		return fmt.Errorf("neither a backup nor a restore would work with %s: %w", r.URL, bucket.ErrRefused)
	case r.Of("clock") == doctor.No:
		return fmt.Errorf("a backup would not work with %s: %w", r.URL, upload.ErrClock)
	case !backup && r.Of("put") != doctor.Refused && r.URL.Dir == "":
		return fmt.Errorf("a backup would not work with %s: %w", r.URL, bucket.ErrRefused)
	case r.URL.Dir != "" && r.Of("free space") == doctor.No:
		return fmt.Errorf("a backup would not work with %s: %w", r.URL, bucket.ErrNoRoom)
	case r.URL.Dir != "" && r.Of("write") != doctor.Refused:
		return fmt.Errorf("a backup would not work with %s: %w", r.URL, bucket.ErrRefused)
	case r.URL.Dir != "" && restore:
		return fmt.Errorf("in %s a restore would work, a backup not: %w", r.URL, errOneOfTwo)
	case backup:
		return fmt.Errorf("with these credentials a backup would work, a restore not: %w", errOneOfTwo)
	}
	return fmt.Errorf("with these credentials a restore would work, a backup not: %w", errOneOfTwo)
}
