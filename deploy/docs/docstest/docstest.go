// Package docstest reads the documents for the tests of all packages.
package docstest

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Top returns the path of the repository.
func Top(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd() // that of the package under test
	for err == nil {
		if _, missing := os.Stat(filepath.Join(dir, "go.mod")); missing == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			err = fs.ErrNotExist
		}
		dir = filepath.Dir(dir)
	}
	t.Fatalf("the directory with go.mod: %v", err)
	return ""
}

// All returns the paths of the README, the pages behind it and those about
// deploying.
func All(t testing.TB) []string {
	t.Helper()
	found := []string{filepath.Join(Top(t), "README.md")}
	err := filepath.WalkDir(filepath.Join(Top(t), "deploy"), func(path string, _ fs.DirEntry, err error) error {
		if filepath.Ext(path) == ".md" {
			found = append(found, path)
		}
		return err
	})
	if err != nil || len(found) < 10 {
		t.Fatalf("%d documents: %v", len(found), err)
	}
	return found
}

// Page returns the path of a page behind the README.
func Page(t testing.TB, name string) string {
	t.Helper()
	return filepath.Join(Top(t), "deploy", "docs", name+".md")
}

// Read returns what is in a file.
func Read(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Commands returns what is in the sh blocks of a document.
func Commands(t testing.TB, path string) string {
	t.Helper()
	return strings.Join(Blocks(t, path, "sh"), "\n")
}

// Blocks returns the blocks of a document that are in a language.
func Blocks(t testing.TB, path, language string) (blocks []string) {
	t.Helper()
	for _, block := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllStringSubmatch(Read(t, path), -1) {
		blocks = append(blocks, block[1])
	}
	return blocks
}
