package main

import (
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// Each command has a manual page with all that its help has, which groff prints
// without a complaint and in 80 columns.
func TestManual(t *testing.T) {
	parser, err := newParser(t.Context(), &console{}, &program{})
	if err != nil {
		t.Fatal(err)
	}
	pages := manual(parser.Model.Node)
	_, _, commands := helps(t)
	if len(pages) != len(commands)+1 {
		t.Errorf("%d pages for %d commands", len(pages), len(commands))
	}
	shown := map[string]string{}
	for name, page := range pages {
		command := exec.Command("groff", "-ww", "-man", "-Tascii", "-P-cbou")
		command.Stdin = strings.NewReader(page.String())
		var complaints strings.Builder
		command.Stderr = &complaints
		text, err := command.Output()
		if err != nil || complaints.Len() > 0 {
			t.Fatalf("%s: %v: %s", name, err, complaints.String())
		}
		for shown := range strings.Lines(string(text)) {
			if shown = strings.TrimSuffix(shown, "\n"); len(shown) > 80 {
				t.Errorf("%s(1) does not fit into 80 columns: %s", name, shown)
			}
		}
		shown[name] = strings.Join(strings.Fields(string(text)), " ")
	}
	for verb, node := range commands {
		name := pageOf(node)
		if !strings.Contains(shown["lifeboat"], name+"(1) "+node.Help) {
			t.Errorf("lifeboat(1) does not list %s", name)
		}
		wanted := []string{"NAME " + name + " - " + node.Help, usageOf(node)}
		for _, flag := range node.Flags {
			wanted = append(wanted, asWritten(flag)+" "+flag.Help)
		}
		for _, exit := range exitsOf(verb) {
			wanted = append(wanted, strconv.Itoa(exit.exit)+" "+exit.means)
		}
		for _, child := range node.Children {
			wanted = append(wanted, pageOf(child)+"(1) "+child.Help)
		}
		for line := range strings.Lines(examples[verb]) {
			wanted = append(wanted, line)
		}
		for _, want := range wanted {
			if !strings.Contains(shown[name], strings.Join(strings.Fields(want), " ")) {
				t.Errorf("%s(1) does not say %q", name, want)
			}
		}
	}
}
