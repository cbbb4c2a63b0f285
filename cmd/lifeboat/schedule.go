package main

import (
	"cmp"
	"context"
	"errors"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/databases"
	"github.com/lifeboat-sqlite/lifeboat/snapshot"
)

// lookingParallel is how many series status examines at once by default: it waits
// for the store, and needs little memory.
const lookingParallel = 8

// A schedule is what a configuration means on this machine, now.
type schedule struct {
	parallel int
	tasks    []*task
	warnings []string
}

// A task is one database of the configuration, with the command that runs for it.
type task struct {
	*databases.Database
	command perDatabase // as if DB and BUCKET_URL had been given
}

// perDatabase are the verbs that run for each database of a configuration.
type perDatabase struct {
	globals
	Backup backupCmd `cmd:""`
	Status statusCmd `cmd:""`
}

// newSchedule reads the configuration and finds its databases, for backup or status.
// args are a command line of that verb with flags only; they override the
// environment, and that the file. The error is about the file as a whole; what is
// wrong with one database is in its task.
func newSchedule(ctx context.Context, c *console, f configFlags, verb string, args []string) (schedule, error) {
	keys, err := fileKeys(ctx, c, verb)
	if err != nil {
		return schedule{}, err
	}
	file, err := databases.Read(f.file(), keys)
	if err != nil {
		return schedule{}, usage("%w", err)
	}
	usual := 1
	if verb == "status" {
		usual = lookingParallel
	}
	s := schedule{parallel: cmp.Or(f.Parallel, file.Parallel, usual)}
	var problems []error
	for _, e := range file.Entries {
		command, err := commandFor(ctx, c, e, verb, args)
		if err == nil {
			err = s.add(ctx, e, verb, command, cmp.Or(f.Host, file.Host))
		}
		if err != nil {
			problems = append(problems, err)
		}
	}
	if ctx.Err() != nil {
		return schedule{}, ctx.Err()
	}
	if len(problems) > 0 {
		return schedule{}, usage("%w", databases.InFile(f.file(), errors.Join(problems...)))
	}
	s.refuseMixing()
	return s, nil
}

// add adds the databases of an entry.
func (s *schedule) add(ctx context.Context, e databases.Entry, verb string, command perDatabase, host string) error {
	found, warnings, err := e.Find(ctx, host)
	if err != nil {
		return err
	}
	s.warnings = append(s.warnings, warnings...)
	for _, d := range found {
		t := &task{d, command}
		t.command.Status.URL = bucketURL{d.URL}
		t.command.Backup.DB, t.command.Backup.URL = d.Path, bucketURL{d.URL}
		if d.Err == nil && verb == "backup" {
			d.Err = t.command.Backup.Validate()
		}
		s.tasks = append(s.tasks, t)
	}
	return nil
}

// refuseMixing gives an error to the tasks whose snapshots would mix. Then all
// errors of tasks are of usage, except those of databases that could not be read.
func (s *schedule) refuseMixing() {
	var all []*databases.Database
	for _, t := range s.tasks {
		all = append(all, t.Database)
	}
	databases.RefuseMixing(all)
	for _, d := range all {
		if d.Err != nil && !errors.Is(d.Err, snapshot.ErrSource) {
			d.Err = usage("%w", d.Err)
		}
	}
}

// statusKeys are the settings of a database that status uses. What the others
// need, such as a directory or a secret in a variable, need not exist where status
// runs.
var statusKeys = []string{"name", "hold", "max-age"}

// fileKeys returns the flags that a database may set in a configuration: all of
// backup's own but those for the run as a whole, and max-age of status. Those that
// the verb does not use are nil.
func fileKeys(ctx context.Context, c *console, verb string) (map[string]*kong.Flag, error) {
	parser, err := newParser(ctx, c, &perDatabase{})
	if err != nil {
		return nil, err
	}
	keys := map[string]*kong.Flag{}
	for _, command := range parser.Model.Children {
		for _, flag := range command.Flags {
			switch {
			case slices.Contains([]string{"config", "host", "parallel", "json"}, flag.Name):
			case command.Name == "backup", command.Name == "status" && flag.Name == "max-age":
				keys[flag.Name] = flag
				if verb == "status" && !slices.Contains(statusKeys, flag.Name) {
					keys[flag.Name] = nil
				}
			}
		}
	}
	return keys, nil
}

// commandFor parses an entry as if it were a command line of the verb: with the
// same types, enums and checks.
func commandFor(ctx context.Context, c *console, e databases.Entry, verb string, args []string) (p perDatabase, err error) {
	parser, err := newParser(ctx, c, &p, kong.Resolvers(settings(e)))
	if err != nil {
		return p, err
	}
	if s, ok := e.Settings["max-age"]; ok {
		if err := new(duration).UnmarshalText([]byte(s.Text())); err != nil {
			return p, databases.Problem(s.Line, "--max-age: %w", err) // backup has no such flag
		}
	}
	arguments := []string{"--", e.Path.Text(), "file:///to/be/set"}
	if verb == "status" {
		arguments = []string{"--", "file:///to/be/set"}
	}
	if _, err = parser.Parse(append(append([]string{}, args...), arguments...)); err != nil {
		text := withoutSecret(strings.TrimPrefix(err.Error(), verb+": "))
		return p, databases.Problem(lineOf(e, text), "%s", text)
	}
	if name := p.Backup.Name; name != "" && name != e.Settings["name"].Text() {
		return p, databases.Problem(e.Line, "--name or LIFEBOAT_NAME would give all databases of the file one name, %q", name)
	}
	return p, nil
}

// settings gives kong the values of an entry, except where the environment
// overrides them.
func settings(e databases.Entry) kong.ResolverFunc {
	return func(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
		s, ok := e.Settings[flag.Name]
		if !ok || overridden(flag) != "" {
			return nil, nil
		}
		if !s.List {
			return s.Text(), nil
		}
		values := []any{}
		for _, v := range s.Values {
			values = append(values, v)
		}
		return values, nil
	}
}

// overridden returns the environment variable that sets a flag, "" for none.
func overridden(flag *kong.Flag) string {
	for _, name := range flag.Envs {
		if os.Getenv(name) != "" {
			return name
		}
	}
	return ""
}

// lineOf returns the line of the setting that kong's error begins with, or
// that of the entry.
func lineOf(e databases.Entry, text string) int {
	first, _, _ := strings.Cut(text, " ")
	if s, ok := e.Settings[strings.Trim(strings.TrimPrefix(first, "--"), ":")]; ok {
		return s.Line
	}
	return e.Line
}
