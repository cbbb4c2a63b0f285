package main

import (
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/reports"
	"github.com/lifeboat-sqlite/lifeboat/deploy/docs/docstest"
)

// secretNames returns the variables that hold secrets: those of Lifeboat, all of which
// have a twin for a file, and those of AWS.
func secretNames(t *testing.T) []string {
	t.Helper()
	names := []string{customerKey, reports.PushgatewayUser, reports.PushgatewayPassword, "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}
	parser, err := newParser(t.Context(), &console{}, &program{})
	if err != nil {
		t.Fatal(err)
	}
	own := len(names)
	err = kong.Visit(parser.Model, func(node kong.Visitable, next kong.Next) error {
		if flag, ok := node.(*kong.Flag); ok && secretFile(flag) != "" && !slices.Contains(names, flag.Envs[0]) {
			names = append(names, flag.Envs[0])
		}
		return next(nil)
	})
	if err != nil || len(names) == own {
		t.Fatalf("no flag is a secret: %v", err)
	}
	return names
}

// literals returns those of the names that a text gives a value of its own, and not that
// of a variable, a template or a reference.
func literals(text string, names []string) (found []string) {
	text = regexp.MustCompile(`(?m)^\s*#.*$`).ReplaceAllString(text, "")
	for _, name := range names {
		// NAME=value; NAME: value; {name: NAME, value: value}, in one line or two.
		given := regexp.MustCompile(`\b` + name + `["']?(?:=["']?|:[ \t]+["']?|\s*,?\s*["']?value["']?:[ \t]*["']?)([^\s"'$,{}][^\s"',}]*)`)
		if given.MatchString(text) {
			found = append(found, name)
		}
	}
	return found
}

func TestLiterals(t *testing.T) {
	const name = "AWS_SECRET_ACCESS_KEY"
	for text, is := range map[string]bool{
		"Environment=" + name + "=hunter2":                                       true,
		`Environment="` + name + `=hunter2"`:                                     true,
		"  " + name + ": hunter2":                                                true,
		`  "` + name + `": "hunter2"`:                                            true,
		"- {name: " + name + ", value: hunter2}":                                 true,
		"- name: " + name + "\n  value: \"hunter2\"":                             true,
		"ENV " + name + "=hunter2":                                               true,
		"# " + name + "=hunter2":                                                 false,
		name + "= lifeboat status":                                               false,
		name + "=$KEY":                                                           false,
		name + ": {{ .Values.key }}":                                             false,
		"- name: " + name + "\n  valueFrom: {secretKeyRef: {name: a, key: b}}":   false,
		name + "_FILE=%d/key":                                                    false,
		"- {name: " + name + "_FILE, value: /run/secrets/key}":                   false,
		"environment: [" + name + "]":                                            false,
		"- name: " + name + "\n  valueFrom:\n- name: OTHER\n  value: harmless\n": false,
	} {
		if got := literals(text, []string{name}); (got != nil) != is {
			t.Errorf("%q: %v", text, got)
		}
	}
}

// No secret is a literal in what users deploy: where one belongs, there is a reference,
// a file, or a file of variables that is for its owner alone.
func TestNoLiteralSecrets(t *testing.T) {
	names, looked := secretNames(t), 0
	deploy := filepath.Join(docstest.Top(t), "deploy")
	err := filepath.WalkDir(deploy, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		deployed := []string{".yaml", ".yml", ".tpl", ".service", ".timer", ".sh"}
		if !slices.Contains(deployed, filepath.Ext(path)) && filepath.Base(path) != "Dockerfile" {
			return nil
		}
		looked++
		text := docstest.Read(t, path)
		if found := literals(text, names); found != nil {
			t.Errorf("%s: %v", path, found)
		}
		if regexp.MustCompile(`AGE-SECRET-KEY-1[A-Z0-9]|PRIVATE KEY-----|\bAKIA[A-Z0-9]{16}\b|https://hooks\.slack\.com/services/T`).MatchString(text) {
			t.Errorf("%s: a secret", path)
		}
		if regexp.MustCompile(`(?m)^kind: Secret$`).MatchString(text) && strings.Contains(text, "ata:") {
			t.Errorf("%s: a Secret with its content", path)
		}
		return nil
	})
	if err != nil || looked < 40 {
		t.Errorf("looked at %d files: %v", looked, err)
	}
}
