package licences

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
)

// All modules of the program have licences that permit its own.
func TestLicences(t *testing.T) {
	output, err := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}}{{end}}{{end}}", "../../../cmd/lifeboat").Output()
	if err != nil {
		t.Fatal(err)
	}
	var modules []*debug.Module
	seen := map[string]bool{}
	for line := range strings.Lines(string(output)) {
		if words := strings.Fields(line); len(words) == 2 && !seen[words[0]] {
			seen[words[0]] = true
			modules = append(modules, &debug.Module{Path: words[0], Version: words[1]})
		}
	}
	all, err := Of(modules)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 20 || len(all) != len(modules) {
		t.Errorf("licences of %d of %d modules", len(all), len(modules))
	}
	for _, l := range all {
		want := map[string]string{"github.com/aws/aws-sdk-go-v2": "Apache-2.0 AND BSD-3-Clause", "github.com/mattn/go-sqlite3": "MIT", "filippo.io/age": "BSD-3-Clause"}[l.Module]
		if want != "" && l.ID != want || !seen[l.Module] || l.Version == "" {
			t.Errorf("%s %s: %s, want %s", l.Module, l.Version, l.ID, want)
		}
		if text := strings.Join(l.Texts, ""); l.Module == "github.com/aws/aws-sdk-go-v2" && !strings.Contains(text, "Copyright 2015 Amazon") {
			t.Errorf("no notice of Amazon's in %s", text)
		}
	}
	if l, err := OfGo(); err != nil || l.ID != "BSD-3-Clause" {
		t.Errorf("Go: %s, %v", l.ID, err)
	}
}

// No licence, one that is unknown, and one that does not permit the program's own.
func TestLicencesThatAreNone(t *testing.T) {
	const gpl = `This program is free software: you can redistribute it and/or modify it under the terms
of the GNU General Public License as published by the Free Software Foundation, either
version 3 of the License, or (at your option) any later version.
`
	for name, want := range map[string]string{"README.md": "none is known", "LICENSE": "none is known", "COPYING": "GPL-3.0"} {
		dir := t.TempDir()
		text := "All rights reserved.\n"
		if name == "COPYING" {
			text = gpl
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if l, err := in(dir, isBeside); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v", name, l.ID, err)
		}
	}
}
