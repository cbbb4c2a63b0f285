package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/roff"
)

// manualCmd writes the manual pages into a directory, for those who make packages.
type manualCmd struct {
	Dir string `arg:""`
}

// Run implements the command.
func (m manualCmd) Run(parsed *kong.Context) error {
	for name, page := range manual(parsed.Model.Node) {
		if err := os.WriteFile(filepath.Join(m.Dir, name+".1"), []byte(page.String()), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// manual returns the manual pages, by name: one of the program, and one of each
// command. They have what the help has, from the same source.
func manual(root *kong.Node) map[string]*roff.Page {
	pages := map[string]*roff.Page{"lifeboat": programPage(root)}
	visible(root, func(command *kong.Node) {
		pages[pageOf(command)] = commandPage(command)
	})
	return pages
}

// visible calls f with all commands below one, but for those that are hidden.
func visible(node *kong.Node, f func(command *kong.Node)) {
	for _, child := range node.Children {
		if !child.Hidden {
			f(child)
			visible(child, f)
		}
	}
}

// pageOf returns the name of a command's manual page, such as lifeboat-lifecycle-plan.
func pageOf(command *kong.Node) string {
	return "lifeboat-" + strings.ReplaceAll(commandOf(command), " ", "-")
}

func programPage(root *kong.Node) *roff.Page {
	p := roff.New("lifeboat", "1", "lifeboat "+programVersion())
	p.Section("name")
	p.Line("lifeboat - back up live SQLite databases to S3-compatible buckets, and restore them")
	p.Section("synopsis")
	p.Line("lifeboat COMMAND [flags]")
	p.Section("description")
	p.Verbatim(topHelp)
	p.Section("commands")
	visible(root, func(command *kong.Node) { p.Item(pageOf(command)+"(1)", command.Help) })
	p.Section("exit status")
	p.Item(strconv.Itoa(exitDone), "done")
	for _, c := range codes {
		p.Item(strconv.Itoa(c.exit), c.means)
	}
	p.Item("130, 143", "interrupted, terminated; cleaned up")
	return p
}

func commandPage(command *kong.Node) *roff.Page {
	name, verb := pageOf(command), commandOf(command)
	p := roff.New(name, "1", "lifeboat "+programVersion())
	p.Section("name")
	p.Line(name + " - " + command.Help)
	p.Section("synopsis")
	p.Line(usageOf(command))
	p.Section("examples")
	p.Verbatim(examples[verb])
	if len(command.Children) > 0 {
		p.Section("commands")
		visible(command, func(child *kong.Node) { p.Item(pageOf(child)+"(1)", child.Help) })
	}
	p.Section("options")
	for _, g := range groupsOf(command) {
		if g.title != "" {
			p.Subsection(g.title)
		}
		for _, flag := range g.flags {
			p.Item(asWritten(flag), flag.Help)
		}
	}
	p.Subsection("Everywhere")
	p.Text(everywhere)
	if exits := exitsOf(verb); len(exits) > 0 {
		p.Section("exit status")
		for _, e := range exits {
			p.Item(strconv.Itoa(e.exit), e.means)
		}
	}
	p.Section("environment")
	p.Text("A flag such as --max-rate is also a variable, LIFEBOAT_MAX_RATE, but for those that consent or override. Those of secrets have a twin for a file, such as LIFEBOAT_PING_URL_FILE. The keys and the endpoint are AWS settings, such as AWS_ACCESS_KEY_ID and AWS_ENDPOINT_URL_S3.")
	p.Section("see also")
	p.Line("lifeboat(1)")
	return p
}
