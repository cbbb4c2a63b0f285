package main

import (
	"errors"
	"os"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
)

// failureDocument is what a command with --json prints where it fails before it could
// print a document of its own.
type failureDocument struct {
	Error errorDocument `json:"error"`
}

// errorDocument is why a command failed.
type errorDocument struct {
	Code    int    `json:"code"`   // the exit code
	Reason  string `json:"reason"` // a word of the table of reasons
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// document prints the error as a document, where one was asked for and none was printed.
func (c *console) document(err error) error {
	if err == nil || !c.json || *c.documented || errors.Is(err, errNotPrinted) {
		return nil
	}
	return c.result(true, failureDocument{describeError(err)}, "")
}

func describeError(err error) errorDocument {
	exit, reason := verdict(err)
	return errorDocument{exit, reason, terminal.ValidText(terminal.OneLine(err)), terminal.ValidText(hintFor(err))}
}

// asksForJSON reports whether a command line that may be wrong asks for a document.
func asksForJSON(args []string) bool {
	asks, _ := strconv.ParseBool(os.Getenv(envPrefix + "_JSON"))
	for _, arg := range args {
		if arg == "--" {
			break
		}
		if arg == "--json" {
			asks = true
		} else if value, found := strings.CutPrefix(arg, "--json="); found {
			asks, _ = strconv.ParseBool(value)
		}
	}
	return asks
}

// wantsJSON reports whether a parsed command line asks for a document.
func wantsJSON(command *kong.Node) bool {
	for _, flag := range command.Flags {
		if flag.Name == "json" {
			return flag.Target.Bool()
		}
	}
	return false
}
