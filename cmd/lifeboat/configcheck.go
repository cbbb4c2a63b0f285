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

	"github.com/alecthomas/kong"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/databases"
	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
)

type configCmd struct {
	Check  configCheckCmd  `cmd:"" help:"Print what lifeboat backup would run, without a request to any store."`
	Schema configSchemaCmd `cmd:"" help:"Print a JSON schema of the file, for editors."`
}

type configCheckCmd struct {
	configFlags
	JSON bool `name:"json" help:"Print one JSON document."`
}

// scheduleDocument is what config check prints with --json.
type scheduleDocument struct {
	Config    string         `json:"config"`
	Parallel  int            `json:"parallel"`
	Databases []taskDocument `json:"databases"` // in the order of the configuration
	Warnings  []string       `json:"warnings"`
}

type taskDocument struct {
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
	flags, err := fileKeys(ctx, c, usedBy("backup"))
	if err != nil {
		return err
	}
	d := scheduleDocument{k.file(), s.parallel, []taskDocument{}, append([]string{}, s.warnings...)}
	var wrong []error
	for _, t := range s.tasks {
		d.Databases = append(d.Databases, t.describe(flags))
		switch _, missing := os.Stat(t.Path); {
		case t.Err != nil && exitCode(t.Err) == exitUsage:
			wrong = append(wrong, databases.Problem(t.Entry.Line, "%s: %w", t.Path, t.Err))
		case t.Err != nil:
			d.Warnings = append(d.Warnings, t.Err.Error())
		case missing != nil: // right where the file is checked on another machine
			d.Warnings = append(d.Warnings, fmt.Sprintf("there is no database %s (line %d)", t.Path, t.Entry.Line))
		}
	}
	for _, w := range d.Warnings {
		c.log.Warn(w)
	}
	printing := c.result(k.JSON, d, d.table(c.page()))
	if len(wrong) == 0 {
		return printing
	}
	return errors.Join(usage("%w", databases.InFile(k.file(), errors.Join(wrong...))), printing)
}

// describe returns what a task would do. Values are as the file has them: what a
// variable holds may be a secret.
func (t *task) describe(flags map[string]*kong.Flag) taskDocument {
	d := taskDocument{Path: terminal.ValidText(t.Path), Database: terminal.ValidText(t.Name), URL: t.BucketURL(), Line: t.Entry.Line, Settings: map[string]string{}}
	if t.Err != nil {
		d.Error = terminal.ValidText(t.Err.Error())
	}
	for name, flag := range flags {
		if variable := overridden(flag); variable != "" {
			d.Settings[name] = "${" + variable + "}"
		} else if s, ok := t.Entry.Settings[name]; ok {
			d.Settings[name] = strings.Join(s.Written, ", ")
			if flag != nil && flag.Tag.Has("secret") && s.Text() == d.Settings[name] {
				d.Settings[name] = "(secret)"
			}
		}
	}
	return d
}

func (d scheduleDocument) table(p page) string {
	t := p.table(terminal.Column{Title: "DATABASE", Min: 16}, terminal.Column{Title: "BUCKET URL", Min: 20}, terminal.Column{Title: "SETTINGS", Min: 16, Wrap: true})
	for _, entry := range d.Databases {
		var settings []string
		for _, name := range slices.Sorted(maps.Keys(entry.Settings)) {
			settings = append(settings, name+"="+terminal.Quote(entry.Settings[name]))
		}
		t.Row(entry.Path, cmp.Or(entry.URL, "-"), strings.Join(settings, " "))
	}
	return t.Text(p.width)
}
