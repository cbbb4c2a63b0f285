package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	"golang.org/x/sync/errgroup"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/databases"
	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// A configurable command takes one bucket URL, or works on databases of a
// configuration.
type configurable interface {
	Run(context.Context, *console) error
	// which returns the flags that say which databases.
	which() *onlyFlags
	// patience returns how long to retry a store.
	patience() time.Duration
	// take has the command work on a database, as if its bucket URL had been given.
	take(d *databases.Database) error
}

func (f *onlyFlags) which() *onlyFlags { return f }

func (s *seriesFlags) patience() time.Duration   { return time.Duration(s.RetryFor) }
func (s *snapshotFlags) patience() time.Duration { return time.Duration(s.RetryFor) }

func (s *seriesFlags) take(d *databases.Database) error {
	s.URL = bucketURL{d.URL}
	return nil
}

func (s *snapshotFlags) take(d *databases.Database) error {
	s.URL = snapshotURL{bucketURL: bucketURL{d.URL}}
	return nil
}

// A chooser finds the databases of a configuration that a command other than backup
// and status works on: those on this machine, and those that are gone and have a series.
type chooser struct {
	console  *console
	flags    *onlyFlags
	patience time.Duration
	host     string
	warnings []string

	listed  map[bucket.URL]listing       // below the roots of entries, so that each is listed once
	folders map[*databases.Database]bool // gone: a folder is all that is known of its series

	unlooked     bool // for databases that are gone, of an entry at least
	hereSuffices bool // a listing that fails is a warning: all that is named is here
}

// A listing is the series below a place.
type listing struct {
	flat    bool // as that of the origin
	folders bool // urls are folders, and whether they have snapshots is not known
	urls    []bucket.URL
	err     error
}

func newChooser(c *console, f *onlyFlags, patience time.Duration, host string) *chooser {
	return &chooser{console: c, flags: f, patience: patience, host: host, listed: map[bucket.URL]listing{}, folders: map[*databases.Database]bool{}}
}

// choose returns the schedule of a command: which databases of the configuration, and
// the command for each. parsed is the command line args, in which noURL stands for the
// bucket URL.
func choose(ctx context.Context, c *console, parsed *kong.Context, args []string) (schedule, error) {
	command := commandOn(parsed)
	f := command.which()
	file, err := f.read(ctx, c, usedByCommand(parsed.Selected()))
	if err != nil {
		return schedule{}, err
	}
	x := newChooser(c, f, command.patience(), cmp.Or(f.Host, file.Host))
	found, err := x.find(ctx, file.Entries)
	if err != nil {
		return schedule{}, err
	}
	s := schedule{parallel: file.Parallel, warnings: x.warnings, found: len(found), host: file.HostName(x.host), unlooked: x.unlooked}
	commands := &perEntry{ctx: ctx, console: c, args: args, parsed: map[string]configurable{}}
	for _, d := range found {
		own, err := commands.of(d)
		if err != nil {
			return s, usage("%w", databases.InFile(f.file(), err))
		}
		s.tasks = append(s.tasks, &task{Database: d, other: own})
	}
	return s, nil
}

// commandOn returns the command of a command line, nil if it takes no configuration.
func commandOn(parsed *kong.Context) configurable {
	command, _ := parsed.Selected().Target.Addr().Interface().(configurable)
	return command
}

// find returns the databases that the flags mean.
func (x *chooser) find(ctx context.Context, entries []databases.Entry) ([]*databases.Database, error) {
	var here []*databases.Database
	for _, e := range entries {
		found, warnings, err := e.Find(ctx, x.host)
		if err != nil {
			return nil, x.wrong(err)
		}
		here = append(here, found...)
		x.warnings = append(x.warnings, warnings...)
	}
	claimed := databases.Claimed(here)
	here = slices.DeleteFunc(here, func(d *databases.Database) bool { return claimed[d] })
	databases.RefuseMixing(here)
	for _, d := range here {
		if errors.Is(d.Err, snapshot.ErrSource) && d.BucketURL() != "" {
			d.Err = nil // what is wrong with the file is wrong for a backup alone
		}
	}
	if len(x.flags.Only) == 0 {
		all, err := x.withGone(ctx, entries, here)
		return x.withoutEmpty(ctx, all), err
	}
	met, missed := databases.Only(here, x.flags.Only)
	if len(missed) == 0 && databases.ArePlaces(here, x.flags.Only) {
		return met, nil
	}
	x.hereSuffices = len(missed) == 0 && databases.AreNames(x.flags.Only)
	all, err := x.withGone(ctx, entries, here)
	if err != nil {
		return nil, err
	}
	met, _ = databases.Only(all, x.flags.Only)
	if met, missed = databases.Only(x.withoutEmpty(ctx, met), x.flags.Only); len(missed) > 0 {
		return nil, x.nothingMet(missed, x.withoutEmpty(ctx, all))
	}
	return met, ctx.Err()
}

// withoutEmpty returns the databases without those that are gone and whose folder has no
// snapshot: it is not ours. One whose folder cannot be read stays.
func (x *chooser) withoutEmpty(ctx context.Context, all []*databases.Database) []*databases.Database {
	empty := make([]bool, len(all))
	var group errgroup.Group
	group.SetLimit(lookingParallel)
	for i, d := range all {
		if x.folders[d] {
			group.Go(func() error {
				empty[i] = x.isEmpty(ctx, d.URL)
				return nil
			})
		}
	}
	_ = group.Wait() // none returns an error
	var left []*databases.Database
	for i, d := range all {
		if !empty[i] {
			left = append(left, d)
		}
	}
	return left
}

