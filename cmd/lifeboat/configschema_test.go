package main

import (
	"encoding"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/rogpeppe/go-internal/txtar"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/databases"
	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/hooks"
	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/reports"
	"github.com/lifeboat-sqlite/lifeboat/deploy/docs/docstest"
)

// An editor is what editors make of the schema that config schema prints.
type editor struct {
	schema *jsonschema.Schema
	flags  map[string]*kong.Flag
}

func newEditor(t *testing.T) editor {
	t.Helper()
	flags, err := fileKeys(t.Context(), &console{}, func(string) bool { return true })
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(strings.NewReader(lifeboat(t, 0, "config", "schema")))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("lifeboat.schema.json", document); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("lifeboat.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return editor{schema, flags}
}

// marks returns what the editor would mark in a file, nil for nothing.
func (e editor) marks(text string) error {
	var value any
	if err := yaml.Load([]byte(text), &value); err != nil {
		return err
	}
	asJSON, err := json.Marshal(value)
	if err != nil {
		return err
	}
	instance, err := jsonschema.UnmarshalJSON(strings.NewReader(string(asJSON)))
	if err != nil {
		return err
	}
	return e.schema.Validate(instance)
}

// reads returns what the program would call wrong in a file.
func (e editor) reads(t *testing.T, text string) error {
	path := filepath.Join(t.TempDir(), "lifeboat.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := databases.Read(path, e.flags)
	return err
}

// What the program takes, no editor marks; that goes for the files of all scripts and of
// the documents.
func TestSchemaTakesWhatTheProgramTakes(t *testing.T) {
	t.Setenv("WORK", "/work")
	t.Setenv("NASTY", "nasty")
	e, taken := newEditor(t), 0
	try := func(where, text string) {
		if e.reads(t, text) != nil {
			return
		}
		taken++
		if err := e.marks(text); err != nil {
			t.Errorf("%s: %v", where, err)
		}
	}
	scripts, err := filepath.Glob(filepath.Join("testdata", "*.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	for _, script := range scripts {
		archive, err := txtar.ParseFile(script)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range archive.Files {
			if filepath.Ext(f.Name) == ".yaml" && !slices.Contains([]string{"values.yaml", "secret.yaml", "wrong.yaml"}, f.Name) { // wrong by their values
				try(script+": "+f.Name, string(f.Data))
			}
		}
	}
	page := docstest.Read(t, docstest.Page(t, "databases"))
	_, example, _ := strings.Cut(page, "<<'END'\n")
	example, _, found := strings.Cut(example, "\nEND\n")
	if !found || !strings.HasPrefix(example, "# yaml-language-server: $schema=lifeboat.schema.json\n") {
		t.Errorf("the example does not name the schema: %s", example)
	}
	try("the example", example)
	for _, block := range docstest.Blocks(t, docstest.Page(t, "databases"), "yaml") {
		try("a block of the page", block)
	}
	try("the tenants' file", docstest.Read(t, filepath.Join(docstest.Top(t), "deploy", "kubernetes", "tenants", "lifeboat.yaml")))
	try("the machine's file", docstest.Read(t, filepath.Join(docstest.Top(t), "deploy", "systemd", "lifeboat.yaml")))
	if taken < 20 {
		t.Errorf("only %d files", taken)
	}
}

// What is wrong by its form, an editor marks as the program refuses it.
func TestSchemaMarksWhatIsWrong(t *testing.T) {
	e := newEditor(t)
	const good = "defaults: {url: 's3://b/{name}'}\ndatabases: [{path: app.db}]\n"
	for _, change := range [][2]string{
		{"", ""}, // none: it is right
		{"databases:", "database:"}, {"databases: [{path: app.db}]", "host: a"}, {"path:", "pth:"}, {"{path: app.db}", "{path: app.db, max_rate: 1MiB}"},
		{"{path: app.db}", "app.db"}, {"[{path: app.db}]", "{path: app.db}"}, {"path: app.db", "check: full"},
		{"path: app.db", "path: app.db, discover: /srv"}, {"url: 's3://b/{name}'", "check: full"}, {"path: app.db", "path: app.db, check: {a: b}"},
		{"defaults:", "parallel: many\ndefaults:"}, {"defaults:", "parallel: 65\ndefaults:"}, {"path: app.db", "path: [app.db]"}, {"path: app.db", "path: app.db, follow-symlinks: perhaps"},
	} {
		text := strings.Replace(good, change[0], change[1], 1)
		wrong, marked := e.reads(t, text) != nil, e.marks(text) != nil
		if wrong != (text != good) || marked != wrong {
			t.Errorf("%q: wrong %v, marked %v", text, wrong, marked)
		}
	}
}

// The schema knows every setting, with its help, and takes of each what its flag takes.
func TestSchemaOfValues(t *testing.T) {
	e := newEditor(t)
	texts := []string{
		"", "0", "0s", "90s", "1h30m", "4d", "2w", "1w2d", "1d12h", "1.5h", "-1s", "4", "4 d", "soon", "none", "forever", "14d", "1", "64", "20MiB", "5GB", "1 KiB", "fast",
		"quick", "fastest", "vacuum", "never", "governance", "AES256", "https://hc-ping.com/a", "ftp://a", "true", "false", "maybe", "a, b", "/usr/bin/true -x",
	}
	typed := 0
	for name, flag := range e.flags {
		if schema := databases.Schema(e.flags)["properties"].(map[string]any)["defaults"].(map[string]any)["properties"].(map[string]any)[name].(map[string]any); schema["description"] != flag.Help {
			t.Errorf("%s: %v", name, schema["description"])
		}
		value, is := flag.Target.Addr().Interface().(encoding.TextUnmarshaler)
		_, described := flag.Target.Interface().(databases.Describer)
		if is != described && flag.Enum == "" {
			t.Errorf("%s: a %T has no schema", name, flag.Target.Interface())
		}
		if !is || !described {
			continue
		}
		switch value.(type) {
		case *reports.URL: // its own check comes later, as it may be a secret
			continue
		case *hooks.Command: // any text is one
			continue
		}
		typed++
		for _, text := range texts {
			file := fmt.Sprintf("databases: [{path: a, url: b, %s: %q}]\n", name, text)
			if marks := e.marks(file); value.UnmarshalText([]byte(text)) == nil && marks != nil {
				t.Errorf("%s: %q is marked: %v", name, text, marks)
			}
		}
		if e.marks(fmt.Sprintf("databases: [{path: a, url: b, %s: not a value}]\n", name)) == nil {
			t.Errorf("%s takes anything", name)
		}
	}
	if typed < 15 {
		t.Errorf("only %d settings with types of their own", typed)
	}
	for _, value := range []string{
		"max-rate: 5000000", "concurrency: 4", "hold: 0", "always: true", "always: yes", "name: 2026", "age-recipient: age1x", "age-recipient: [age1x, '${KEY}']",
		"hold: '${HOLD}'", "level: '${LEVEL}'", "always: '${ALWAYS}'", "check: full",
		"ping-url: 'https://hc-ping.com/a'", "notify-url: '${URL}'", "run-before: /bin/true a", "run-after: [/bin/sh, -c, 1]", "notify-template: '{\"a\": \"{title}\"}'",
	} {
		if err := e.marks("databases: [{path: a, url: b, " + value + "}]\n"); err != nil {
			t.Errorf("%s: %v", value, err)
		}
	}
	for _, value := range []string{"level: extreme", "concurrency: 0", "always: maybe", "check: [full]", "age-recipient: {a: b}", "max-rate: -5", "ping-url: ftp://a", "run-before: []", "run-after: {a: b}", "run-after: ' '"} {
		if e.marks("databases: [{path: a, url: b, "+value+"}]\n") == nil {
			t.Errorf("%s is taken", value)
		}
	}
}
