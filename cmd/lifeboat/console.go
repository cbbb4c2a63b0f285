package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/worker"
)

// globals are the flags that every command has.
type globals struct {
	LogFormat string `enum:"text,json" default:"text" placeholder:"text|json" help:"How to log to stderr."`
	Debug     bool   `help:"Log every step." xor:"loudness"`
	Quiet     bool   `short:"q" help:"Print nothing but warnings and errors." xor:"loudness"`
}

// A console is where a command prints: results on stdout, all else on stderr.
type console struct {
	*globals
	stdout, stderr *os.File
	log            *slog.Logger
	bars           *terminal.Bars // nil unless stderr is a terminal that can show them
	workers        *worker.Pool   // read databases; nil unless the command does
}

// start sets up logging and progress bars by the flags.
func (c *console) start() {
	var w io.Writer = c.stderr
	if !c.Quiet && c.LogFormat == "text" && terminal.CanShowBars(c.stderr) {
		c.bars = terminal.NewBars(c.stderr)
		w = c.bars
	}
	options := &slog.HandlerOptions{Level: slog.LevelWarn}
	if c.Debug {
		options.Level = slog.LevelDebug
	}
	if c.LogFormat == "json" {
		c.log = slog.New(slog.NewJSONHandler(terminal.JSONLog{Writer: w}, options))
	} else {
		c.log = slog.New(slog.NewTextHandler(w, options))
	}
}

// progress returns a function that shows the progress of one part of the
// work, in bytes.
func (c *console) progress(part string) func(done, total int64) {
	if c.bars == nil {
		return func(int64, int64) {}
	}
	return func(done, total int64) { c.bars.Set(part, done, total) }
}

// endProgress removes the bars from the terminal.
func (c *console) endProgress() {
	if c.bars != nil {
		c.bars.End()
	}
}

// result prints a command's result: the document, or the text for people. The
// error wraps errNotPrinted.
func (c *console) result(asJSON bool, document any, text string) error {
	if asJSON {
		var b strings.Builder
		encoder := json.NewEncoder(&b)
		encoder.SetIndent("", "  ")
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(document); err != nil {
			return fmt.Errorf("%w: %w", errNotPrinted, err)
		}
		return c.print(terminal.PrintableJSON(b.String()))
	}
	return c.print(terminal.PrintableLines(text))
}

// print writes to stdout.
func (c *console) print(text string) error {
	if text == "" {
		return nil
	}
	if _, err := io.WriteString(c.stdout, text); err != nil {
		return fmt.Errorf("%w: %w", errNotPrinted, err)
	}
	return nil
}

// unlessQuiet returns the text of a success, or "" with --quiet.
func (c *console) unlessQuiet(text string) string {
	if c.Quiet {
		return ""
	}
	return text
}

// fail prints an error and its hint.
func (c *console) fail(err error) {
	c.endProgress()
	if err == nil {
		return
	}
	text, hint := strings.ReplaceAll(err.Error(), "\n", "; "), hintFor(err)
	if c.log != nil && c.LogFormat == "json" {
		attributes := []any{"exit", exitCode(err)}
		if hint != "" {
			attributes = append(attributes, "hint", hint)
		}
		c.log.Error(text, attributes...)
		return
	}
	fmt.Fprintf(c.stderr, "error: %s\n", terminal.Printable(text))
	if hint != "" {
		fmt.Fprintf(c.stderr, "hint: %s\n", terminal.PrintableLines(hint)) // rules to put in by hand have lines
	}
}
