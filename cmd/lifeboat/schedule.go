package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"
	"github.com/bmatcuk/doublestar/v4"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

// configFlags say which configuration counts, and what is left open in it.
type configFlags struct {
	Config   string `placeholder:"lifeboat.yaml" group:"Many databases" help:"File of databases, where no <db> is given."`
	Host     string `placeholder:"NAME" group:"Many databases" help:"Value of {host} in that file."`
	Parallel int    `placeholder:"N" group:"Many databases" help:"How many of its databases to run at once."`
}

// defaultConfig is looked for in the working directory.
const defaultConfig = "lifeboat.yaml"

const (
	// maxParallel is more than one machine's memory and disks are good for.
	maxParallel = 64
	// lookingParallel is how many series status looks at, where nobody has said
	// anything else: it waits for the store, and needs little memory.
	lookingParallel = 8
)

// Validate implements kong's check.
func (f *configFlags) Validate() error {
	if f.Parallel < 0 || f.Parallel > maxParallel {
		return fmt.Errorf("--parallel must be from 1 to %d", maxParallel)
	}
	return nil
}

func (f *configFlags) file() string { return cmp.Or(f.Config, defaultConfig) }

// A schedule is what a configuration means on this machine, now.
type schedule struct {
	parallel int
	jobs     []*job
	warnings []string
}

// A job is one database of the configuration.
type job struct {
	entry   entry
	path    string
	from    string    // the directory that a pattern was expanded in, "" for none
	name    string    // its own, in the series
	url     bucketURL // none if the template makes none
	command program   // the verb as if DB and BUCKET_URL had been given
	err     error     // why it cannot be run
}

// bucketURL returns the job's bucket URL, "" for none.
func (j *job) bucketURL() string {
	if j.url == (bucketURL{}) {
		return ""
	}
	return j.url.String()
}

// schedule reads the configuration and finds its databases, for backup or
// status. args are a command line of that verb with flags only; they win over
// the environment, and that over the file. The error is about the file as a
// whole; what is wrong with one database is in its job.
func (f *configFlags) schedule(ctx context.Context, c *console, verb string, args []string) (schedule, error) {
	keys, err := fileKeys(ctx, c, verb)
	if err != nil {
		return schedule{}, err
	}
	conf, err := readConfiguration(f.file(), keys)
	if err != nil {
		return schedule{}, err
	}
	usual := 1
	if verb == "status" {
		usual = lookingParallel
	}
	written, _ := strconv.Atoi(conf.parallel.text()) // 0 for none; was checked
	s := schedule{parallel: cmp.Or(f.Parallel, written, usual)}
	var problems []error
	for _, e := range conf.entries {
		command, err := e.command(ctx, c, verb, args)
		if err == nil {
			err = s.add(ctx, e, verb, command, cmp.Or(f.Host, conf.host.text()))
		}
		if err != nil {
			problems = append(problems, err)
		}
	}
	if ctx.Err() != nil {
		return schedule{}, ctx.Err()
	}
	if len(problems) > 0 {
		return schedule{}, inFile(f.file(), errors.Join(problems...))
	}
	refuseMixing(s.jobs)
	return s, nil
}

// add finds the databases of an entry.
func (s *schedule) add(ctx context.Context, e entry, verb string, command program, host string) error {
	names := templateNames{}
	if strings.Contains(e.url.text(), "{host}") {
		var err error
		if names.host, err = hostName(host, inContainer(), os.Hostname); err != nil {
			return problem(e.url.line, "%w", err)
		}
	}
	found, err := matches(ctx, e.path.text(), e.follow)
	if errors.Is(err, doublestar.ErrBadPattern) {
		return problem(e.path.line, "path: %q is not a pattern that can be read", e.path.text())
	}
	if err != nil {
		s.jobs = append(s.jobs, &job{entry: e, path: e.path.text(), err: err})
	} else if len(found.databases) == 0 {
		s.warnings = append(s.warnings, fmt.Sprintf("no database matches %s (line %d)", e.path.text(), e.path.line))
	}
	if len(found.links) > 0 {
		s.warnings = append(s.warnings, fmt.Sprintf("%s (line %d) does not follow symlinks, which leaves out %s: follow-symlinks: true takes them",
			e.path.text(), e.path.line, terminal.SomeOf(found.links)))
	}
	for _, path := range found.databases {
		j := &job{entry: e, path: path, from: found.base, name: cmp.Or(e.settings["name"].text(), filepath.Base(path)), command: command}
		j.url.URL, j.err = j.bucket(names)
		j.command.Status.URL = j.url
		j.command.Backup.DB, j.command.Backup.URL = path, j.url
		if j.err == nil && verb == "backup" {
			j.err = j.command.Backup.Validate()
		}
		if j.err != nil {
			j.err = usage("%w", j.err)
		}
		s.jobs = append(s.jobs, j)
	}
	return nil
}

// bucket returns the bucket URL that the job's template makes.
func (j *job) bucket(names templateNames) (bucket.URL, error) {
	absolute, err := filepath.Abs(j.path)
	if err != nil {
		return bucket.URL{}, err
	}
	names.name, names.dir = j.name, filepath.Base(filepath.Dir(absolute))
	text, err := expandTemplate(j.entry.url.text(), names)
	if err != nil {
		return bucket.URL{}, err
	}
	return bucket.ParseURL(text)
}

// templateNames are what the names in a bucket URL's template stand for.
type templateNames struct{ host, name, dir string }

var templateName = regexp.MustCompile(`\{[^{}]*\}`)

