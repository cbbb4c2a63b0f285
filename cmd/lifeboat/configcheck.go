package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/alecthomas/kong"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/databases"
	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
)

type configCmd struct {
	Check configCheckCmd `cmd:"" help:"Print what lifeboat backup would run, without a word to any store."`
}

type configCheckCmd struct {
	configFlags
	JSON bool `name:"json" help:"Print one JSON document."`
}

// scheduleDocument is what config check prints with --json.
type scheduleDocument struct {
	Config    string        `json:"config"`
	Parallel  int           `json:"parallel"`
	Databases []jobDocument `json:"databases"` // in the order of the configuration
	Warnings  []string      `json:"warnings"`
}

type jobDocument struct {
	Path     string            `json:"path"`
	Database string            `json:"database"`      // its name in the series
	URL      string            `json:"url,omitempty"` // none if the template makes none
	Line     int               `json:"line"`          // of its entry in the file
	Settings map[string]string `json:"settings"`      // that are not left to their defaults, as they are written
	Error    string            `json:"error,omitempty"`
}

// Run implements the command.
func (k *configCheckCmd) Run(ctx context.Context, c *console) error {
	s, err := newSchedule(ctx, c, k.configFlags, "backup", []string{"backup"})
	if err != nil {
		return err
	}
	flags, err := fileKeys(ctx, c, "backup")
	if err != nil {
		return err
	}
	d := scheduleDocument{k.file(), s.parallel, []jobDocument{}, append([]string{}, s.warnings...)}
	var wrong []error
	for _, j := range s.jobs {
		d.Databases = append(d.Databases, j.describe(flags))
		switch _, missing := os.Stat(j.Path); {
		case j.Err != nil && exitCode(j.Err) == exitUsage:
			wrong = append(wrong, databases.Problem(j.Entry.Line, "%s: %w", j.Path, j.Err))
		case j.Err != nil:
			d.Warnings = append(d.Warnings, j.Err.Error())
		case missing != nil: // right where the file is checked on another machine
			d.Warnings = append(d.Warnings, fmt.Sprintf("there is no database %s (line %d)", j.Path, j.Entry.Line))
		}
	}
	for _, w := range d.Warnings {
		c.log.Warn(w)
	}
	printing := c.result(k.JSON, d, d.table())
	if len(wrong) == 0 {
		return printing
	}
	return errors.Join(usage("%w", databases.InFile(k.file(), errors.Join(wrong...))), printing)
}

// describe says what a job would do. Values are told as they are written:
// what a variable holds may be a secret.
func (j *job) describe(flags map[string]*kong.Flag) jobDocument {
	d := jobDocument{Path: terminal.ValidText(j.Path), Database: terminal.ValidText(j.Name), URL: j.BucketURL(), Line: j.Entry.Line, Settings: map[string]string{}}
	if j.Err != nil {
		d.Error = terminal.ValidText(j.Err.Error())
	}
	for name, flag := range flags {
		if variable := overridden(flag); variable != "" {
			d.Settings[name] = "${" + variable + "}"
		} else if s, ok := j.Entry.Settings[name]; ok {
			d.Settings[name] = strings.Join(s.Written, ", ")
			if name == "ping-url" && s.Text() == d.Settings[name] {
				d.Settings[name] = "(secret)" // who knows it can send notices
			}
		}
	}
	return d
}

func (d scheduleDocument) table() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "DATABASE\tBUCKET URL\tSETTINGS")
	for _, j := range d.Databases {
		var settings []string
		for _, name := range slices.Sorted(maps.Keys(j.Settings)) {
			settings = append(settings, name+"="+terminal.Quote(j.Settings[name]))
		}
		terminal.Fprintf(w, "%s\t%s\t%s\n", j.Path, cmp.Or(j.URL, "-"), strings.Join(settings, " "))
	}
	w.Flush() // into memory
	return b.String()
}
