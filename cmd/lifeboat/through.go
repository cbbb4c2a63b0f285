package main

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/databases"
	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/reports"
	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
)

// noURL stands where a configuration gives the bucket URL, and ownPath where it gives
// the file to restore to.
const (
	noURL   = "file:///to/be/set"
	ownPath = "\x00"
)

// throughConfiguration returns the arguments of a command that takes a bucket URL, with
// noURL in its place if a configuration gives it: one is named by a flag, and no bucket
// URL is. LIFEBOAT_CONFIG alone counts where nothing else is given.
func throughConfiguration(root *kong.Node, args []string) (through []string, is bool, err error) {
	l := readLine(root, append(slices.Clone(args), ""))
	place := slices.IndexFunc(l.node.Positional, func(p *kong.Positional) bool { return takesURL(p.Target.Type()) })
	if place < 0 || l.flagNamed("--only") == nil {
		return args, false, nil
	}
	needsURL := place == 0 && l.node.Positional[0].Required // backup and status read the configuration themselves
	named, ofFile := "", ""
	for _, flag := range l.given {
		if slices.Contains([]string{"host", "parallel", "shard"}, flag.Name) {
			ofFile = flag.Name
		}
		if flag.Name == "config" || flag.Name == "only" || flag.Name == "all" && len(flag.Envs) == 0 {
			named = flag.Name
		}
	}
	switch {
	case len(l.words) > place && isURL(l.words[place]):
		if named == "config" && needsURL || named == "only" {
			return args, false, usage("--%s names databases, and a bucket URL is one: choose", named)
		}
		if ofFile != "" {
			return args, false, usage("--%s is for the databases of a file, and a bucket URL is one: choose", ofFile)
		}
		return args, false, nil
	case !needsURL, named == "" && (len(l.words) > 0 || os.Getenv(envPrefix+"_CONFIG") == ""):
		return args, false, nil
	}
	at := behindCommand(root, args)
	through = slices.Insert(slices.Clone(args), at, noURL)
	if positional := l.node.Positional; len(l.words) == 0 && len(positional) > 1 && positional[1].Required && positional[1].Name == "db" {
		through = slices.Insert(through, at+1, ownPath)
	}
	return through, true, nil
}

// behindCommand returns how many arguments there are up to the words of the command.
func behindCommand(node *kong.Node, args []string) int {
	end := 0
	for i, arg := range args {
		for _, child := range node.Children {
			if child.Name == arg {
				node, end = child, i+1
				break
			}
		}
	}
	return end
}

// overSeveral are the commands that work on several databases in one run.
type overSeveral interface {
	configurable
	// several reports whether this command line means several, however many the
	// configuration has.
	several() bool
	// runAll runs the command for all of them.
	runAll(ctx context.Context, c *console, s *schedule) error
	// atOnce returns how many to run at once.
	atOnce(inFile int) int
	// partOf reports whether a series is in the shard that the command is about.
	partOf(url string) bool
}

// overConfiguration runs a command for the databases that a configuration names, and
// reports the run if the command has reports.
func overConfiguration(ctx context.Context, c *console, parsed *kong.Context, args []string) (err error) {
	command := commandOn(parsed)
	reporting, ok := command.(reporting)
	if many, is := command.(overSeveral); !ok || !is || !many.several() {
		return overChosen(ctx, c, parsed, args, nil)
	}
	verb, to, over := reporting.reportsOfRun()
	report, c, err := to.startRun(ctx, c, verb, over)
	if err != nil {
		return err
	}
	defer func() { err = report.End(ctx, err) }()
	defer recovered(&err)
	return overChosen(ctx, c, parsed, args, report)
}

// overChosen runs a command for the databases that are chosen. The report is that of the
// run, nil for a command without.
func overChosen(ctx context.Context, c *console, parsed *kong.Context, args []string, report *reports.Report) error {
	command := commandOn(parsed)
	f := command.which()
	s, err := choose(ctx, c, parsed, args)
	if errors.Is(err, fs.ErrNotExist) && f.Config == "" {
		return usage("--only names databases of a file, and %s: add --config FILE", noConfig())
	}
	if err != nil {
		return err
	}
	for _, w := range s.warnings {
		c.log.Warn(w)
	}
	if len(s.tasks) == 0 {
		return errNoneFound
	}
	if tree, ok := command.(interface{ together() error }); ok {
		if err := tree.together(); err != nil {
			return err
		}
	}
	if r, ok := command.(*restoreCmd); ok {
		r.tellApart(c, &s) // before the shards
	}
	if many, ok := command.(overSeveral); ok && many.several() {
		s.parallel = many.atOnce(s.parallel)
		s.tasks = slices.DeleteFunc(s.tasks, func(t *task) bool { return !many.partOf(t.place()) })
		s.report = report
		return many.runAll(ctx, c, &s)
	}
	if len(s.tasks) > 1 {
		return f.notOne(&s, commandOf(parsed.Selected()))
	}
	return s.tasks[0].run(ctx, c)
}

// notOne is the error of a command that works on one database and was given several.
func (f *onlyFlags) notOne(s *schedule, verb string) error {
	names := terminal.SomeOf(labels(s.databases()))
	if len(f.Only) == 0 {
		return &hinted{usage("%s names %d databases, and %s works on one: %s", f.file(), len(s.tasks), verb, names), "--only NAME chooses one"}
	}
	return usage("--only %s meets %d databases of %s, and %s works on one: %s", strings.Join(f.Only, " --only "), len(s.tasks), f.file(), verb, names)
}

// run runs the command of another verb than backup and status.
func (t *task) run(ctx context.Context, c *console) (err error) {
	defer recovered(&err)
	if t.Err != nil {
		return usage("%s: %w", t.label(), t.Err)
	}
	if err := t.other.take(t.Database); err != nil {
		return err
	}
	return t.other.Run(ctx, c)
}

// place is what the task's shard follows from: the bucket URL, or the path if there is
// none.
func (t *task) place() string { return cmp.Or(t.BucketURL(), t.Path) }

// label names a database: by its path, or by its bucket URL if that is not known.
func (t *task) label() string {
	if t.Path == "" {
		return t.BucketURL()
	}
	return t.Path
}

// keepMet keeps the tasks of the databases that --only meets.
func (s *schedule) keepMet(f onlyFlags) error {
	all := s.databases()
	met, missed := databases.Only(all, f.Only)
	if len(missed) > 0 {
		return usage("--only %s meets none of the databases in %s: %s", strings.Join(missed, " --only "), f.file(), terminal.SomeOf(labels(all)))
	}
	s.tasks = slices.DeleteFunc(s.tasks, func(t *task) bool { return !slices.Contains(met, t.Database) })
	return nil
}
