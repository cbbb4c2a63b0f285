package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"golang.org/x/term"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/answer"
	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
	"github.com/lifeboat-sqlite/lifeboat/restore/query"
	"github.com/lifeboat-sqlite/lifeboat/upload"
)

type queryCmd struct {
	snapshotFlags
	onlyFlags
	SQL []string `arg:"" optional:"" name:"select" help:"SELECT statements. Without any: those on stdin, or, at a terminal, those that you type."`

	whichFlags
	Param   []parameter `sep:"none" placeholder:"NAME=VALUE" help:"The value of :NAME in the statements; repeatable."`
	CSV     bool        `name:"csv" xor:"format" help:"Print CSV (RFC 4180) with a header."`
	Line    bool        `xor:"format" help:"Print each value in a line of its own."`
	JSON    bool        `name:"json" xor:"format" help:"Print one JSON document."`
	MaxRows *rowCount   `placeholder:"N" group:"Limits" help:"Print at most N rows of each answer, 0: all. At a terminal 1000 if it is not set."`
	insideFlags
}

// A parameter is a value for a parameter of a statement, as NAME=VALUE.
type parameter struct{ query.Parameter }

// UnmarshalText implements encoding.TextUnmarshaler.
func (p *parameter) UnmarshalText(text []byte) error {
	name, value, found := strings.Cut(string(text), "=")
	name = strings.TrimLeft(name, ":@$")
	if !found || name == "" {
		return fmt.Errorf("%q is not NAME=VALUE", text)
	}
	p.Parameter = query.Parameter{Name: name, Text: value}
	return nil
}

// A rowCount is a number of rows, 0: all.
type rowCount uint32

// rowsAtTerminal is how many rows of an answer people get unless they ask for more: it
// is a slip that makes SELECT * of a large table fetch all of it.
const rowsAtTerminal = 1000

// errMaxRows: an answer has more rows than the user allows.
var errMaxRows = errors.New("there are more rows than --max-rows")

// queryHead and queryTail are the first and the last fields of what query --json prints,
// with the answers between them. The document is whole also when a statement fails.
type queryHead struct {
	URL      string           `json:"url"`
	Snapshot snapshotDocument `json:"snapshot"`
}

type queryTail struct {
	Rows    int64          `json:"rows"`            // of all answers
	Fetched int64          `json:"fetched"`         // bytes
	Error   *errorDocument `json:"error,omitempty"` // why it ended early
	Seconds float64        `json:"seconds"`
}

// Run implements the command.
func (q *queryCmd) Run(ctx context.Context, c *console) error {
	shell := len(q.SQL) == 0 && !q.JSON && term.IsTerminal(int(os.Stdin.Fd())) && term.IsTerminal(int(c.stdout.Fd()))
	var statements []query.Statement
	if !shell {
		var err error
		if statements, err = q.statements(os.Stdin); err != nil {
			return err
		}
	}
	stop := c.startWorkers(1)
	return errors.Join(q.look(ctx, c, statements, shell), stop())
}

// maxStatements bounds what is read from stdin, in bytes: it is kept in memory.
const maxStatements = 16 << 20

// statements returns the statements of the command line, or else those in a file.
func (q *queryCmd) statements(file *os.File) (all []query.Statement, err error) {
	texts := q.SQL
	if len(texts) == 0 {
		if term.IsTerminal(int(file.Fd())) {
			return nil, usage("missing: a SELECT statement")
		}
		text, err := io.ReadAll(io.LimitReader(file, maxStatements+1))
		if err != nil {
			return nil, fmt.Errorf("read statements from stdin: %w", err)
		}
		if len(text) > maxStatements {
			return nil, usage("the statements on stdin are longer than %s", terminal.Size(maxStatements))
		}
		texts = []string{string(text)}
	}
	for _, text := range texts {
		if strings.ContainsRune(text, 0) {
			return nil, usage("a statement has a zero byte, where SQLite would take it to end")
		}
		all = append(all, query.Split(text)...)
	}
	if len(all) == 0 {
		return nil, usage("missing: a SELECT statement")
	}
	if err := query.CheckParameters(all, q.parameters()); err != nil {
		return nil, &hinted{usage("%w", err), "--param NAME=VALUE gives a parameter its value"}
	}
	return all, nil
}

