package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/agnivade/levenshtein"
	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v4"
)

// A configuration is a file that names many databases, as it is written. What
// becomes of it on this machine is a schedule.
type configuration struct {
	host     setting // what {host} stands for; may be unset
	parallel setting // may be unset
	entries  []entry
}

// An entry is one of the file's databases, with the defaults filled in.
type entry struct {
	line     int
	path     setting // of one database, or a pattern
	url      setting // a template
	follow   bool    // a pattern's matches may be symlinks
	settings map[string]setting
}

// A setting is a value in the file. All are text here: what a flag's text
// means, its kind decides.
type setting struct {
	line    int
	written []string // as in the file
	values  []string // with the environment's variables in place
	list    bool
}

// text returns the value of a setting that is no list.
func (s setting) text() string { return strings.Join(s.values, "\n") }

// followKey lets a pattern match symlinks.
const followKey = "follow-symlinks"

// The keys of the file beside those that are flags.
var (
	topKeys   = []string{"host", "parallel", "defaults", "databases"}
	entryKeys = []string{"path", "url", followKey}
)

// parseConfiguration reads a configuration. The flags are those that a
// database may set, by their names; of one that is nil the value is not looked
// at. The error names all that is wrong, each with its line.
func parseConfiguration(text []byte, flags map[string]*kong.Flag, environment func(string) string) (configuration, error) {
	var document yaml.Node
	if err := yaml.Load(text, &document); err != nil {
		return configuration{}, syntaxError(err)
	}
	r := &configReader{flags: flags, environment: environment}
	c := r.configuration(document.Content[0])
	slices.SortStableFunc(r.problems, func(a, b error) int { return lineOf(a) - lineOf(b) })
	return c, errors.Join(r.problems...)
}

// syntaxError puts the line of an error in front, as it stands in all others.
func syntaxError(err error) error {
	var bad *yaml.LoadError
	if errors.As(err, &bad) && bad.Mark.Line > 0 {
		return problem(bad.Mark.Line, "this is not YAML: %s", bad.Message)
	}
	return problem(1, "this is not one YAML document")
}

// A lineError is about a line of the configuration.
type lineError struct {
	line  int
	cause error
}

func (e *lineError) Error() string { return fmt.Sprintf("line %d: %v", e.line, e.cause) }
func (e *lineError) Unwrap() error { return e.cause }

func problem(line int, format string, args ...any) error {
	return &lineError{line, fmt.Errorf(format, args...)}
}

func lineOf(err error) int { return err.(*lineError).line }

// A configReader collects what is wrong, so that one run shows all of it.
type configReader struct {
	flags       map[string]*kong.Flag
	environment func(string) string
	problems    []error
}

func (r *configReader) wrong(line int, format string, args ...any) {
	r.problems = append(r.problems, problem(line, format, args...))
}

func (r *configReader) configuration(root *yaml.Node) (c configuration) {
	top := r.mapping(root, func(key string) string {
		if _, ok := r.flags[key]; ok || slices.Contains(entryKeys, key) {
			return "it belongs under defaults, or to a database"
		}
		return didYouMean(key, topKeys)
	}, topKeys)
	if host := top["host"]; host != nil {
		c.host = r.setting(host, false)
	}
	if parallel := top["parallel"]; parallel != nil {
		c.parallel = r.setting(parallel, false)
		if n, err := strconv.Atoi(c.parallel.text()); len(c.parallel.values) > 0 && (err != nil || n < 1 || n > maxParallel) {
			r.wrong(parallel.Line, "parallel: %q is not a number from 1 to %d", c.parallel.text(), maxParallel)
		}
	}
	defaults := map[string]setting{}
	if node := top["defaults"]; node != nil && !isNull(node) {
		defaults = r.settings(node, "url", followKey)
	}
	databases := top["databases"]
	switch {
	case databases == nil || isNull(databases):
		r.wrong(root.Line, "databases is missing: a list, each with a path and a url")
	case databases.Kind != yaml.SequenceNode:
		r.wrong(databases.Line, "databases is not a list: each begins with a dash")
	default:
		for _, node := range databases.Content {
			c.entries = append(c.entries, r.entry(resolved(node), defaults))
		}
	}
	return c
}

func (r *configReader) entry(node *yaml.Node, defaults map[string]setting) entry {
	before := len(r.problems)
	settings := maps.Clone(defaults)
	maps.Copy(settings, r.settings(node, entryKeys...))
	e := entry{line: node.Line, path: settings["path"], url: settings["url"], settings: settings}
	delete(settings, "path")
	delete(settings, "url")
	e.follow = r.follow(settings[followKey], e.path)
	delete(settings, followKey)
	if len(r.problems) > before {
		return e // a missing key may be the one that is misspelt
	}
	if e.path.line == 0 {
		r.wrong(node.Line, "path is missing: a database, or a pattern such as /srv/*.db")
	}
	if e.url.line == 0 {
		r.wrong(node.Line, "url is missing: a bucket URL such as s3://backups/{host}/{name}")
	}
	if _, err := expandTemplate(e.url.text(), templateNames{}); err != nil {
		r.wrong(e.url.line, "url: %w", err)
	}
	return e
}

