package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/databases"
	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/reports"
	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
	"github.com/lifeboat-sqlite/lifeboat/snapshot"
)

// lookingParallel is how many series status examines at once by default: it waits
// for the store, and needs little memory.
const lookingParallel = 8

// A schedule is what a configuration means on this machine, now.
type schedule struct {
	parallel int
	found    int     // databases, in all shards
	tasks    []*task // of this shard
	entries  []entry
	warnings []string
	host     string          // what {host} stands for, "" where that is not known
	report   *reports.Report // of the run, nil if the command has none
	unlooked bool            // some databases may be gone from here, and nobody could look for them
}

// An entry is one of the configuration, with the command for its databases.
type entry struct {
	databases.Entry
	command perDatabase
}

// A task is one database of the configuration, with the command that runs for it.
type task struct {
	*databases.Database
	command perDatabase  // of backup and status, as if DB and BUCKET_URL had been given
	other   configurable // of another verb
	gone    bool         // status: no database here has the series
}

// perDatabase are the verbs that run for each database of a configuration, and what
// others use of its settings.
type perDatabase struct {
	globals
	Backup backupCmd     `cmd:""`
	Status statusCmd     `cmd:""`
	Other  otherSettings `cmd:""`
}

// newSchedule reads the configuration and finds its databases, for backup or status.
// args are a command line of that verb with flags only; they override the
// environment, and that the file. The error is about the file as a whole; what is
// wrong with one database is in its task.
func newSchedule(ctx context.Context, c *console, f configFlags, verb string, args []string) (schedule, error) {
	file, err := f.read(ctx, c, usedBy(verb))
	if err != nil {
		return schedule{}, err
	}
	usual := 1
	if verb == "status" {
		usual = lookingParallel
	}
	s := schedule{parallel: cmp.Or(int(f.Parallel), file.Parallel, usual)}
	host := cmp.Or(f.Host, file.Host)
	s.host = file.HostName(host)
	var problems []error
	parsed := commands{}
	for _, e := range file.Entries {
		command, err := parsed.of(e, func() (perDatabase, error) {
			return commandFor(ctx, c, e, verb, withArguments(args, e, verb, f.one))
		})
		if err == nil {
			s.warnOfAge(e, command.Backup)
			s.entries = append(s.entries, entry{e, command})
			err = s.add(ctx, c, e, verb, command, host)
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
	s.tellApart()
	if verb == "status" {
		if err := s.addGone(ctx, c, &f.onlyFlags, host); err != nil {
			return schedule{}, err
		}
	}
	if f.one != "" {
		err = s.keepOnly(f)
	} else if len(f.Only) > 0 {
		err = s.keepMet(f.onlyFlags)
	}
	s.found = len(s.tasks)
	s.tasks = slices.DeleteFunc(s.tasks, func(t *task) bool { return !f.Shard.has(t.place()) })
	return s, err
}

// read reads the configuration. The settings of its databases that the command does not
// use are left out.
func (f *onlyFlags) read(ctx context.Context, c *console, uses func(key string) bool) (databases.File, error) {
	keys, err := fileKeys(ctx, c, uses)
	if err == nil && f.Config == "" {
		err = trusted(f.file())
	}
	if err != nil {
		return databases.File{}, err
	}
	file, err := databases.Read(f.file(), keys)
	if err != nil {
		return file, usage("%w", err)
	}
	return file, mayCommand(file)
}

// keepOnly keeps the tasks of the database that an argument names, by its path or its
// name.
func (s *schedule) keepOnly(f configFlags) error {
	wanted, err := filepath.Abs(f.one)
	if err != nil {
		return err
	}
	var all []string
	isOther := func(t *task) bool {
		all = append(all, t.Path)
		path, err := filepath.Abs(t.Path)
		return (err != nil || path != wanted) && t.Name != f.one
	}
	if s.tasks = slices.DeleteFunc(s.tasks, isOther); len(s.tasks) == 0 {
		return &hinted{usage("%s is none of the databases in %s: %s", f.one, f.file(), terminal.SomeOf(all)), "for another one: lifeboat backup DB BUCKET_URL"}
	}
	return nil
}

// add adds the databases of an entry.
func (s *schedule) add(ctx context.Context, c *console, e databases.Entry, verb string, command perDatabase, host string) error {
	found, others, warnings, err := e.FindWithOthers(ctx, host)
	if err != nil {
		return err
	}
	for d := range others {
		if verb == "backup" && command.Backup.wasBackedUp(ctx, c, d) {
			d.Err = fmt.Errorf("%w: it was backed up before, and no longer begins as an SQLite database does", snapshot.ErrSource)
			found = append(found, d)
		}
	}
	s.warnings = append(s.warnings, warnings...)
	for _, d := range found {
		t := &task{Database: d, command: command}
		t.command.Status.URL, t.command.Status.name, t.command.Status.db = bucketURL{d.URL}, d.Name, d.Path
		t.command.Backup.DB, t.command.Backup.URL, t.command.Backup.Name = d.Path, bucketURL{d.URL}, d.Name
		t.placeCopy()
		if d.Err == nil && verb == "backup" {
			d.Err = t.command.Backup.Validate()
		}
		s.tasks = append(s.tasks, t)
	}
	return nil
}

// tellApart leaves out the databases that another entry has, and gives an error to the
// tasks that meet in one file or whose snapshots would mix. Then all errors of tasks are
// of usage, except those of databases that could not be read.
func (s *schedule) tellApart() {
	claimed := databases.Claimed(s.databases())
	s.tasks = slices.DeleteFunc(s.tasks, func(t *task) bool { return claimed[t.Database] })
	all := s.databases()
	databases.RefuseLinked(all)
	databases.RefuseMixing(all)
	for _, d := range all {
		if d.Err != nil && !errors.Is(d.Err, snapshot.ErrSource) {
			d.Err = usage("%w", d.Err)
		}
	}
}

func (s *schedule) databases() []*databases.Database {
	var all []*databases.Database
	for _, t := range s.tasks {
		all = append(all, t.Database)
	}
	return all
}

// withArguments returns a command line of the verb for an entry. One that names a
// database has that in it.
func withArguments(args []string, e databases.Entry, verb, one string) []string {
	const url = "file:///to/be/set"
	switch {
	case one != "":
		return append(slices.Clone(args), url)
	case verb == "status":
		return append(slices.Clone(args), "--", url)
	}
	return append(slices.Clone(args), "--", e.Path.Text(), url)
}

// commands are those of entries with the same settings, but for their names: to parse
// one takes a millisecond, and a file may have ten thousand entries.
type commands map[string]perDatabase

// of returns an entry's command, which parse returns for the first of its like.
func (c commands) of(e databases.Entry, parse func() (perDatabase, error)) (perDatabase, error) {
	var key strings.Builder
	for _, name := range slices.Sorted(maps.Keys(e.Settings)) {
		if name != "name" {
			fmt.Fprintf(&key, "%s %v %q\n", name, e.Settings[name].List, e.Settings[name].Values)
		}
	}
	command, known := c[key.String()]
	if !known {
		var err error
		if command, err = parse(); err != nil {
			return command, err
		}
		c[key.String()] = command
	}
	command.Backup.Name = e.Settings["name"].Text()
	return command, nil
}

// warnOfAge warns if status would call a database too old that no run has to confirm.
func (s *schedule) warnOfAge(e databases.Entry, b backupCmd) {
	limit := e.Settings["max-age"]
	var age duration
	if limit.Text() == "" || age.UnmarshalText([]byte(limit.Text())) != nil || age > b.ConfirmEvery {
		return
	}
	text := fmt.Sprintf("line %d: max-age %s is not longer than confirm-every %s: status will report unchanged databases as too old", limit.Line, limit.Text(), time.Duration(b.ConfirmEvery))
	if !slices.Contains(s.warnings, text) {
		s.warnings = append(s.warnings, text)
	}
}

// commandFor parses an entry as if it were a command line of the verb: with the
// same types, enums and checks.
func commandFor(ctx context.Context, c *console, e databases.Entry, verb string, args []string) (p perDatabase, err error) {
	parser, err := newParser(ctx, c, &p, kong.Resolvers(settingsOf(e)))
	if err != nil {
		return p, err
	}
	if err := checkOthers(parser, e); err != nil {
		return p, err
	}
	if _, err = parser.Parse(args); err != nil {
		return p, inEntry(e, verb, err)
	}
	if verb == "backup" {
		if err := p.Backup.ofOne(e.Settings); err != nil {
			return p, inEntry(e, verb, err)
		}
	}
	if name := p.Backup.Name; name != "" && name != e.Settings["name"].Text() {
		return p, databases.Problem(e.Line, "--name or LIFEBOAT_NAME would give all databases of the file one name, %q", name)
	}
	return p, nil
}