func (q *queryCmd) parameters() (all []query.Parameter) {
	for _, p := range q.Param {
		all = append(all, p.Parameter)
	}
	return all
}

// used returns the parameters that a statement has.
func (q *queryCmd) used(s query.Statement) (used []query.Parameter) {
	for _, p := range q.Param {
		if slices.ContainsFunc(s.Parameters, func(marked string) bool { return marked[1:] == p.Name }) {
			used = append(used, p.Parameter)
		}
	}
	return used
}

// look opens the snapshot and asks it the statements, or those that the user types.
func (q *queryCmd) look(ctx context.Context, c *console, statements []query.Statement, shell bool) (err error) {
	limited, cancel, err := q.begin(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	b, err := q.open(limited, c, upload.Options{})
	if err != nil {
		return q.ended(limited, err)
	}
	which, err := q.with(q.URL.Named)
	if err != nil {
		return err
	}
	if err := c.workers.Prepare(limited); err != nil {
		return q.ended(limited, err)
	}
	found, err := which.find(limited, c, b)
	if err != nil {
		return q.ended(limited, q.lookedUp(err))
	}
	s, err := q.newSession(limited, c, b, found)
	if err == nil && shell {
		err = s.shell(limited)
		err = errors.Join(err, s.close(nil))
	} else if err == nil {
		err = s.ask(limited, statements)
		err = errors.Join(err, s.close(err))
	}
	return withInstead(ctx, b, found, q.command(), q.ended(limited, err))
}

// maxRows returns the bound on an answer's rows, 0: none.
func (q *queryCmd) maxRows(c *console) int64 {
	switch {
	case q.MaxRows != nil:
		return int64(*q.MaxRows)
	case term.IsTerminal(int(c.stdout.Fd())):
		return rowsAtTerminal
	}
	return 0
}

// writer returns what writes the answers to stdout. Without a flag a pipe gets what the
// sqlite3 tool would write there.
func (q *queryCmd) writer(c *console, w io.Writer) answer.Writer {
	tty := term.IsTerminal(int(c.stdout.Fd()))
	text := func(text string) string { return text }
	if tty {
		text = terminal.Printable
	}
	switch {
	case q.CSV:
		return answer.NewCSV(w, text)
	case q.Line:
		return answer.NewLines(w)
	case tty:
		const usual = 80 // of a terminal that does not say
		return answer.NewTable(w, cmp.Or(terminal.Width(c.stdout), usual), terminal.Painter(c.stdout))
	}
	return answer.NewList(w, text)
}

// command returns this command without the choice of the snapshot.
func (q *queryCmd) command() string {
	words := []string{"lifeboat query", terminal.Quote(q.URL.String())}
	for _, sql := range q.SQL {
		words = append(words, terminal.Quote(sql))
	}
	for _, p := range q.Param {
		words = append(words, "--param", terminal.Quote(p.Name+"="+p.Text))
	}
	for _, flag := range []struct {
		given bool
		name  string
	}{{q.CSV, "--csv"}, {q.Line, "--line"}, {q.JSON, "--json"}} {
		if flag.given {
			words = append(words, flag.name)
		}
	}
	for _, path := range q.AgeIdentity {
		words = append(words, "--age-identity", terminal.Quote(path))
	}
	return strings.Join(words, " ")
}

// tooMany returns the error for an answer with more rows than the user allows.
func tooMany(most int64) error {
	return fmt.Errorf("%w: the first %s are printed", errMaxRows, humanize.Comma(most))
}

// closingLine is what a person reads below the answers.
func closingLine(id string, taken time.Time, rows, fetched int64, took time.Duration) string {
	return terminal.Sprintf("%s of snapshot %s, taken %s; %s fetched in %s\n", countOf(rows, "row"), id, terminal.Ago(taken, time.Now()), terminal.Size(fetched), terminal.Clock(took))
}

// countOf returns a number of things, such as 1 row or 1,000 rows.
func countOf(n int64, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return humanize.Comma(n) + " " + thing
}
