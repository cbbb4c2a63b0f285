package main_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const house = "github.com/lifeboat-sqlite/lifeboat/"

// below are the parts of the house that each part may import, beside itself.
var below = map[string][]string{
	"cmd":       {"restore", "lifecycle", "upload", "snapshot"},
	"restore":   {"upload", "snapshot"},
	"lifecycle": {"upload", "snapshot"},
	"upload":    {"snapshot"},
	"snapshot":  {},
	"deploy":    {},
}

// belowUpload are the packages of upload that some of them may import. The stores
// know no series, and doctor and the series no store.
var belowUpload = map[string][]string{
	"upload/bucket":         {},
	"upload/bucket/trial":   {"upload/bucket"},
	"upload/bucket/sidecar": {"upload/bucket"},
	"upload/series":         {"upload/bucket"},
	"upload/cache":          {"upload/bucket", "upload/series"},
	"upload/dirstore":       {"upload/bucket", "upload/bucket/sidecar", "upload/bucket/trial"},
	"upload/s3store":        {"upload/bucket", "upload/bucket/sidecar", "upload/bucket/trial"},
	"upload/doctor":         {"upload/bucket", "upload/bucket/trial", "upload/series"},
	"upload/copies":         {"upload", "upload/bucket", "upload/series"},
}

// mayUseSDK are the packages that import the SDK of AWS, their tests included: the
// S3 store, and what tests of others have for looking behind its back.
var mayUseSDK = []string{"upload/s3store", "upload/testserver/rawclient"}

// forTests are the packages that serve tests alone; only tests import them.
var forTests = []string{"snapshot/sqlite/sqlitetest", "upload/bucket/buckettest", "upload/testserver", "lifecycle/lifecycletest", "deploy/docs/docstest", "deploy/kubernetes/kubetest", "deploy/e2e"}

func isForTests(name string) bool {
	return strings.HasSuffix(name, "_test.go") || slices.ContainsFunc(forTests, func(dir string) bool {
		return name == dir || strings.HasPrefix(name, dir+"/")
	})
}

// sources calls f with each Go file of the repository, by its path from the top.
func sources(t *testing.T, mode parser.Mode, f func(name string, file *ast.File)) {
	t.Helper()
	found := 0
	top := filepath.Join("..", "..")
	err := filepath.WalkDir(top, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(top, file)
		if err != nil {
			return err
		}
		if d.IsDir() && name != "." && (strings.HasPrefix(d.Name(), ".") || name == "dist") {
			return fs.SkipDir
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		found++
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, mode)
		if err != nil {
			return err
		}
		f(filepath.ToSlash(name), parsed)
		return nil
	})
	if err != nil || found < 100 {
		t.Fatalf("%d Go files: %v", found, err)
	}
}

func imports(file *ast.File) []string {
	var found []string
	for _, i := range file.Imports {
		found = append(found, strings.Trim(i.Path.Value, `"`))
	}
	return found
}

func part(name string) string {
	first, _, _ := strings.Cut(name, "/")
	return first
}

// Data flows one way: cmd, then restore and lifecycle, then upload, then snapshot.
func TestImportsRunOneWay(t *testing.T) {
	sources(t, parser.ImportsOnly, func(name string, file *ast.File) {
		if isForTests(name) {
			return
		}
		for _, imported := range imports(file) {
			inside, ours := strings.CutPrefix(imported, house)
			if !ours {
				continue
			}
			if to, from := part(inside), part(name); to != from && !slices.Contains(below[from], to) {
				t.Errorf("%s imports %s", name, inside)
			}
			if isForTests(inside) {
				t.Errorf("%s imports %s, which is for tests", name, inside)
			}
		}
	})
}

// Inside upload data flows one way, too.
func TestImportsInsideUpload(t *testing.T) {
	found := map[string]bool{}
	sources(t, parser.ImportsOnly, func(name string, file *ast.File) {
		allowed, listed := belowUpload[path.Dir(name)]
		if !listed || isForTests(name) {
			return
		}
		found[path.Dir(name)] = true
		for _, imported := range imports(file) {
			inside, ours := strings.CutPrefix(imported, house)
			if ours && part(inside) == "upload" && !slices.Contains(allowed, inside) {
				t.Errorf("%s imports %s", name, inside)
			}
		}
	})
	for name := range belowUpload {
		if !found[name] {
			t.Errorf("there is no package %s", name)
		}
	}
}

