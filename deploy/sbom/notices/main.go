// Notices prints the licences of what is in a program that Go has built: of its modules,
// of Go's own library, of SQLite, and the texts of these files, which are those of the C
// library.
//
//	notices PROGRAM FILE...
package main

import (
	"debug/buildinfo"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/lifeboat-sqlite/lifeboat/deploy/sbom/licences"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: notices PROGRAM FILE...")
		os.Exit(64)
	}
	if err := notices(os.Stdout, os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "notices:", err)
		os.Exit(1)
	}
}

const (
	introduction = `Lifeboat is distributed under the Apache License 2.0. The program has other
software in it, under the licences that follow.

SQLite is in the public domain: https://www.sqlite.org/copyright.html
`
	line = "\n================================================================================\n\n"
)

// notices writes the licences of what is in a program, then the files.
func notices(w io.Writer, program string, files []string) error {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return err
	}
	all, err := licences.Of(info.Deps)
	if err != nil {
		return err
	}
	stdlib, err := licences.OfGo()
	if err != nil {
		return err
	}
	stdlib.Version = strings.TrimPrefix(info.GoVersion, "go")
	text := introduction + sections(append(all, stdlib))
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		text += line + strings.TrimSpace(string(content)) + "\n"
	}
	_, err = io.WriteString(w, text)
	return err
}

// sections returns each text once, below those that it belongs to.
func sections(all []licences.Licence) string {
	var b strings.Builder
	var done []string
	for _, l := range all {
		text := strings.Join(l.Texts, "\n")
		if slices.Contains(done, text) {
			continue
		}
		done = append(done, text)
		b.WriteString(line)
		for _, other := range all {
			if strings.Join(other.Texts, "\n") == text {
				fmt.Fprintf(&b, "%s %s: %s\n", other.Module, other.Version, other.ID)
			}
		}
		b.WriteString("\n" + text)
	}
	return b.String()
}
