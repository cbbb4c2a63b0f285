// Package licences reads the licences of the modules in a program.
package licences

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/google/licensecheck"
)

// A Licence is how a module is licensed.
type Licence struct {
	Module, Version string
	ID              string   // as SPDX has it, such as "Apache-2.0 AND MIT"
	Texts           []string // of its licences, and of the notices that belong to them
}

// permitted are the licences under which code may be in a program that is distributed
// under Apache 2.0.
var permitted = []string{"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "Unlicense"}

// Of returns the licences of modules, which go mod download has or fetches. A module
// without a licence is an error, and so is a licence that is not permitted.
func Of(modules []*debug.Module) ([]Licence, error) {
	arguments := []string{"mod", "download", "-json"}
	for _, m := range modules {
		arguments = append(arguments, m.Path+"@"+m.Version)
	}
	output, err := exec.Command("go", arguments...).Output()
	if err != nil {
		return nil, fmt.Errorf("find modules: %w: %s", err, output)
	}
	var all []Licence
	for decoder := json.NewDecoder(bytes.NewReader(output)); ; {
		var found struct{ Path, Version, Dir string }
		if err := decoder.Decode(&found); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, fmt.Errorf("find modules: %w", err)
		}
		l, err := in(found.Dir, isBeside)
		if err != nil {
			return nil, fmt.Errorf("licence of %s: %w", found.Path, err)
		}
		l.Module, l.Version = found.Path, found.Version
		all = append(all, l)
	}
}

// OfGo returns the licence of Go's own library.
func OfGo() (Licence, error) {
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return Licence{}, fmt.Errorf("find Go: %w", err)
	}
	l, err := in(strings.TrimSpace(string(root)), func(string) bool { return true }) // further down is the toolchain's
	l.Module = "the standard library of Go"
	return l, err
}

var (
	isLicence = regexp.MustCompile(`(?i)^(un)?(licen[cs]e|copying)(\.txt|\.md)?$`).MatchString
	// isBeside: what is there for tests and examples is in no program.
	isBeside = regexp.MustCompile(`(?i)^(testdata|tests?|examples?|vendor|_.*|\..*)$`).MatchString
	isNotice = regexp.MustCompile(`(?i)^notice(\.txt|\.md)?$`).MatchString
)

// add adds a text that is not there yet.
func (l *Licence) add(text string) {
	text = strings.TrimSpace(strings.ReplaceAll(text, "\r\n", "\n")) + "\n"
	if !slices.Contains(l.Texts, text) {
		l.Texts = append(l.Texts, text)
	}
}

// in returns the licence of what is in a directory: code of others may have its own
// further down, but not in directories of the names that skip tells.
func in(root string, skip func(name string) bool) (l Licence, err error) {
	var ids []string
	err = filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && path != root && skip(e.Name()):
			return fs.SkipDir
		case e.IsDir() || !isLicence(e.Name()) && !isNotice(e.Name()):
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		l.add(string(text))
		if isNotice(e.Name()) {
			return nil
		}
		for _, match := range licensecheck.Scan(text).Match {
			if !match.IsURL {
				ids = append(ids, match.ID)
			}
		}
		return nil
	})
	if err != nil {
		return l, err
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	if len(ids) == 0 {
		return l, fmt.Errorf("none is known in %s", root)
	}
	for _, id := range ids {
		if !slices.Contains(permitted, id) {
			return l, fmt.Errorf("%s is not among %s", id, strings.Join(permitted, ", "))
		}
	}
	l.ID = strings.Join(ids, " AND ")
	return l, nil
}