// The SDK of AWS stays behind the contract of a bucket.
func TestWhoImportsTheSDK(t *testing.T) {
	users := map[string]bool{}
	sources(t, parser.ImportsOnly, func(name string, file *ast.File) {
		for _, imported := range imports(file) {
			if !strings.HasPrefix(imported, "github.com/aws/") {
				continue
			}
			users[path.Dir(name)] = true
			if !slices.Contains(mayUseSDK, path.Dir(name)) {
				t.Errorf("%s imports %s", name, imported)
			}
		}
	})
	if len(users) == 0 {
		t.Error("no package imports the SDK: this test looks for the wrong name")
	}
}

// A test is left out by make check, and by a second run that has the race detector,
// for the reasons that package needs has.
func TestNothingIsSkipped(t *testing.T) {
	skips := 0
	sources(t, parser.SkipObjectResolution, func(name string, file *ast.File) {
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			if f, ok := call.Fun.(*ast.SelectorExpr); ok && slices.Contains([]string{"Skip", "Skipf", "SkipNow", "Short"}, f.Sel.Name) {
				skips++
				if name != "upload/testserver/needs/short.go" {
					t.Errorf("%s calls %s", name, f.Sel.Name)
				}
			}
			return true
		})
	})
	if skips != 2 {
		t.Errorf("%d calls of Short and Skip in package needs, want one of each", skips)
	}
	for file, want := range map[string]int{"Makefile": 2, ".ci/run": 0} {
		text, err := os.ReadFile(filepath.Join("..", "..", file))
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Count(string(text), " -short"); got != want {
			t.Errorf("%s has -short %d times, want %d", file, got, want)
		}
	}
	scripts, err := filepath.Glob(filepath.Join("testdata", "*.txtar"))
	if err != nil || len(scripts) == 0 {
		t.Fatalf("scripts: %v, %v", scripts, err)
	}
	for _, script := range scripts {
		text, err := os.ReadFile(script)
		if err != nil {
			t.Fatal(err)
		}
		if found := regexp.MustCompile(`(?m)^(\[.*\] *)?(skip|stop)\b.*`).Find(text); found != nil {
			t.Errorf("%s: %s", script, found)
		}
	}
}

// What make test keeps from the race detector runs without it.
func TestComputingRuns(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile(`(?m)^COMPUTING = \^\((.*)\)\$\$$`).FindSubmatch(text)
	packages := regexp.MustCompile(`(?m)^COMPUTED += /lifeboat/\((.*)\)\$\$$`).FindSubmatch(text)
	if names == nil || packages == nil {
		t.Fatal("Makefile has no such lines")
	}
	found := map[string]string{}
	sources(t, parser.SkipObjectResolution, func(name string, file *ast.File) {
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil {
				found[f.Name.Name] += filepath.Dir(name)
			}
		}
	})
	for name := range strings.SplitSeq(string(names[1]), "|") {
		if !slices.Contains(strings.Split(string(packages[1]), "|"), found[name]) {
			t.Errorf("%s is in %q, and only tests of %s run", name, found[name], packages[1])
		}
	}
}

// What a package or a file at the top is for shows in its name.
func TestNames(t *testing.T) {
	sources(t, parser.PackageClauseOnly, func(name string, file *ast.File) {
		if slices.Contains([]string{"util", "utils", "common", "helpers", "misc"}, file.Name.Name) {
			t.Errorf("%s is in a package named %s", name, file.Name.Name)
		}
	})
	allowed := []string{"cmd", "snapshot", "upload", "lifecycle", "restore", "deploy", "go.mod", "go.sum", "README.md", "Makefile", "LICENSE"}
	made := []string{"dist", "demo"} // by make, and not kept in git
	entries, err := os.ReadDir(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), ".") && !slices.Contains(allowed, entry.Name()) && !slices.Contains(made, entry.Name()) {
			t.Errorf("%s at the top", entry.Name())
		}
	}
}