// expandTemplate replaces {host}, {name} and {dir}.
func expandTemplate(template string, n templateNames) (string, error) {
	values := map[string]string{"host": n.host, "name": n.name, "dir": n.dir}
	var wrong error
	expanded := templateName.ReplaceAllStringFunc(template, func(found string) string {
		name := found[1 : len(found)-1]
		value, known := values[name]
		switch {
		case !known:
			wrong = fmt.Errorf("unknown name %s: %s", found, didYouMean(name, []string{"host", "name", "dir"}))
		case strings.Contains(value, "/"):
			wrong = fmt.Errorf("%s would be %q, and one with a slash cannot stand in a bucket URL", found, value)
		}
		if strings.HasPrefix(template, "file:") {
			value = strings.NewReplacer("%", "%25", "?", "%3F", "#", "%23").Replace(value)
		}
		return value
	})
	if strings.ContainsAny(templateName.ReplaceAllString(template, ""), "{}") {
		wrong = fmt.Errorf("a brace without its other half in %q", template)
	}
	return expanded, wrong
}

// hostName returns what {host} stands for. The machine's own name will do
// unless it changes: a series that begins anew with every pod never releases
// a snapshot, and is never found again.
func hostName(chosen string, container bool, machine func() (string, error)) (string, error) {
	const help = "set host in the file, --host or LIFEBOAT_HOST"
	if strings.Contains(chosen, "/") {
		return "", fmt.Errorf("the host %q has a slash in it", chosen)
	}
	if chosen != "" {
		return chosen, nil
	}
	if container {
		return "", errors.New("{host} is left open, and a container's own name changes with each: " + help)
	}
	name, err := machine()
	if err != nil || name == "" || strings.HasPrefix(name, "localhost") {
		return "", errors.New("{host} is left open, and this machine has no name of its own: " + help)
	}
	return name, nil
}

// inContainer tells whether this looks like a container of Kubernetes, Docker
// or Podman.
func inContainer() bool {
	for _, path := range []string{"/.dockerenv", "/run/.containerenv"} {
		if _, err := os.Stat(path); err == nil {
			return true
		}
	}
	return os.Getenv("KUBERNETES_SERVICE_HOST") != "" || os.Getenv("container") != ""
}

// refuseMixing takes out the jobs whose bucket URL is that of another one, or
// lies inside it: rules and prune would not tell one database's snapshots
// from the other's.
func refuseMixing(jobs []*job) {
	at := map[string][]*job{}
	for _, j := range jobs {
		if j.err == nil {
			at[j.bucketURL()] = append(at[j.bucketURL()], j)
		}
	}
	for _, j := range jobs {
		own := j.bucketURL()
		for outer := own; outer != ""; outer = outer[:max(strings.LastIndexByte(outer, '/'), 0)] {
			for _, other := range at[outer] {
				switch {
				case other == j:
				case outer == own:
					j.refuse("is also that of", other)
				default:
					j.refuse("is inside that of", other)
					other.refuse("has inside it that of", j)
				}
			}
		}
	}
}

// refuse gives the first reason why a job cannot be run.
func (j *job) refuse(relation string, other *job) {
	if j.err == nil {
		j.err = usage("its bucket URL %s %s %s (line %d)", j.url, relation, other.path, other.entry.line)
	}
}

// statusKeys are those of a database's settings that status goes by. The others
// are backup's: what it needs, such as a directory or a secret in a variable,
// need not be there where status runs.
var statusKeys = []string{"name", "hold", "max-age"}

// fileKeys returns the flags that a database may set in a configuration: all
// of backup's own but those for the run as a whole, and status' max-age. Those
// that do not matter to the verb are nil.
func fileKeys(ctx context.Context, c *console, verb string) (map[string]*kong.Flag, error) {
	parser, err := new(program).parser(ctx, c)
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

// command parses the entry as a command line of the verb would be: with the
// same kinds, choices and checks.
func (e entry) command(ctx context.Context, c *console, verb string, args []string) (p program, err error) {
	parser, err := p.parser(ctx, c, kong.Resolvers(kong.ResolverFunc(e.resolve)))
	if err != nil {
		return p, err
	}
	if s, ok := e.settings["max-age"]; ok {
		if err := new(duration).UnmarshalText([]byte(s.text())); err != nil {
			return p, problem(s.line, "--max-age: %w", err) // backup has no such flag that would see it
		}
	}
	arguments := []string{"--", e.path.text(), "file:///to/be/set"}
	if verb == "status" {
		arguments = []string{"--", "file:///to/be/set"}
	}
	if _, err = parser.Parse(append(append([]string{}, args...), arguments...)); err != nil {
		text := withoutSecret(strings.TrimPrefix(err.Error(), verb+": "))
		return p, problem(e.lineOf(text), "%s", text)
	}
	if name := p.Backup.Name; name != "" && name != e.settings["name"].text() {
		return p, problem(e.line, "--name or LIFEBOAT_NAME would give all databases of the file one name, %q", name)
	}
	return p, nil
}

// resolve gives kong what the file says, unless the environment says it too.
func (e entry) resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	s, ok := e.settings[flag.Name]
	if !ok || overridden(flag) != "" {
		return nil, nil
	}
	if !s.list {
		return s.text(), nil
	}
	values := []any{}
	for _, v := range s.values {
		values = append(values, v)
	}
	return values, nil
}

// overridden returns the variable that says what a flag is, "" for none.
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
func (e entry) lineOf(text string) int {
	first, _, _ := strings.Cut(text, " ")
	if s, ok := e.settings[strings.Trim(strings.TrimPrefix(first, "--"), ":")]; ok {
		return s.line
	}
	return e.line
}