// follow reads follow-symlinks. A pattern with ** never follows symlinks:
// two of them to their own directory would make its search endless.
func (r *configReader) follow(s, path setting) bool {
	switch s.text() {
	case "", "false":
		return false
	case "true":
	default:
		r.wrong(s.line, "%s: %q is neither true nor false", followKey, s.text())
	}
	if strings.Contains(path.text(), "**") {
		r.wrong(path.line, "path: ** never follows symlinks: set %s: false for this database, or name each level with *", followKey)
	}
	return true
}

// settings reads the flags in a mapping, and the other keys that may be there.
func (r *configReader) settings(node *yaml.Node, others ...string) map[string]setting {
	known := append(slices.Sorted(maps.Keys(r.flags)), others...)
	found := map[string]setting{}
	for key, value := range r.mapping(node, func(key string) string { return didYouMean(key, known) }, known) {
		flag, isFlag := r.flags[key]
		if isFlag && flag == nil {
			continue
		}
		found[key] = r.setting(value, isFlag && flag.IsSlice())
	}
	return found
}

// mapping returns the values of a mapping by their keys. Each must be known
// and there once.
func (r *configReader) mapping(node *yaml.Node, advice func(key string) string, known []string) map[string]*yaml.Node {
	if node.Kind != yaml.MappingNode {
		r.wrong(node.Line, "here should be keys with values, such as %s", known[0]+": ...")
		return nil
	}
	found := map[string]*yaml.Node{}
	for i := 0; i < len(node.Content); i += 2 {
		key := node.Content[i]
		switch {
		case key.Kind != yaml.ScalarNode || !slices.Contains(known, key.Value):
			r.wrong(key.Line, "unknown key %q: %s", key.Value, advice(key.Value))
		case found[key.Value] != nil:
			r.wrong(key.Line, "%s is there a second time, first on line %d", key.Value, found[key.Value].Line)
		default:
			found[key.Value] = resolved(node.Content[i+1])
		}
	}
	return found
}

// setting reads a value. What is wrong with it is said with its line.
func (r *configReader) setting(node *yaml.Node, list bool) setting {
	s := setting{line: node.Line, list: list}
	nodes := []*yaml.Node{node}
	if node.Kind == yaml.SequenceNode && list {
		nodes = node.Content
	}
	for _, n := range nodes {
		n = resolved(n)
		if n.Kind != yaml.ScalarNode || isNull(n) {
			r.wrong(n.Line, "a value is missing, or is not a plain one")
			continue
		}
		value, err := expandEnvironment(n.Value, r.environment)
		if err != nil {
			r.wrong(n.Line, "%w", err)
			continue
		}
		s.written, s.values = append(s.written, n.Value), append(s.values, value)
	}
	return s
}

// resolved follows an alias to what it stands for.
func resolved(node *yaml.Node) *yaml.Node {
	if node.Kind == yaml.AliasNode {
		return node.Alias
	}
	return node
}

func isNull(node *yaml.Node) bool {
	return node.Kind == yaml.ScalarNode && node.ShortTag() == "!!null"
}

var variable = regexp.MustCompile(`\$\$\{|\$\{([^}]*)\}?`)
var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// expandEnvironment replaces each ${NAME} by the variable's value, and $${ by
// ${. As everywhere in the program, an empty variable counts as unset.
func expandEnvironment(text string, environment func(string) string) (string, error) {
	var wrong error
	expanded := variable.ReplaceAllStringFunc(text, func(found string) string {
		name, closed := strings.CutSuffix(strings.TrimPrefix(found, "${"), "}")
		switch {
		case found == "$${":
			return "${"
		case !closed || !variableName.MatchString(name):
			wrong = fmt.Errorf("%q is not a variable such as ${HOME} ($${ stands for ${ itself)", found)
		case environment(name) == "":
			wrong = fmt.Errorf("the variable %s is not set", name)
		}
		return environment(name)
	})
	return expanded, wrong
}

// didYouMean returns advice for a name that is not known.
func didYouMean(name string, known []string) string {
	best, distance := "", len(name)/3+2 // further off it is no slip of the finger
	for _, k := range known {
		if d := levenshtein.ComputeDistance(strings.ToLower(strings.ReplaceAll(name, "_", "-")), k); d < distance {
			best, distance = k, d
		}
	}
	if best != "" {
		return fmt.Sprintf("did you mean %q?", best)
	}
	if len(known) > 8 {
		return "the keys are path, url, " + followKey + ", max-age, and the flags that lifeboat backup --help shows"
	}
	return "there are " + strings.Join(known, ", ")
}

// readConfiguration reads a configuration from a file.
func readConfiguration(path string, flags map[string]*kong.Flag) (configuration, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return configuration{}, usage("configuration: %w", err)
	}
	c, err := parseConfiguration(text, flags, os.Getenv)
	if err != nil {
		return configuration{}, inFile(path, err)
	}
	return c, nil
}

// inFile makes of what is wrong with the lines of a file a usage error that
// names it with each.
func inFile(path string, err error) error {
	var all []error
	if several, ok := err.(interface{ Unwrap() []error }); ok {
		all = several.Unwrap()
	} else {
		all = []error{err}
	}
	for i, err := range all {
		var at *lineError
		if errors.As(err, &at) {
			all[i] = fmt.Errorf("%s:%d: %w", path, at.line, at.cause)
		} else {
			all[i] = fmt.Errorf("%s: %w", path, err)
		}
	}
	return usage("%w", errors.Join(all...))
}
