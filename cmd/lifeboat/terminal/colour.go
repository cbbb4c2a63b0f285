package terminal

import (
	"fmt"
	"os"

	"golang.org/x/term"
)

// Colours, as ECMA-48 numbers them.
const (
	Red    = 31
	Green  = 32
	Yellow = 33
)

// Painter returns a function that colours text, if f is a terminal and the
// environment does not forbid it (https://no-color.org), and else returns it
// unchanged.
func Painter(f *os.File) func(colour int, text string) string {
	if os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" || !term.IsTerminal(int(f.Fd())) {
		return Plain
	}
	return func(colour int, text string) string { return fmt.Sprintf("\x1b[%dm%s\x1b[0m", colour, text) }
}

// Plain colours nothing.
func Plain(_ int, text string) string { return text }