// isEmpty reports whether a place is known to have no snapshot.
func (x *chooser) isEmpty(ctx context.Context, u bucket.URL) bool {
	b, err := seriesFlags{bucketURL{u}, duration(x.patience)}.open(ctx, x.console, upload.Options{})
	if err != nil {
		return false
	}
	found, _, err := series.Tail(ctx, b)
	return err == nil && len(found) == 0
}

// withGone returns the databases with those that are not on this machine. They stand
// behind the others of their entry, in the order of their bucket URLs.
func (x *chooser) withGone(ctx context.Context, entries []databases.Entry, here []*databases.Database) ([]*databases.Database, error) {
	known := map[string]bool{}
	for _, d := range here {
		known[d.BucketURL()] = true
	}
	var all []*databases.Database
	for _, e := range entries {
		own := slices.DeleteFunc(slices.Clone(here), func(d *databases.Database) bool { return d.Entry.Index != e.Index })
		origin, ok, err := e.Origin(x.host)
		if err != nil {
			return nil, x.wrong(err)
		}
		if !ok {
			all = append(all, own...)
			continue
		}
		x.warnings = slices.DeleteFunc(x.warnings, func(w string) bool { return w == e.NoneFound() }) // here
		below := x.below(ctx, origin)
		if below.err != nil && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if below.err != nil && !x.hereSuffices && !slices.ContainsFunc(own, func(d *databases.Database) bool { return d.Err == nil }) {
			return nil, fmt.Errorf("look for the series of %s (line %d): %w", e.Path.Text(), e.Line, below.err)
		}
		if below.err != nil {
			x.unlooked = x.unlooked || !x.hereSuffices
			x.warnings = append(x.warnings, fmt.Sprintf("databases of %s (line %d) that are gone are not looked for: %s", e.Path.Text(), e.Line, terminal.OneLine(below.err)))
		}
		own = slices.DeleteFunc(own, func(d *databases.Database) bool { return d.BucketURL() == "" && errors.Is(d.Err, snapshot.ErrSource) })
		for _, u := range below.urls {
			if d, is := origin.Database(u); is && !known[u.String()] {
				known[u.String()] = true
				x.folders[d] = below.folders
				own = append(own, d)
			}
		}
		all = append(all, own...)
	}
	return all, nil
}

// below lists the series below an entry's root: by one listing of its folders, where
// they are the series.
func (x *chooser) below(ctx context.Context, o databases.Origin) listing {
	if found, ok := x.listed[o.Root]; ok && found.flat == o.Flat {
		return found
	}
	found := listing{flat: o.Flat}
	b, err := seriesFlags{bucketURL{o.Root}, duration(x.patience)}.open(ctx, x.console, upload.Options{})
	if err != nil {
		found.err = err
		return found
	}
	if tree, ok := bucket.As[bucket.Tree](b); ok && o.Flat {
		found.folders = true
		for folder, err := range tree.Folders(ctx) {
			if err != nil {
				found.err = err
				break
			}
			found.urls = append(found.urls, o.Below(folder))
		}
	} else {
		for s, err := range series.Below(ctx, b) {
			if err != nil {
				found.err = err
				break
			}
			found.urls = append(found.urls, s.URL)
		}
	}
	if errors.Is(found.err, bucket.ErrNotFound) { // a directory that is not there has none
		found.err = nil
	}
	slices.SortFunc(found.urls, func(a, b bucket.URL) int { return strings.Compare(a.String(), b.String()) })
	x.listed[o.Root] = found
	return found
}

func (x *chooser) wrong(err error) error {
	return usage("%w", databases.InFile(x.flags.file(), err))
}

// nothingMet is the error for words that meet no database.
func (x *chooser) nothingMet(missed []string, all []*databases.Database) error {
	known := "it has none"
	if len(all) > 0 {
		known = "it has " + terminal.SomeOf(labels(all))
	}
	err := usage("--only %s meets no database of %s, here or in the bucket: %s", strings.Join(missed, " --only "), x.flags.file(), known)
	if x.host == "" && slices.ContainsFunc(all, func(d *databases.Database) bool { return strings.Contains(d.Entry.URL.Text(), "{host}") }) || x.host == "" && len(all) == 0 {
		return &hinted{err, "{host} in a bucket URL is this machine's name; --host NAME sets that of the machine that made the backups"}
	}
	return err
}

// labels returns what tells databases apart: the path, and the bucket URL where the path
// is not known or not the only one.
func labels(all []*databases.Database) []string {
	count := map[string]int{}
	for _, d := range all {
		count[d.Path]++
	}
	var names []string
	for _, d := range all {
		name := d.Path
		if name == "" || count[name] > 1 {
			name = cmp.Or(d.BucketURL(), name)
		}
		names = append(names, name)
	}
	return names
}

// perEntry parses a command line for databases, once for all with the same settings.
type perEntry struct {
	ctx     context.Context
	console *console
	args    []string
	parsed  map[string]configurable
}

// of returns the command for a database, with a copy of its own.
func (p *perEntry) of(d *databases.Database) (configurable, error) {
	key := p.key(d.Entry)
	command, ok := p.parsed[key]
	if !ok {
		parser, err := newParser(p.ctx, p.console, &program{}, kong.Resolvers(settingsOf(d.Entry)))
		if err != nil {
			return nil, err
		}
		parsed, err := parser.Parse(p.args)
		if err != nil {
			return nil, inEntry(d.Entry, "", err)
		}
		command = commandOn(parsed)
		p.parsed[key] = command
	}
	own := reflect.New(reflect.TypeOf(command).Elem())
	own.Elem().Set(reflect.ValueOf(command).Elem())
	command = own.Interface().(configurable)
	return command, nil
}

// key returns the settings of an entry as one text.
func (p *perEntry) key(e databases.Entry) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(e.Settings)) {
		fmt.Fprintf(&b, "%q=%q ", name, e.Settings[name].Values)
	}
	return b.String()
}
