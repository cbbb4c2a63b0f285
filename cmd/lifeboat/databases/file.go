// Package databases reads the file that names many databases, and finds them on
// this machine.
package databases

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v4"
)

// A File is a file that names many databases.
type File struct {
	Path     string
	Host     string // what {host} stands for, "" if the file leaves it open
	Parallel int    // 0 if the file leaves it open
	Entries  []Entry
}

// An Entry is one of the file's databases, with the defaults filled in.
type Entry struct {
	Line     int
	Path     Setting // of one database, or a pattern
	URL      Setting // a template
	Follow   bool    // a pattern's matches may be symlinks
	Settings map[string]Setting
}

// A Setting is a value in the file, as text: the flag that it is for has the type.
type Setting struct {
	Line    int
	Written []string // as in the file
	Values  []string // with the values of environment variables
	List    bool
}

// Text returns the value of a setting that is no list.
func (s Setting) Text() string { return strings.Join(s.Values, "\n") }

// The keys of the file beside those that are flags.
var (
	topKeys   = []string{"host", "parallel", "defaults", "databases"}
	entryKeys = []string{"path", "url", followKey}
)

// MaxParallel is the most databases that run at once: more exceed the memory and
// disks of one machine.
const MaxParallel = 64

// Read reads a file of databases. The flags are those that a database may set, by
// their names; the value of one that is nil is not read. The error names the file,
// and all that is wrong in it by line.
func Read(path string, flags map[string]*kong.Flag) (File, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return File{}, fmt.Errorf("configuration: %w", err)
	}
	file, err := parse(text, flags, os.Getenv)
	if err != nil {
		return File{}, InFile(path, err)
	}
	file.Path = path
	return file, nil
}

// parse parses a file. The error names all that is wrong, each with its line.
func parse(text []byte, flags map[string]*kong.Flag, environment func(string) string) (File, error) {
	var document yaml.Node
	if err := yaml.Load(text, &document); err != nil {
		return File{}, syntaxError(err)
	}
	r := &reader{flags: flags, environment: environment}
	file := r.file(document.Content[0])
	slices.SortStableFunc(r.problems, func(a, b error) int { return lineOf(a) - lineOf(b) })
	return file, errors.Join(r.problems...)
}

// syntaxError puts the line of an error in front, as it stands in all others.
func syntaxError(err error) error {
	var bad *yaml.LoadError
	if errors.As(err, &bad) && bad.Mark.Line > 0 {
		return Problem(bad.Mark.Line, "this is not YAML: %s", bad.Message)
	}
	return Problem(1, "this is not one YAML document")
}

// A reader collects what is wrong, so that one run shows all of it.
type reader struct {
	flags       map[string]*kong.Flag
	environment func(string) string
	problems    []error
}

func (r *reader) wrong(line int, format string, args ...any) {
	r.problems = append(r.problems, Problem(line, format, args...))
}

func (r *reader) file(root *yaml.Node) (f File) {
	top := r.mapping(root, func(key string) string {
		if _, ok := r.flags[key]; ok || slices.Contains(entryKeys, key) {
			return "it belongs under defaults, or to a database"
		}
		return didYouMean(key, topKeys)
	}, topKeys)
	if host := top["host"]; host != nil {
		f.Host = r.setting(host, false).Text()
	}
	if parallel := top["parallel"]; parallel != nil {
		f.Parallel = r.parallel(r.setting(parallel, false))
	}
	defaults := map[string]Setting{}
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
			f.Entries = append(f.Entries, r.entry(resolved(node), defaults))
		}
	}
	return f
}

func (r *reader) parallel(s Setting) int {
	n, err := strconv.Atoi(s.Text())
	if len(s.Values) > 0 && (err != nil || n < 1 || n > MaxParallel) {
		r.wrong(s.Line, "parallel: %q is not a number from 1 to %d", s.Text(), MaxParallel)
	}
	return n
}

func (r *reader) entry(node *yaml.Node, defaults map[string]Setting) Entry {
	before := len(r.problems)
	settings := maps.Clone(defaults)
	maps.Copy(settings, r.settings(node, entryKeys...))
	e := Entry{Line: node.Line, Path: settings["path"], URL: settings["url"], Settings: settings}
	delete(settings, "path")
	delete(settings, "url")
	e.Follow = r.follow(settings[followKey], e.Path)
	delete(settings, followKey)
	if len(r.problems) > before {
		return e // a missing key may be the one that is misspelt
	}
	if e.Path.Line == 0 {
		r.wrong(node.Line, "path is missing: a database, or a pattern such as /srv/*.db")
	}
	if e.URL.Line == 0 {
		r.wrong(node.Line, "url is missing: a bucket URL such as s3://backups/{host}/{name}")
	}
	if _, err := expandTemplate(e.URL.Text(), templateNames{}); err != nil {
		r.wrong(e.URL.Line, "url: %w", err)
	}
	return e
}

// follow reads follow-symlinks. A pattern with ** never follows symlinks:
// two of them to their own directory would make its search endless.
func (r *reader) follow(s, path Setting) bool {
	switch s.Text() {
	case "", "false":
		return false
	case "true":
	default:
		r.wrong(s.Line, "%s: %q is neither true nor false", followKey, s.Text())
	}
	if strings.Contains(path.Text(), "**") {
		r.wrong(path.Line, "path: ** never follows symlinks: set %s: false for this database, or name each level with *", followKey)
	}
	return true
}

// settings reads the flags in a mapping, and the other keys that may be there.
func (r *reader) settings(node *yaml.Node, others ...string) map[string]Setting {
	known := append(slices.Sorted(maps.Keys(r.flags)), others...)
	found := map[string]Setting{}
	for key, value := range r.mapping(node, func(key string) string { return didYouMean(key, known) }, known) {
		flag, isFlag := r.flags[key]
		if isFlag && flag == nil {
			continue
		}
		found[key] = r.setting(value, isFlag && flag.IsSlice())
	}
	return found
}

// mapping returns the values of a mapping by their keys. An unknown or duplicate
// key is wrong.
func (r *reader) mapping(node *yaml.Node, advice func(key string) string, known []string) map[string]*yaml.Node {
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
			r.wrong(key.Line, "duplicate key %s, first on line %d", key.Value, found[key.Value].Line)
		default:
			found[key.Value] = resolved(node.Content[i+1])
		}
	}
	return found
}

// setting reads a value.
func (r *reader) setting(node *yaml.Node, list bool) Setting {
	s := Setting{Line: node.Line, List: list}
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
		s.Written, s.Values = append(s.Written, n.Value), append(s.Values, value)
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
