// Package databases reads the file that names many databases, and finds them on
// this machine.
package databases

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"reflect"
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
	Info     os.FileInfo // of the very file that was read
	Host     string      // what {host} stands for, "" if the file leaves it open
	Parallel int         // 0 if the file leaves it open
	Entries  []Entry
}

// An Entry is one of the file's databases, with the defaults filled in.
type Entry struct {
	Index    int // among those of the file
	Line     int
	Path     Setting // of one database, or a pattern; of a directory with Discover
	Discover bool    // the databases are those below the directory, by their content
	URL      Setting // a template
	Follow   bool    // what a pattern or Discover finds may be symlinks
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
	entryKeys = []string{"path", discoverKey, "url", followKey}
)

// MaxParallel is the most databases that run at once: more exceed the memory and
// disks of one machine.
const MaxParallel = 64

// Read reads a file of databases. The flags are those that a database may set, by
// their names; the value of one that is nil is not read. The error names the file,
// and all that is wrong in it by line.
func Read(path string, flags map[string]*kong.Flag) (File, error) {
	text, info, err := readFile(path)
	if err != nil {
		return File{}, fmt.Errorf("configuration: %w", err)
	}
	file, err := parse(text, flags, os.Getenv)
	if err != nil {
		return File{}, InFile(path, err)
	}
	file.Path, file.Info = path, info
	home, err := os.UserHomeDir()
	if err != nil {
		home = "~" // and no such file is found
	}
	for i := range file.Entries {
		file.Entries[i].place(filepath.Dir(path), home, flags)
	}
	return file, nil
}

func readFile(path string) ([]byte, os.FileInfo, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close() // it was only read
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	text, err := io.ReadAll(f)
	return text, info, err
}

// place puts the relative paths of an entry into a directory, and those that begin with
// ~/ into the user's home.
func (e *Entry) place(dir, home string, flags map[string]*kong.Flag) {
	for i, path := range e.Path.Values {
		if isPattern(path) && !e.Discover {
			e.Path.Values[i] = placed(path, literal.Replace(dir), literal.Replace(home))
		} else {
			e.Path.Values[i] = placed(path, dir, home)
		}
	}
	for name, s := range e.Settings {
		if flag := flags[name]; flag == nil || flag.PlaceHolder != "FILE" && flag.PlaceHolder != "DIR" {
			continue
		}
		s.Values = slices.Clone(s.Values) // defaults are those of all entries
		for i, path := range s.Values {
			s.Values[i] = placed(path, dir, home)
		}
		e.Settings[name] = s
	}
}

// literal writes a path so that a pattern matches it alone.
var literal = strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`, "{", `\{`)

func placed(path, dir, home string) string {
	below, ofHome := strings.CutPrefix(path, "~/")
	switch {
	case ofHome:
		return filepath.Join(home, below)
	case path == "" || filepath.IsAbs(path):
		return path
	}
	return filepath.Join(dir, path)
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
		f.Host = r.value(host).Text()
	}
	if parallel := top["parallel"]; parallel != nil {
		f.Parallel = r.parallel(r.value(parallel))
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
		for i, node := range databases.Content {
			e := r.entry(resolved(node), defaults)
			e.Index = i
			f.Entries = append(f.Entries, e)
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
	e.Follow = r.follow(settings[followKey], e.Path)
	r.discover(&e)
	for _, key := range entryKeys {
		delete(settings, key)
	}
	if len(r.problems) > before {
		return e // a missing key may be the one that is misspelt
	}
	if e.Path.Line == 0 {
		r.wrong(node.Line, "path is missing: a database, or a pattern such as /srv/*.db; or discover, a directory of databases")
	}
	if e.URL.Line == 0 {
		r.wrong(node.Line, "url is missing: a bucket URL such as s3://backups/{host}/{name}")
	}
	if _, err := expandTemplate(e.URL.Text(), templateNames{}); err != nil {
		r.wrong(e.URL.Line, "url: %w", err)
	}
	return e
}

// discover reads the key discover, which stands in place of path.
func (r *reader) discover(e *Entry) {
	dir := e.Settings[discoverKey]
	if dir.Line == 0 {
		return
	}
	if e.Path.Line != 0 {
		r.wrong(dir.Line, "path and discover in one entry: choose")
	}
	if name := e.Settings["name"]; name.Line != 0 {
		r.wrong(name.Line, "name: discover names each database by its path")
	}
	e.Path, e.Discover = dir, true
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
		if isFlag && flag.Target.Kind() == reflect.Slice {
			found[key] = r.list(value)
		} else {
			found[key] = r.value(value)
		}
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

// list reads a list of values, or a single one that stands for a list.
func (r *reader) list(node *yaml.Node) Setting {
	values := []*yaml.Node{node}
	if node.Kind == yaml.SequenceNode {
		values = node.Content
	}
	s := r.values(node.Line, values)
	s.List = node.Kind == yaml.SequenceNode
	return s
}

// value reads a single value.
func (r *reader) value(node *yaml.Node) Setting { return r.values(node.Line, []*yaml.Node{node}) }

func (r *reader) values(line int, nodes []*yaml.Node) Setting {
	s := Setting{Line: line}
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
