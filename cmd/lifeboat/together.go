package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/dustin/go-humanize/english"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
)

// A keptResult is what a command would have printed of one of several databases.
type keptResult struct {
	document any
	text     strings.Builder
}

func (k *keptResult) add(asJSON bool, document any, text string) {
	if asJSON {
		k.document = document
		return
	}
	k.text.WriteString(text)
}

// resultsDocument is what a command prints with --json for several databases.
type resultsDocument struct {
	Config    string           `json:"config"`
	Databases []resultDocument `json:"databases"` // in the order of the configuration
}

// resultDocument is the result of one of them.
type resultDocument struct {
	Path   string `json:"path,omitempty"`   // absent if the database is gone and its path is not known
	URL    string `json:"url,omitempty"`    // absent if the template makes none
	Result any    `json:"result,omitempty"` // the document of the command for this one alone
	Error  string `json:"error,omitempty"`
	Exit   int    `json:"exit"` // what the command for this one alone would exit with
}

// A joint is a run of one command for several databases.
type joint struct {
	*console
	ctx      context.Context
	schedule *schedule
	config   string
	done     string // what a database is when it is done, such as restored
	brief    bool   // nothing is printed of what is done

	mu        sync.Mutex
	documents []resultDocument
	finished  []bool
}

// newJoint begins a run for the databases of a schedule.
func (f *onlyFlags) newJoint(ctx context.Context, c *console, s *schedule, done string) *joint {
	own := *c
	own.hinted = map[string]bool{}
	j := &joint{console: &own, ctx: ctx, schedule: s, config: f.file(), done: done}
	j.documents, j.finished = make([]resultDocument, len(s.tasks)), make([]bool, len(s.tasks))
	return j
}

// run calls do for each database, with a console that keeps what it prints. One that
// fails does not stop the others.
func (j *joint) run(do func(c *console, i int, t *task) error) error {
	return j.schedule.each(j.console, func(c *console, i int, t *task) error {
		c.kept = &keptResult{}
		if j.brief {
			quiet := *c.globals
			quiet.Quiet, c.globals = true, &quiet
		}
		err := j.ctx.Err()
		if err == nil {
			err = do(c, i, t)
		}
		return j.ended(i, t, c.kept, err)
	})
}

// ended notes a result, and prints it for people. Its error is that of printing.
func (j *joint) ended(i int, t *task, kept *keptResult, err error) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.finished[i] = j.ctx.Err() == nil || err == nil
	err = withSignal(j.ctx, err)
	d := resultDocument{Path: terminal.ValidText(t.Path), URL: t.BucketURL(), Result: kept.document, Exit: exitCode(err)}
	if err != nil {
		d.Error = terminal.ValidText(terminal.OneLine(err))
	}
	j.documents[i] = d
	printing := j.printOne(t, kept.text.String())
	if err != nil && j.ctx.Err() == nil { // the verdict names those that a signal stopped
		j.fail(fmt.Errorf("%s: %w", t.label(), err))
	}
	return printing
}

// printOne prints what a command says of one database, behind its name.
func (j *joint) printOne(t *task, text string) error {
	name := terminal.Printable(t.label()) + ":"
	switch {
	case text == "" || j.json:
		return nil
	case strings.Count(text, "\n") == 1:
		return j.result(false, nil, j.fit(name+" "+text))
	}
	return j.result(false, nil, name+"\n"+text)
}

// A tally is how many of the databases that are well are so for another reason than that
// they are done now, such as " there already".
type tally struct {
	n    int
	text string
}

// end prints the result as a whole, and returns the error of the run.
func (j *joint) end(others ...tally) error {
	var all []outcome
	for i, d := range j.documents {
		all = append(all, outcome{cmp.Or(d.Path, d.URL), j.finished[i], d.Exit})
	}
	well := j.well()
	done, more := well, ""
	for _, o := range others {
		if done -= o.n; o.n > 0 {
			more += fmt.Sprintf(", %d%s", o.n, o.text)
		}
	}
	text := fmt.Sprintf("%s: %d %s", english.Plural(len(all), "database", ""), done, j.done) + more
	if bad := len(all) - well; bad > 0 {
		text += fmt.Sprintf(", %d failed", bad)
	}
	if report := j.schedule.report; report != nil {
		report.Did = text + "\n"
	}
	printing := j.result(j.json, resultsDocument{j.config, j.documents}, j.unlessQuiet(text+"\n"))
	return errors.Join(verdictOf(j.ctx, all, "failed", "not "+j.done, exitOfAll), printing)
}

// atOnce returns how many series a command works on at once: it waits for the store, and
// needs little memory.
func (f *configFlags) atOnce(inFile int) int {
	return cmp.Or(int(f.Parallel), inFile, lookingParallel)
}

func (f *configFlags) several() bool { return true }

func (f *configFlags) partOf(url string) bool { return f.Shard.has(url) }

// runAll runs the command of every task.
func (f *configFlags) runAll(ctx context.Context, c *console, s *schedule) error {
	return f.newJoint(ctx, c, s, "done").runOwn()
}

// A reporting command has metrics and notices, those of a run over several databases
// under a verb.
type reporting interface {
	reportsOfRun() (verb string, run reportFlags, over configFlags)
}

// runOwn runs the command of every task, and adds to the report of the run how many were
// done.
func (j *joint) runOwn() error {
	var verb string
	for _, t := range j.schedule.tasks {
		if own, ok := t.other.(reporting); ok {
			verb, _, _ = own.reportsOfRun() // and leaves to each what is its own
		}
	}
	printing := j.runEach()
	if report := j.schedule.report; report != nil {
		done := j.well()
		report.OnHost(j.schedule.host)
		report.Succeeded = done == len(j.documents)
		report.Add(measuresOfRun(verb, map[string]int{"done": done, "failed": len(j.documents) - done}))
	}
	return errors.Join(j.end(), printing)
}

func (j *joint) runEach() error {
	return j.run(func(c *console, _ int, t *task) error { return t.run(j.ctx, c) })
}

// well returns how many databases are done.
func (j *joint) well() (n int) {
	for _, d := range j.documents {
		if d.Exit == exitDone {
			n++
		}
	}
	return n
}
