package main

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/deploy/docs/docstest"
)

// TestEverySentinelHasAReason reads the library's source: each error that it
// exports stands in the table of reasons, and so has an exit code.
func TestEverySentinelHasAReason(t *testing.T) {
	defined, alias := map[string]bool{}, map[string]string{}
	for _, top := range []string{"snapshot", "upload", "lifecycle", "restore"} {
		err := filepath.WalkDir(filepath.Join("..", "..", top), func(path string, d os.DirEntry, err error) error {
			if filepath.Ext(path) == ".go" && !strings.HasSuffix(path, "_test.go") {
				sentinels(t, path, defined, alias)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(defined) < 35 {
		t.Fatalf("only %d errors found", len(defined))
	}
	listed := map[string]bool{}
	for name := range selectors(t, "reasons.go") {
		for alias[name] != "" {
			name = alias[name]
		}
		listed[name] = true
	}
	for name := range defined {
		if !listed[name] {
			t.Errorf("%s is not in the table of reasons", name)
		}
	}
}

// sentinels adds the exported errors that a file defines, and those that are
// other names of one, as package.ErrName.
func sentinels(t *testing.T, path string, defined map[string]bool, alias map[string]string) {
	file := parse(t, path)
	for _, d := range file.Decls {
		declaration, ok := d.(*ast.GenDecl)
		if !ok || declaration.Tok != token.VAR {
			continue
		}
		for _, s := range declaration.Specs {
			spec := s.(*ast.ValueSpec)
			for i, name := range spec.Names {
				if !strings.HasPrefix(name.Name, "Err") || i >= len(spec.Values) {
					continue
				}
				full := file.Name.Name + "." + name.Name
				if of := selected(spec.Values[i]); of != "" {
					alias[full] = of
				} else {
					defined[full] = true
				}
			}
		}
	}
}

// selectors returns all that a file uses of other packages, as package.Name.
func selectors(t *testing.T, path string) map[string]bool {
	found := map[string]bool{}
	ast.Inspect(parse(t, path), func(n ast.Node) bool {
		if e, ok := n.(ast.Expr); ok && selected(e) != "" {
			found[selected(e)] = true
		}
		return true
	})
	return found
}

// selected returns an expression such as pkg.Name as text, "" for others.
func selected(e ast.Expr) string {
	if s, ok := e.(*ast.SelectorExpr); ok {
		if of, ok := s.X.(*ast.Ident); ok {
			return of.Name + "." + s.Sel.Name
		}
	}
	return ""
}

func parse(t *testing.T, path string) *ast.File {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// Each reason stands in the table once, and ends in a code with a meaning; each
// reason that is a case of another one stands before it, or it would have no
// say.
func TestReasons(t *testing.T) {
	var known []int
	for _, c := range codes {
		if c.means == "" || c.advice == "" || slices.Contains(known, c.exit) {
			t.Errorf("exit code %d: %+v", c.exit, c)
		}
		known = append(known, c.exit)
	}
	for i, r := range reasons {
		if !slices.Contains(known, r.exit) {
			t.Errorf("%v: exit %d has no meaning", r.is, r.exit)
		}
		for _, before := range reasons[:i] {
			if before.word == r.word {
				t.Errorf("%v: %v has its word", r.is, before.is)
			}
			if errors.Is(r.is, before.is) {
				t.Errorf("%v: never reached, %v stands before it", r.is, before.is)
			}
		}
	}
}

// The document has the words of all reasons, with their exit codes.
func TestReasonWordsInDocument(t *testing.T) {
	text := docstest.Read(t, docstest.Page(t, "reference"))
	_, section, _ := strings.Cut(text, "\n### An error\n")
	section, _, _ = strings.Cut(section, "\n### ")
	want := map[int][]string{exitFailed: {"failed"}, exitUsage: {"usage", "too_many_open_files"}, exitRefused: {"rules_not_kept"}}
	for _, r := range reasons {
		if !regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`).MatchString(r.word) {
			t.Errorf("%v: the word is %q", r.is, r.word)
		}
		want[r.exit] = append(want[r.exit], r.word)
	}
	for _, c := range codes {
		var words []string
		for _, word := range slices.Compact(slices.Sorted(slices.Values(want[c.exit]))) {
			words = append(words, "`"+word+"`")
		}
		for few := range slices.Chunk(words, 8) { // a cell has to stay short
			if row := fmt.Sprintf("| %d | %s |\n", c.exit, strings.Join(few, ", ")); !strings.Contains(section, row) {
				t.Errorf("the document lacks\n%s", row)
			}
		}
	}
}

// The document has the codes of the table and no others, with the same words,
// but for what it adds in brackets.
func TestExitCodesInDocument(t *testing.T) {
	var known []string
	text := regexp.MustCompile(" \\([^)]*\\)|`").ReplaceAllString(docstest.Read(t, docstest.Page(t, "reference")), "")
	documented := regexp.MustCompile(`(?m)^\| \d+ \| .+ \| (retry|fail at once|alert) \|$`).FindAllString(text, -1)
	for _, c := range codes {
		known = append(known, fmt.Sprintf("| %d | %s | %s |", c.exit, c.means, c.advice))
	}
	if !slices.Equal(documented, known) {
		t.Errorf("the document has\n%s\nthe table\n%s", strings.Join(documented, "\n"), strings.Join(known, "\n"))
	}
}
