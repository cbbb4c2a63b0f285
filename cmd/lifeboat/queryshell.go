package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/answer"
	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
	"github.com/lifeboat-sqlite/lifeboat/restore/query"
)

const shellHelp = `Type a SELECT that ends with a semicolon, or:
.tables          the tables and views
.schema [TABLE]  how they were made
.quit            leave, as Ctrl-D does
`

// shell answers what the user types, until the end of it or of ctx.
func (s *session) shell(ctx context.Context) error {
	lines := newLineReader(ctx, os.Stdin, s.console.stdout)
	if err := s.console.print(s.console.fit(terminal.Sprintf("snapshot %s, taken %s; .help shows how to ask\n", s.snapshot.ID, terminal.Ago(s.snapshot.ID.Time(), s.began)))); err != nil {
		return err
	}
	for text := ""; ; {
		line, err := lines.read(text != "")
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		command := strings.Fields(line)
		switch {
		case text == "" && len(command) == 0:
			continue
		case text == "" && (command[0] == ".quit" || command[0] == ".exit"):
			return nil
		case text == "" && command[0][0] == '.':
			err = unechoed(func() error { return s.dot(ctx, command) })
		default:
			if text += line + "\n"; !query.Complete(text) {
				continue
			}
			err = unechoed(func() error { return s.typed(ctx, text) })
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if errors.Is(err, errNotPrinted) {
			return err
		}
		s.console.fail(err)
		text = ""
	}
}

// unechoed calls answer. What is typed meanwhile is for the next prompt, which shows it:
// here it would tear the progress bar and the answer apart.
func unechoed(answer func() error) error {
	again, err := terminal.WithoutEcho(os.Stdin)
	if err != nil {
		return err
	}
	return errors.Join(answer(), again())
}

// typed answers statements.
func (s *session) typed(ctx context.Context, text string) error {
	for _, statement := range query.Split(text) {
		used := s.command.used(statement)
		if err := query.CheckParameters([]query.Statement{statement}, used); err != nil {
			return err
		}
		before, rows := s.database.Fetched().Bytes, s.rows
		if err := s.one(ctx, statement.SQL, used); err != nil {
			return s.explained(err)
		}
		if !s.console.Quiet {
			text := fmt.Sprintf("%s; %s fetched\n", countOf(s.rows-rows, "row"), terminal.Size(s.database.Fetched().Bytes-before))
			if _, err := io.WriteString(s.console.stderr, text); err != nil {
				return err
			}
		}
	}
	return nil
}

// dot answers a command of the shell's own, whose rows are none of the snapshot's.
func (s *session) dot(ctx context.Context, command []string) error {
	defer func(rows int64) { s.rows = rows }(s.rows)
	switch {
	case command[0] == ".tables" && len(command) == 1:
		return s.one(ctx, `SELECT name, type FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\_%' ESCAPE '\' ORDER BY name`, nil)
	case command[0] == ".schema" && len(command) <= 2:
		sql, of := `SELECT sql || ';' FROM sqlite_schema WHERE sql IS NOT NULL`, []query.Parameter(nil)
		if len(command) == 2 {
			sql, of = sql+` AND tbl_name LIKE '' || :of`, []query.Parameter{{Name: "of", Text: command[1]}}
		}
		before := s.writer
		s.writer = answer.NewList(s.out, terminal.PrintableLines)
		defer func() { s.writer = before }()
		return s.one(ctx, sql, of)
	case command[0] == ".help":
		return s.console.print(shellHelp)
	}
	return fmt.Errorf("%s is not known here: .help lists what is", strings.Join(command, " "))
}

// A lineReader reads lines that a user types and can edit, with those before them at
// hand.
type lineReader struct {
	tty   *os.File
	lines *term.Terminal
}

func newLineReader(ctx context.Context, tty, out *os.File) *lineReader {
	return &lineReader{tty, term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{typing{ctx, tty}, out}, "")}
}

// read returns the next line. While it waits the terminal hands on each key.
func (l *lineReader) read(further bool) (line string, err error) {
	if width, height, err := term.GetSize(int(l.tty.Fd())); err == nil && width > 0 && height > 0 {
		if err := l.lines.SetSize(width, height); err != nil {
			return "", err
		}
	}
	l.lines.SetPrompt("lifeboat> ")
	if further {
		l.lines.SetPrompt("     ...> ")
	}
	before, err := term.MakeRaw(int(l.tty.Fd()))
	if err != nil {
		return "", fmt.Errorf("read from the terminal: %w", err)
	}
	defer func() { err = errors.Join(err, term.Restore(int(l.tty.Fd()), before)) }()
	return l.lines.ReadLine()
}

// typing reads from a terminal until ctx is done.
type typing struct {
	ctx context.Context
	tty *os.File
}

// Read implements io.Reader.
func (t typing) Read(p []byte) (int, error) {
	const look = 100 // milliseconds
	for {
		if t.ctx.Err() != nil {
			return 0, context.Cause(t.ctx)
		}
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(t.tty.Fd()), Events: unix.POLLIN}}, look)
		if err != nil && err != unix.EINTR {
			return 0, err
		}
		if n > 0 {
			n, err := t.tty.Read(p)
			// What was typed while an answer was printed has such line ends.
			return copy(p, bytes.ReplaceAll(p[:n], []byte("\n"), []byte("\r"))), err
		}
	}
}
