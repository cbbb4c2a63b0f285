package main

import (
	"fmt"
	"strings"

	"github.com/alecthomas/kong"
)

const (
	// helpWidth and helpHeight are a screen. --help keeps to it by naming the
	// flags of groups, which --help-all explains.
	helpWidth  = 80
	helpHeight = 40
	// flagWidth is the column of a flag's explanation.
	flagWidth = 29
)

// A flagGroup is the flags of a command under one heading.
type flagGroup struct {
	title string // "" for the daily ones
	flags []*kong.Flag
}

// groupsOf returns a command's own flags: those of no group first, the others in
// the order in which their groups appear.
func groupsOf(node *kong.Node) []flagGroup {
	groups := []flagGroup{{}}
next:
	for _, flag := range node.Flags {
		if flag.Hidden {
			continue
		}
		title := ""
		if flag.Group != nil {
			title = flag.Group.Title
		}
		for i := range groups {
			if groups[i].title == title {
				groups[i].flags = append(groups[i].flags, flag)
				continue next
			}
		}
		groups = append(groups, flagGroup{title, []*kong.Flag{flag}})
	}
	return groups
}

// explained lists the flags of all groups, each with its help.
func explained(groups []flagGroup) string {
	var b strings.Builder
	for _, g := range groups {
		if len(g.flags) == 0 {
			continue
		}
		title := g.title
		if title == "" {
			title = "Flags"
		}
		fmt.Fprintf(&b, "\n%s:\n", title)
		for _, flag := range g.flags {
			b.WriteString(helpRow("  "+asWritten(flag), flag.Help, flagWidth))
		}
	}
	return b.String()
}

// daily explains the daily flags, and names the others.
func daily(groups []flagGroup) string {
	var b strings.Builder
	b.WriteString(explained(groups[:1]))
	b.WriteString("\nMore, which --help-all explains:\n")
	for _, g := range groups[1:] {
		var names []string
		for _, flag := range g.flags {
			names = append(names, "--"+flag.Name)
		}
		b.WriteString(helpRow("  "+strings.ToLower(g.title), strings.Join(names, " "), 19))
	}
	return b.String()
}

// asWritten returns a flag as users write it.
func asWritten(flag *kong.Flag) string {
	if flag.IsBool() {
		return "--" + flag.Name
	}
	return "--" + flag.Name + "=" + flag.PlaceHolder
}

// helpRow returns a name with its explanation in the next column, over as many
// lines as it takes.
func helpRow(name, text string, column int) string {
	var b strings.Builder
	line := fmt.Sprintf("%-*s", column-1, name)
	if len(name) >= column {
		b.WriteString(name + "\n")
		line = strings.Repeat(" ", column-1)
	}
	for _, word := range strings.Fields(text) {
		if len(line)+1+len(word) > helpWidth {
			b.WriteString(line + "\n")
			line = strings.Repeat(" ", column-1)
		}
		line += " " + word
	}
	b.WriteString(strings.TrimRight(line, " ") + "\n")
	return b.String()
}

// commandOf returns a command with those above it, such as "lifecycle plan".
func commandOf(n *kong.Node) string {
	if n.Parent != nil && n.Parent.Type == kong.CommandNode {
		return n.Parent.Name + " " + n.Name
	}
	return n.Name
}
