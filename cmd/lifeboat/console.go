package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/reports"
	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/worker"
	"github.com/lifeboat-sqlite/lifeboat/upload"
)

// globals are the flags that every command has.
type globals struct {
	LogFormat string `enum:"text,json" default:"text" placeholder:"text|json" help:"How to log to stderr."`
	Progress  string `enum:"auto,json" default:"auto" placeholder:"auto|json" help:"Progress as bars on a terminal (auto), or as lines of JSON on stderr."`
	Debug     bool   `help:"Log every step." xor:"loudness"`
	Quiet     bool   `short:"q" help:"Print nothing but warnings and errors." xor:"loudness"`
}

// A console is where a command prints: results on stdout, all else on stderr.
type console struct {
	*globals
	stdout, stderr *os.File
	log            *slog.Logger
	steps          *terminal.Steps // nil unless progress is asked for in JSON
	bars           *terminal.Bars  // nil unless stderr is a terminal that can show them
	workers        *worker.Pool    // read databases; nil unless the command does
	batch          *reports.Batch  // writes the metrics of many databases together; nil for one
	stores         *upload.Stores  // open the buckets of many databases; nil for one
	hinted         map[string]bool // by the run over many databases, whose errors are printed one at a time; nil for one
	json           bool            // a document is asked for
	documented     *bool           // one was printed, or could not be; shared by copies
	kept           *keptResult     // keeps the result of one of several databases; nil: results are printed
}

// start sets up logging and progress bars by the flags.
func (c *console) start() {
	var w io.Writer = c.stderr
	if c.Progress == "json" {
		c.steps = terminal.NewSteps(c.stderr)
	} else if !c.Quiet && c.LogFormat == "text" && terminal.CanShowBars(c.stderr) {
		c.bars = terminal.NewBars(c.stderr)
		w = c.bars
	}
	options := &slog.HandlerOptions{Level: terminal.LevelNotice, ReplaceAttr: terminal.LevelName}
	if c.Debug {
		options.Level = slog.LevelDebug
	}
	switch {
	case c.LogFormat == "json":
		c.log = slog.New(slog.NewJSONHandler(terminal.JSONLog{Writer: w}, options))
	case !c.Debug && term.IsTerminal(int(c.stderr.Fd())):
		c.log = slog.New(terminal.NewSentences(c.stderr, c.bars))
	default:
		c.log = slog.New(slog.NewTextHandler(w, options))
	}
}

// progress returns a function that shows the progress of one part of the
// work, in bytes.
func (c *console) progress(part string) func(done, total int64) {
	switch {
	case c.steps != nil:
		return func(done, total int64) { c.steps.Set(part, done, total) }
	case c.bars != nil:
		return func(done, total int64) { c.bars.Set(part, done, total) }
	}
	return func(int64, int64) {}
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
	if c.kept != nil {
		c.kept.add(asJSON, document, text)
		return nil
	}
	if asJSON {
		if c.documented != nil {
			*c.documented = true
		}
		var b strings.Builder
		encoder := json.NewEncoder(&b)
		encoder.SetIndent("", "  ")
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(document); err != nil {
			return fmt.Errorf("%w: %w", errNotPrinted, err)
		}
		return c.print(terminal.PrintableJSON(b.String()))
	}
	return c.print(terminal.Fit(terminal.PrintableLines(text), terminal.Width(c.stdout)))
}

// print writes to stdout.
func (c *console) print(text string) error {
	if text == "" {
		return nil
	}
	if c.kept != nil {
		c.kept.add(false, nil, text)
		return nil
	}
	c.endProgress()
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

// fit returns sentences in lines that fit the terminal that stdout may be.
func (c *console) fit(text string) string {
	return terminal.Fit(text, terminal.Width(c.stdout))
}

// suggest prints what to do next and the command, for people at a terminal.
func (c *console) suggest(what, command string) {
	if !c.Quiet && !c.json && c.kept == nil && c.LogFormat == "text" && term.IsTerminal(int(c.stderr.Fd())) {
		width := terminal.Width(c.stderr)
		c.tell(terminal.Fit(what+":", width) + "\n" + terminal.Command(command, width))
	}
}

// note tells people what a command makes of what they have typed.
func (c *console) note(text string) {
	if !c.Quiet && c.kept == nil && c.LogFormat == "text" {
		c.endProgress()
		c.tell(terminal.Printable(text))
	}
}

// fail prints an error and its hint.
func (c *console) fail(err error) {
	c.endProgress()
	if err == nil || errors.Is(err, errDiffers) { // which was printed as the result
		return
	}
	text, hint := terminal.OneLine(err), hintFor(err)
	if c.log != nil && c.LogFormat == "json" {
		attributes := []any{"exit", exitCode(err)}
		if hint != "" {
			attributes = append(attributes, "hint", hint)
		}
		c.log.Error(text, attributes...)
		return
	}
	c.tell("error: " + terminal.Printable(text))
	if hint != "" && !c.hinted[hint] {
		if c.hinted != nil {
			c.hinted[hint] = true
		}
		c.tell("hint: " + terminal.PrintableLines(hint))
	}
}

// tell prints a sentence for people on stderr, in lines that fit a terminal. Several
// lines are rules to put in by hand, and stay as they are. What cannot be printed on
// stderr has no other place.
func (c *console) tell(text string) {
	if !strings.Contains(text, "\n") {
		text = terminal.Fit(text, terminal.Width(c.stderr))
	}
	_, _ = io.WriteString(c.stderr, text+"\n")
}
