package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// helps returns the help of every command: all of it, and that of one screen.
func helps(t *testing.T) (full, short map[string]string, commands map[string]*kong.Node) {
	t.Helper()
	parser, err := newParser(t.Context(), &console{}, &program{})
	if err != nil {
		t.Fatal(err)
	}
	full, short, commands = map[string]string{}, map[string]string{}, map[string]*kong.Node{}
	var visit func(nodes []*kong.Node)
	visit = func(nodes []*kong.Node) {
		for _, node := range nodes {
			if !node.Hidden {
				verb := commandOf(node)
				full[verb], short[verb], commands[verb] = fullHelpOf(node), helpOf(node), node
				visit(node.Children)
			}
		}
	}
	visit(parser.Model.Children)
	return full, short, commands
}

// Each command's help fits a screen, names every flag, and explains it there or
// under --help-all.
func TestHelp(t *testing.T) {
	full, short, commands := helps(t)
	for verb, node := range commands {
		lines := strings.Split(strings.TrimSuffix(short[verb], "\n"), "\n")
		if len(lines) > helpHeight {
			t.Errorf("%s: %d lines", verb, len(lines))
		}
		for _, line := range append(lines, strings.Split(full[verb], "\n")...) {
			if len(line) > helpWidth {
				t.Errorf("%s: too wide: %s", verb, line)
			}
		}
		for _, flag := range node.Flags {
			words := strings.Join(strings.Fields(full[verb]), " ")
			if !strings.Contains(short[verb], "--"+flag.Name) || !strings.Contains(words, asWritten(flag)+" "+flag.Help) {
				t.Errorf("%s: --%s is not explained", verb, flag.Name)
			}
		}
		if groups := groupsOf(node); len(groups) > 1 && len(node.Flags) > 15 && len(groups[0].flags) > 10 {
			t.Errorf("%s: %d daily flags", verb, len(groups[0].flags))
		}
	}
}

// Each command that does something lists its exit codes, and those with which
// the scripts see it end are among them.
func TestExitStatus(t *testing.T) {
	full, _, commands := helps(t)
	for verb, node := range commands {
		if has := strings.Contains(full[verb], "EXIT STATUS"); has != (len(node.Children) == 0) {
			t.Errorf("%s: exit status %v", verb, has)
		}
		for exit := range endings[verb] {
			if exit != exitDone && !slices.ContainsFunc(codes, func(c code) bool { return c.exit == exit }) {
				t.Errorf("%s: exit code %d is not known", verb, exit)
			}
		}
	}
	scripts, err := filepath.Glob(filepath.Join("testdata", "*.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, script := range scripts {
		text, err := os.ReadFile(script)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range regexp.MustCompile(`(?m)^(?:exits|unprivileged) (\d+) lifeboat (.*)$`).FindAllStringSubmatch(string(text), -1) {
			verb := verbOf(commands, strings.Fields(line[2]))
			if verb == "" {
				continue
			}
			seen++
			if code, err := strconv.Atoi(line[1]); err != nil || !strings.Contains(full[verb], "\n  "+strconv.Itoa(code)+" ") {
				t.Errorf("%s: %s: exit %s is not in the help", script, verb, line[1])
			}
		}
	}
	if seen < 100 {
		t.Errorf("only %d commands found", seen)
	}
}

// verbOf returns the command that the words begin with, "" for none.
func verbOf(commands map[string]*kong.Node, words []string) string {
	for n := min(2, len(words)); n > 0; n-- {
		verb := strings.Join(words[:n], " ")
		if node := commands[verb]; node != nil && len(node.Children) == 0 {
			return verb
		}
	}
	return ""
}
