package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/doctor"
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
	Left      []string          `json:"left"` // what could not be cleaned up
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
	printing := c.result(d.JSON, documentOf(report), findingsTable(report, err))
	return errors.Join(err, printing, verdict(report, err))
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

// findingsTable returns the checks, without those that the end of a broken
// examination left, and what they come to.
func findingsTable(r doctor.Report, broken error) string {
	var b strings.Builder
	findings := tried(r.Findings)
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "CHECK\tANSWER\tWHAT IT MEANS")
	for _, f := range findings {
		meaning := f.Meaning
		if f.Detail != "" {
			meaning += " (" + f.Detail + ")"
		}
		terminal.Fprintf(w, "%s\t%s\t%s\n", f.Check, f.Answer, meaning)
	}
	w.Flush() // into memory
	if left := len(r.Findings) - len(findings); left > 0 {
		terminal.Fprintf(&b, "%d more checks were not tried\n", left)
	}
	for _, name := range r.Left {
		terminal.Fprintf(&b, "left behind, because these credentials may not delete it: %s\n", name)
	}
	if broken == nil && r.CanBackup() && r.CanRestore() {
		terminal.Fprintf(&b, "a backup and a restore would work with %s; %s\n", r.URL, retention[r.Rules()])
	}
	return b.String()
}

// retention is what an answer of Report.Rules means.
var retention = map[doctor.Answer]string{
	doctor.Yes:      "the bucket's rules can carry out retention",
	doctor.No:       "retention is by lifeboat prune",
	doctor.NotTried: "whether its rules can carry out retention, lifecycle apply finds out",
}

// tried returns the findings up to the one at which an examination broke off, and
// all of one that did not.
func tried(findings []doctor.Finding) []doctor.Finding {
	end := len(findings)
	for end > 0 && findings[end-1].Answer == doctor.NotTried && findings[end-1].Detail == "" {
		end--
	}
	return findings[:end]
}

// verdict returns the error that the exit code comes from. What the keys of
// one role are refused is as it should be; what the store cannot do is not.
func verdict(r doctor.Report, broken error) error {
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
